//! A transaction that has begun and not ended, and the commands that end it.

use std::io::{self, Write};

use landfall_model::{EnvironmentName, OpenTransaction, Timestamp};

use crate::amount::age;
use crate::line::Line;
use crate::page::Page;
use crate::style::{Ink, Style};
use crate::words;

/// Says what is going on or was interrupted, how far it came, and what to do.
///
/// # Errors
/// Any of the writer's.
pub fn open_transaction(
    out: &mut dyn Write,
    environment: &EnvironmentName,
    open: &OpenTransaction,
    now: Timestamp,
    style: &Style,
) -> io::Result<()> {
    let mut page = Page::new(style);
    interrupted(&mut page, environment, open, now);
    page.write(out)
}

pub(crate) fn interrupted(
    page: &mut Page<'_>,
    environment: &EnvironmentName,
    open: &OpenTransaction,
    now: Timestamp,
) {
    let what = format!("{} {}", words::kind(open.kind), open.transaction);
    let since = age(now, open.begun);
    let step = open.done.saturating_add(1).min(open.steps);
    let place = format!("{}, step {step} of {}", open.doing, open.steps);
    let first = Line::of(Ink::Warn, if open.running { page.sign("▸ ", "> ") } else { "! " });
    if open.running {
        let who = open.lease.as_ref().map(|lease| format!(" ({})", lease.holder)).unwrap_or_default();
        let line =
            Line::of(Ink::Strong, format!("{what} is running")).and(format!(" for {since}{who}: {place}"));
        return page.flow(first, 2, line);
    }
    let line = Line::of(Ink::Strong, format!("{what} was interrupted"));
    page.flow(first, 2, line.and(format!(" {since} ago at {place}")));
    let undo = command("undo", environment);
    let resume = command("resume", environment);
    let advice = if open.switched {
        Line::from("traffic was switched already: ")
            .with(Ink::Strong, resume)
            .and(" finishes it, ")
            .with(Ink::Strong, undo)
            .and(" goes back")
    } else {
        Line::from("nothing was switched: ")
            .with(Ink::Strong, undo)
            .and(" takes it back, ")
            .with(Ink::Strong, resume)
            .and(" finishes it")
    };
    page.flow(Line::new(), 2, advice);
}

/// `` `landfall undo` ``; the environment is named unless it is the default one.
pub(crate) fn command(verb: &str, environment: &EnvironmentName) -> String {
    match environment.as_str() {
        "dev" => format!("`landfall {verb}`"),
        other => format!("`landfall {verb} {other}`"),
    }
}
