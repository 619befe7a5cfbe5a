//! The terminal that `exec` hands over: its size, and raw mode for as long as it is handed over.

use std::io;

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

/// Rows and columns, when both standard input and standard output are a terminal.
pub(crate) fn size() -> Option<(u16, u16)> {
    if !isatty(io::stdin()) || !isatty(io::stdout()) {
        return None;
    }
    tcgetwinsize(io::stdout()).ok().map(|size| (size.ws_row, size.ws_col))
}

/// Raw mode, in which every key goes to the other side; ended by dropping it.
pub(crate) struct Raw(Option<Termios>);

impl Raw {
    /// Enters it. A terminal that refuses stays as it is.
    pub(crate) fn enter() -> Self {
        let enter = || -> rustix::io::Result<Termios> {
            let before = tcgetattr(io::stdin())?;
            let mut raw = before.clone();
            raw.make_raw();
            // What was typed ahead stays: it is meant for the command.
            tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
            Ok(before)
        };
        Self(enter().ok())
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs no way back.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
    }
}
