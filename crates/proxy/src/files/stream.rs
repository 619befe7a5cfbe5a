//! A file on its way to a client, piece by piece, read by threads that may wait for the disk.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::limits::FILE_CHUNK;

/// What is left of a part of a file.
pub(crate) struct FileBody {
    /// Away while a piece is being read.
    file: Option<File>,
    reading: Option<JoinHandle<io::Result<(File, Bytes)>>>,
    position: u64,
    left: u64,
}

impl FileBody {
    /// `length` bytes from `position` on.
    pub(crate) fn new(file: File, position: u64, length: u64) -> Self {
        Self { file: Some(file), reading: None, position, left: length }
    }

    /// Bytes not given yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Gives the next piece; an error when the file ends early, for its length was promised.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
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
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        self.reading = None;
        Poll::Ready(Some(read.and_then(|(file, bytes)| {
            if bytes.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
            }
            self.file = Some(file);
            self.position += bytes.len() as u64;
            self.left -= bytes.len() as u64;
            Ok(Frame::data(bytes))
        })))
    }
}
