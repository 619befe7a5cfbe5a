//! Events for programs: one object a line, and the receipts last.

use std::io::{self, Write};

use landfall_model::{Event, Stamped};

use super::Reporter;
use crate::json::{json, json_line};

/// Writes each event as it comes; behind the last one `{"receipt": …}` for each service.
pub(super) struct Json {
    out: Box<dyn Write + Send>,
}

impl Json {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }
}

impl Reporter for Json {
    fn event(&mut self, event: &Stamped) -> io::Result<()> {
        json(&mut self.out, event, false)?;
        if let Event::Ended { receipts, .. } = &event.event {
            for receipt in receipts {
                json_line(&mut self.out, "receipt", receipt)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        json_line(&mut self.out, "note", &text)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
