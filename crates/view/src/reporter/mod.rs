//! Reporters: the stream of events as it is read live.

mod ended;
mod json;
mod live;
mod plain;
mod progress;
mod terminal;
mod watched;

use std::io::{self, Write};

use landfall_model::Stamped;

use crate::Style;

use json::Json;
use plain::Plain;
use terminal::Terminal;

/// Shows events as they come. An error means that nobody reads any more (a closed pipe): the transaction goes on.
pub trait Reporter: Send {
    /// Shows one event.
    ///
    /// # Errors
    /// Any of the writer's.
    fn event(&mut self, event: &Stamped) -> io::Result<()>;

    /// Shows a sentence that is no event of the transaction, without disturbing the live part; programs get
    /// `{"note": …}`.
    ///
    /// # Errors
    /// Any of the writer's.
    fn note(&mut self, text: &str) -> io::Result<()>;

    /// Ends the live part, if there is one, and flushes. Can be called at any point, also when the stream broke off.
    ///
    /// # Errors
    /// Any of the writer's.
    fn finish(&mut self) -> io::Result<()>;
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person at a terminal: the running step is alive.
    Terminal,
    /// A pipe, a file, CI: a line for each step.
    Plain,
    /// A program: each event as a line of JSON, then `{"receipt": …}` for each service.
    Json,
}

/// How much is shown; without meaning for [`Kind::Json`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// Only how it ended.
    Quiet,
    /// The steps; what commands print only when they fail.
    #[default]
    Normal,
    /// The steps and all that commands print.
    Verbose,
}

/// The reporter of a kind, writing to `out`. At the end of a transaction it shows the receipts and the fault too.
#[must_use]
pub fn reporter(kind: Kind, detail: Detail, out: Box<dyn Write + Send>, style: Style) -> Box<dyn Reporter> {
    match kind {
        Kind::Terminal => Box::new(Terminal::new(out, style, detail)),
        Kind::Plain => Box::new(Plain::new(out, style, detail)),
        Kind::Json => Box::new(Json::new(out)),
    }
}
