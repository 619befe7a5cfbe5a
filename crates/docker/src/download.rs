//! Bytes that an engine streams: an archive of files or images.

use std::io::{self, Read};

use hyper::body::Bytes;
use tokio::runtime::Handle;

use crate::raw::Answer;

/// Bytes as they come; dropping this ends it.
pub struct Download {
    answer: Answer,
}

impl Download {
    pub(crate) fn new(answer: Answer) -> Self {
        Self { answer }
    }

    /// The next bytes; `None` at the end. Safe to cancel.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        self.answer.chunk().await
    }

    /// The same bytes for a reader that blocks; read on a thread that may (`spawn_blocking`).
    ///
    /// # Panics
    /// Outside of a tokio runtime; and when it is read on a thread that drives one.
    #[must_use]
    pub fn blocking(self) -> impl Read + Send {
        Blocking { download: self, runtime: Handle::current(), rest: Bytes::new() }
    }
}

struct Blocking {
    download: Download,
    runtime: Handle,
    rest: Bytes,
}

impl Read for Blocking {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(self.download.chunk())? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let count = buf.len().min(self.rest.len());
        buf[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
