//! A blob as a stream for the event loop: a thread reads only while somebody takes.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Reader;

/// Bytes that are read at once: a thread is asked for that often. A client that takes nothing holds one that waits, one
/// that is read and one that is being written.
const READ: usize = 128 * 1024;

/// Pieces that wait to be taken.
const PIECES: usize = 1;

/// Who takes nothing for that long is gone.
const STALLED: Duration = Duration::from_secs(300);

impl Reader {
    /// The bytes as they are read. What is damaged ends the stream with an error, so that nobody believes it.
    pub(crate) fn stream(mut self) -> ReceiverStream<io::Result<Bytes>> {
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES);
        tokio::spawn(async move {
            loop {
                let read = tokio::task::spawn_blocking(move || {
                    let bytes = self.gather();
                    (bytes, self)
                });
                let Ok((bytes, rest)) = read.await else { return };
                let last = bytes.as_ref().map_or(true, |bytes| bytes.len() < READ);
                let sent = tokio::time::timeout(STALLED, sender.send(bytes.map(Bytes::from))).await;
                if last || !matches!(sent, Ok(Ok(()))) {
                    return;
                }
                self = rest;
            }
        });
        ReceiverStream::new(receiver)
    }

    /// At least [`READ`] bytes, or all that are left.
    fn gather(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(READ);
        while bytes.len() < READ {
            match self.next_bytes().map_err(io::Error::other)? {
                Some(next) => bytes.extend_from_slice(&next),
                None => break,
            }
        }
        Ok(bytes)
    }
}
