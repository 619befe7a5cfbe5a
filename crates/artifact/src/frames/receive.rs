//! Takes a stream of blobs into a store.

use std::io::{self, Read};

use landfall_model::Digest;

use super::{BLOB, BLOB_HEAD, END, HEAD, MAGIC, VERSION};
use crate::store::{Batch, Store, StoreError};

/// What a stream held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Blobs.
    pub blobs: u64,
    /// Bytes of the blobs, without their frames.
    pub bytes: u64,
}

/// Stores all blobs of a stream; they are on the disk when this returns. `limit` is the most bytes of blobs it may hold.
///
/// # Errors
/// A stream that is torn, too large or not made of frames, a blob that is not what its digest says, the system's. The
/// blobs that came whole before it are kept.
pub fn receive(store: &Store, from: &mut dyn Read, limit: u64) -> Result<Received, StoreError> {
    let mut batch = Batch::new(store);
    let taken = take_all(&mut batch, from, limit);
    let committed = batch.commit();
    taken.and_then(|received| committed.map(|()| received))
}

fn take_all(batch: &mut Batch, from: &mut dyn Read, limit: u64) -> Result<Received, StoreError> {
    let mut head = [0; HEAD];
    fill(from, &mut head)?;
    if head[..4] != MAGIC {
        return Err(StoreError::NotFrames("it does not begin as one"));
    }
    if head[4..] != VERSION.to_le_bytes() {
        return Err(StoreError::NotFrames("it is of another version of Landfall"));
    }
    let mut received = Received::default();
    loop {
        let mut tag = [0];
        fill(from, &mut tag)?;
        match tag[0] {
            END => break,
            BLOB => {}
            _ => return Err(StoreError::NotFrames("there is no blob where one should be")),
        }
        let mut head = [0; BLOB_HEAD - 1];
        fill(from, &mut head)?;
        let (mut digest, mut length) = ([0; 32], [0; 8]);
        digest.copy_from_slice(&head[..32]);
        length.copy_from_slice(&head[32..]);
        let length = u64::from_le_bytes(length);
        received.bytes = received.bytes.saturating_add(length);
        if received.bytes > limit {
            return Err(StoreError::TooLarge(limit));
        }
        batch.add(&Digest::Blake3(digest), from, length)?;
        received.blobs += 1;
    }
    match read_some(from, &mut [0])? {
        0 => Ok(received),
        _ => Err(StoreError::NotFrames("something follows its end")),
    }
}

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> Result<(), StoreError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some(from, &mut buffer[filled..])? {
            0 => return Err(StoreError::Torn),
            read => filled += read,
        }
    }
    Ok(())
}

fn read_some(from: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, StoreError> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(StoreError::Stream),
        }
    }
}
