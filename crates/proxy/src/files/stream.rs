//! A file on its way to a client, piece by piece, read by threads that may wait for the disk.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::data::{Broken, Piece, Source};
use crate::limits::FILE_CHUNK;

/// What is left of a part of a file.
pub(crate) struct FileBody {
    /// Away while a piece is being read.
    file: Option<File>,
    reading: Option<JoinHandle<io::Result<(File, Bytes)>>>,
    position: u64,
    left: u64,
    /// What was read and is not sent.
    piece: Bytes,
}

impl FileBody {
    /// `length` bytes from `position` on.
    pub(crate) fn new(file: File, position: u64, length: u64) -> Self {
        Self { file: Some(file), reading: None, position, left: length, piece: Bytes::new() }
    }

    /// Bytes not given yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

impl Source for FileBody {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>> {
        if self.left == 0 {
            return Poll::Ready(Ok(Piece::End));
        }
        if !self.piece.is_empty() {
            return Poll::Ready(Ok(Piece::Data));
        }
        if let Some(file) = self.file.take() {
            let (position, size) = (self.position, self.left.min(FILE_CHUNK as u64));
            self.reading = Some(spawn_blocking(move || {
                let mut bytes = vec![0; super::range::index(size)];
                let count = file.read_at(&mut bytes, position)?;
                bytes.truncate(count);
                Ok((file, bytes.into()))
            }));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(Err(Broken::Ended));
        };
        let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        self.reading = None;
        let (file, bytes) = read?;
        if bytes.is_empty() {
            // The file became shorter, and its length was promised.
            return Poll::Ready(Err(Broken::Ended));
        }
        self.file = Some(file);
        self.position += bytes.len() as u64;
        self.piece = bytes;
        Poll::Ready(Ok(Piece::Data))
    }

    fn piece(&self) -> &[u8] {
        &self.piece
    }

    fn consume(&mut self, count: usize) {
        self.piece.advance(count);
        self.left -= count as u64;
    }

    fn trailers(&self) -> &[u8] {
        &[]
    }
}
