//! Bytes that the event loop receives, for a reader on a thread that may block.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

/// Pieces that may wait to be read.
const WAITING: usize = 8;

/// The reading end; at its end once the sender is gone.
#[derive(Debug)]
pub struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

/// Both ends. Sending waits while `WAITING` pieces are not read yet, and fails once the reader is gone.
#[must_use]
pub fn pieces() -> (mpsc::Sender<io::Result<Bytes>>, Pieces) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (sender, Pieces { receiver, piece: Bytes::new() })
}

impl Read for Pieces {
    /// # Panics
    /// On a thread that drives the event loop.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
