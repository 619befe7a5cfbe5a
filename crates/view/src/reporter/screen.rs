//! A writer as the terminal that indicatif draws on: the few control sequences that a live region needs.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::TermLike;

/// A terminal behind a writer; clones write to the same one. What a background draw could not write is kept and told
/// by [`Screen::failure`].
#[derive(Clone)]
pub(super) struct Screen {
    inner: Arc<Mutex<Inner>>,
    width: u16,
}

struct Inner {
    out: Box<dyn Write + Send>,
    failure: Option<io::Error>,
}

impl Screen {
    pub(super) fn new(out: Box<dyn Write + Send>, width: usize) -> Self {
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        Self { inner: Arc::new(Mutex::new(Inner { out, failure: None })), width }
    }

    /// Writes through to the terminal.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.failure.is_some() {
            return Ok(());
        }
        let written = inner.out.write_all(text.as_bytes());
        if let Err(error) = &written {
            inner.failure = Some(error.kind().into());
        }
        written
    }

    /// The first failure since this was last asked.
    pub(super) fn failure(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.failure.take().map_or(Ok(()), Err)
    }

    fn moved(&self, columns: usize, code: char) -> io::Result<()> {
        // A count of 0 would be taken for 1 (ECMA-48, CUU and its kin).
        if columns == 0 { Ok(()) } else { self.write(&format!("\u{1b}[{columns}{code}")) }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("width", &self.width).finish_non_exhaustive()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.moved(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).out.flush()
    }
}
