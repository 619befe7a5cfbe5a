//! Writing nouns to the reader: as text or as JSON, and quietly ended when nobody reads any more.

use std::io::{self, BufWriter, Write};

use landfall_model::Diagnostic;
use landfall_view::{Detail, Style};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::failure::{Failure, of_output};
use crate::settings::Settings;

/// Whether the reader of standard output has gone away; known of a pipe without writing to it, `poll(2)`.
pub(crate) fn nobody_reads() -> bool {
    let out = io::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).is_ok() && fds[0].revents().contains(PollFlags::ERR)
}

impl Settings {
    /// Shows something on standard output with one of the views.
    pub(crate) fn show(
        &self,
        view: impl FnOnce(&mut dyn Write, &Style) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        view(&mut out, &self.style).and_then(|()| out.flush()).map_err(|error| of_output(&error))
    }

    /// Shows a noun: as a line of JSON when that was asked for, else with its view.
    pub(crate) fn show_noun(
        &self,
        noun: &impl Serialize,
        view: impl FnOnce(&mut dyn Write, &Style) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if self.json {
            return self.show(|out, _| landfall_view::json(out, noun, false));
        }
        self.show(view)
    }

    /// Shows a line of text.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.show(|out, _| writeln!(out, "{text}"))
    }

    /// Tells a person something that is no result: on standard error, not with `-q`.
    pub(crate) fn note(&self, text: &str) {
        if self.detail != Detail::Quiet {
            // Whoever closed standard error does not want to know.
            let _ = landfall_view::note(&mut io::stderr().lock(), text, &self.error_style);
        }
    }

    /// Draws warnings: on standard error, not with `-q`.
    pub(crate) fn warn(&self, warnings: &[Diagnostic]) {
        if !warnings.is_empty() && self.detail != Detail::Quiet {
            // As above.
            let _ = landfall_view::diagnostics(&mut io::stderr().lock(), warnings, &self.error_style);
        }
    }
}
