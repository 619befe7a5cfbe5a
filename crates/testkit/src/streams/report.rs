//! What came of streams.

use std::collections::BTreeMap;
use std::fmt;

use landfall_model::Timestamp;

/// Cuts that are kept; more are only counted.
const CUTS_KEPT: usize = 20_000;

/// Different reasons of refusals that are told apart.
const REASONS_KEPT: usize = 64;

/// What kind of stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// A websocket.
    Socket,
    /// Server-sent events.
    Feed,
}

/// A stream that ended though nobody here closed it.
#[derive(Debug, Clone)]
pub struct Cut {
    /// What kind of stream.
    pub kind: StreamKind,
    /// The server's first message on it.
    pub greeting: String,
    /// When it was opened.
    pub since: Timestamp,
    /// When it was cut.
    pub at: Timestamp,
    /// How.
    pub reason: String,
}

/// What came of streams.
#[derive(Debug, Clone, Default)]
pub struct StreamReport {
    /// Streams that were opened and greeted.
    pub opened: u64,
    /// Messages that arrived whole and in order.
    pub messages: u64,
    /// Streams that were cut; the first 20,000.
    pub cuts: Vec<Cut>,
    /// How many were cut in all.
    pub cut: u64,
    /// Attempts to open one that failed.
    pub refused: u64,
    /// Why, and how often; the first 64 different reasons.
    pub refusals: BTreeMap<String, u64>,
}

impl StreamReport {
    pub(super) fn cut(&mut self, cut: Cut) {
        self.cut += 1;
        if self.cuts.len() < CUTS_KEPT {
            self.cuts.push(cut);
        }
    }

    pub(super) fn refuse(&mut self, kind: StreamKind, reason: &str) {
        self.refused += 1;
        let reason = format!("{kind:?}: {reason}");
        if self.refusals.len() < REASONS_KEPT || self.refusals.contains_key(&reason) {
            *self.refusals.entry(reason).or_default() += 1;
        }
    }
}

impl fmt::Display for StreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opened, messages, cut, refused, .. } = self;
        writeln!(f, "{opened} opened, {messages} messages, {cut} cut, {refused} refused")?;
        for (reason, count) in &self.refusals {
            writeln!(f, "  refused {count} times: {reason}")?;
        }
        for Cut { kind, greeting, since, at, reason } in self.cuts.iter().take(20) {
            writeln!(f, "  {kind:?} to `{greeting}`, open since {since}, cut at {at}: {reason}")?;
        }
        Ok(())
    }
}
