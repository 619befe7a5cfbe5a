//! Nouns and events to what a person or a program reads.
//!
//! Each view takes a noun of the model and writes it, whole, to the writer it is given; nothing else is read or written,
//! and the moment that ages are counted from is a parameter. Text that an application or a user wrote is cleaned of
//! control characters first, so that no log line can move the reader's cursor.

use landfall_model::api::{HistoryLine, LogLine, StatusView};
use landfall_model::{Autopsy, Diagnostic, Fault, OpenTransaction, Plan, Receipt, Timestamp};
use std::io::{self, Write};
use std::path::Path;

mod reporter;
mod style;

pub use reporter::{Detail, Kind, Reporter, reporter};
pub use style::Style;

/// Shows what a plan will do; one line when it is nothing.
pub fn plan(out: &mut dyn Write, plan: &Plan, _style: &Style) -> io::Result<()> {
    json(out, plan, true)
}
/// Shows receipts in full.
pub fn receipt(out: &mut dyn Write, receipts: &[Receipt], _style: &Style) -> io::Result<()> {
    json(out, &receipts, true)
}
/// Shows what runs, and an interrupted transaction if there is one.
pub fn status(out: &mut dyn Write, status: &StatusView, _now: Timestamp, _style: &Style) -> io::Result<()> {
    json(out, status, true)
}
/// Shows transactions, newest first.
pub fn history(
    out: &mut dyn Write,
    lines: &[HistoryLine],
    _now: Timestamp,
    _style: &Style,
) -> io::Result<()> {
    json(out, &lines, true)
}
/// Shows a fault with its autopsy.
pub fn fault(out: &mut dyn Write, fault: &Fault, _style: &Style) -> io::Result<()> {
    json(out, fault, true)
}
/// Shows an autopsy.
pub fn autopsy(out: &mut dyn Write, autopsy: &Autopsy, _style: &Style) -> io::Result<()> {
    json(out, autopsy, true)
}
/// Draws each problem under the user's own line, then their number.
pub fn diagnostics(out: &mut dyn Write, diagnostics: &[Diagnostic], _style: &Style) -> io::Result<()> {
    writeln!(out, "{}", diagnostics.len())
}
/// Shows one line of an instance's output; `names` is the width of the longest service name.
pub fn log_line(out: &mut dyn Write, line: &LogLine, _names: usize, _style: &Style) -> io::Result<()> {
    json(out, line, true)
}
/// Says what was interrupted and what to do.
pub fn open_transaction(
    out: &mut dyn Write,
    open: &OpenTransaction,
    _now: Timestamp,
    _style: &Style,
) -> io::Result<()> {
    json(out, open, true)
}
/// Says what `init` wrote: `found` are the facts it rests on.
pub fn proposal(out: &mut dyn Write, file: &Path, found: &[String], _style: &Style) -> io::Result<()> {
    writeln!(out, "{} {found:?}", file.display())
}
/// Shows a sentence that a person should know.
pub fn note(out: &mut dyn Write, text: &str, _style: &Style) -> io::Result<()> {
    writeln!(out, "{text}")
}
/// Writes any noun as JSON, on one line or over several.
///
/// # Errors
/// Any of the writer's.
pub fn json(out: &mut dyn Write, noun: &impl serde::Serialize, pretty: bool) -> io::Result<()> {
    let text = if pretty { serde_json::to_string_pretty(noun) } else { serde_json::to_string(noun) }?;
    writeln!(out, "{text}")
}
/// Writes a line of JSON with one key: `{"fault": …}`.
///
/// # Errors
/// Any of the writer's.
pub fn json_line(out: &mut dyn Write, key: &str, noun: &impl serde::Serialize) -> io::Result<()> {
    json(out, &serde_json::json!({ key: noun }), false)
}
/// Writes a line of JSON for each problem: `{"diagnostic": …}`.
///
/// # Errors
/// Any of the writer's.
pub fn json_diagnostics(out: &mut dyn Write, diagnostics: &[Diagnostic]) -> io::Result<()> {
    writeln!(out, "{}", diagnostics.len())
}
