//! Transactions, newest first.

use std::io::{self, Write};

use landfall_model::Timestamp;
use landfall_model::api::HistoryLine;

use crate::amount::{age, length, list, millis};
use crate::line::Line;
use crate::page::{Align, Page, Row};
use crate::style::{Ink, Style};
use crate::words;

/// Shows transactions as they come (newest first), each with how it ended, why if it did not end well, and its age at
/// `now`.
///
/// # Errors
/// Any of the writer's.
pub fn history(out: &mut dyn Write, lines: &[HistoryLine], now: Timestamp, style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    if lines.is_empty() {
        page.line(Line::from("Nothing has been deployed here yet."));
        return page.write(out);
    }
    let rows = lines.iter().map(|line| {
        let (ink, outcome) = words::outcome(line.outcome);
        let row = Row::new([
            Line::of(Ink::Strong, line.transaction.to_string()),
            Line::from(words::kind(line.kind)),
            Line::of(ink, outcome),
            Line::from(line.version.to_string()),
            Line::from(format!("{} ago", age(now, line.begun))),
        ]);
        let took = line.ended.map(|ended| length(millis(ended.since(line.begun))));
        let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
        let by = format!("{}{took}, by {}", list(&line.services), line.holder);
        let why = line.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        row.below(Line::of(Ink::Faint, by + &why))
    });
    let aligns = [Align::Right, Align::Left, Align::Left, Align::Left, Align::Right];
    page.table(1, &aligns, rows.collect());
    page.write(out)
}
