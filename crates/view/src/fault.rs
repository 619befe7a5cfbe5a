//! Faults: what happened, whose fault it is, whether trying again is safe, what to do.

use std::io::{self, Write};

use landfall_model::Fault;

use crate::autopsy;
use crate::line::Line;
use crate::page::Page;
use crate::style::{Ink, Style};
use crate::words;

/// Shows a fault, with its autopsy when there is one.
///
/// # Errors
/// Any of the writer's.
pub fn fault(out: &mut dyn Write, fault: &Fault, style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    draw(&mut page, fault);
    page.write(out)
}

pub(crate) fn draw(page: &mut Page<'_>, fault: &Fault) {
    let cross = page.sign("✗ ", "error: ");
    let indent = Line::from("  ");
    let mut parts = fault.message.lines();
    let first = parts.next().unwrap_or("it failed without a word");
    page.flow(Line::of(Ink::Bad, cross), 0, Line::of(Ink::Strong, first));
    for part in parts {
        page.paragraphs(&indent, &indent, Ink::Plain, part);
    }
    if let Some(autopsy) = &fault.autopsy {
        page.blank();
        autopsy::draw(page, autopsy);
        page.blank();
    }
    let advice = fault.autopsy.as_ref().and_then(|autopsy| autopsy.advice.as_deref());
    if let Some(help) = fault.help.as_deref().filter(|help| Some(*help) != advice) {
        let arrow = Line::from("  ").with(Ink::Good, page.sign("→ ", "help: "));
        page.paragraphs(&arrow, &Line::from("    "), Ink::Plain, help);
    }
    let sentences =
        [words::consequence(fault.kind), Some(words::blame(fault.blame)), Some(words::retry(fault.retry))];
    let sentences: Vec<&str> = sentences.into_iter().flatten().collect();
    page.flow(indent, 2, Line::of(Ink::Faint, sentences.join(" ")));
}
