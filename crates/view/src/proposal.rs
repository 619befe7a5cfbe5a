//! What `init` made of a folder, and single sentences.

use std::io::{self, Write};
use std::path::Path;

use crate::line::Line;
use crate::page::Page;
use crate::style::{Ink, Style};

/// Says that `file` was written, what it rests on (one sentence each) and what to do next.
///
/// # Errors
/// Any of the writer's.
pub fn proposal(out: &mut dyn Write, file: &Path, found: &[String], style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    let tick = page.sign("✓ ", "ok: ");
    page.flow(
        Line::of(Ink::Good, tick),
        0,
        Line::from("wrote ").with(Ink::Strong, file.display().to_string()),
    );
    let dot = page.sign("  · ", "  - ");
    for fact in found {
        page.flow(Line::of(Ink::Faint, dot), 4, Line::from(fact));
    }
    let next = Line::from("Look it over, then ")
        .with(Ink::Strong, "`landfall deploy`")
        .and(" runs it on this machine.");
    page.flow(Line::new(), 0, next);
    page.write(out)
}

/// Shows a sentence that a person should know.
///
/// # Errors
/// Any of the writer's.
pub fn note(out: &mut dyn Write, text: &str, style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    draw_note(&mut page, text);
    page.write(out)
}

pub(crate) fn draw_note(page: &mut Page<'_>, text: &str) {
    let mark = Line::of(Ink::Warn, "! ");
    let mut lines = text.lines();
    page.flow(mark, 2, Line::from(lines.next().unwrap_or_default()));
    for line in lines {
        page.flow(Line::new(), 2, Line::from(line));
    }
}
