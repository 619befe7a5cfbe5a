//! Events for pipes, files and CI: a line for each step, written when it is done.

use std::io::{self, Write};

use landfall_model::Stamped;

use super::progress::Progress;
use super::{Detail, Reporter};
use crate::page::Page;
use crate::proposal::note;
use crate::style::Style;

/// Writes lines that stay.
pub(super) struct Plain {
    out: Box<dyn Write + Send>,
    style: Style,
    progress: Progress,
}

impl Plain {
    pub(super) fn new(out: Box<dyn Write + Send>, style: Style, detail: Detail) -> Self {
        Self { out, style, progress: Progress::new(detail, false) }
    }
}

impl Reporter for Plain {
    fn event(&mut self, event: &Stamped) -> io::Result<()> {
        let mut page = Page::new(&self.style);
        self.progress.event(event, &mut page);
        page.write(&mut self.out)
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        note(&mut self.out, text, &self.style)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
