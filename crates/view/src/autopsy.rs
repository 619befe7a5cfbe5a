//! Autopsies: the likely cause first, then what to do, then what it rests on.

use std::io::{self, Write};

use landfall_model::{Autopsy, Evidence, HealthAnswer, Stream};

use crate::amount::{bytes, count, length};
use crate::line::Line;
use crate::page::Page;
use crate::style::{Ink, Style};
use crate::words;

/// The rows of the terminal that one line of output may take.
const OUTPUT_ROWS: usize = 4;

/// Shows an autopsy in a box that is open to the right, so that nothing in it is cut and all of it can be copied.
///
/// # Errors
/// Any of the writer's.
pub fn autopsy(out: &mut dyn Write, autopsy: &Autopsy, style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    draw(&mut page, autopsy);
    page.write(out)
}

pub(crate) fn draw(page: &mut Page<'_>, autopsy: &Autopsy) {
    let evidence = &autopsy.evidence;
    let side = Line::of(Ink::Bad, page.sign("│ ", "| "));
    let title = format!(" autopsy of instance {} ", evidence.instance);
    page.line(edge(page, page.sign("╭─", "+-"), &title));
    page.paragraphs(&side, &side, Ink::Strong, &autopsy.cause);
    if let Some(advice) = &autopsy.advice {
        let arrow = page.sign("→ ", "=> ");
        let first = side.clone().with(Ink::Good, arrow);
        let rest = side.clone().and(" ".repeat(crate::text::width(arrow)));
        page.paragraphs(&first, &rest, Ink::Plain, advice);
    }
    page.line(side.clone());
    for (label, value) in facts(evidence) {
        let first = side.clone().with(Ink::Faint, format!("{label:<10}"));
        let rest = side.clone().and(" ".repeat(10));
        page.paragraphs(&first, &rest, Ink::Plain, &value);
    }
    page.line(side.clone());
    if evidence.log.is_empty() {
        page.line(side.with(Ink::Faint, "it printed nothing"));
    } else {
        let last = count(evidence.log.len(), "line");
        page.line(side.clone().with(Ink::Faint, format!("the last {last} it printed:")));
        for (stream, text) in &evidence.log {
            let ink = if *stream == Stream::Err { Ink::Plain } else { Ink::Faint };
            let rule = side.clone().and("  ");
            page.output(&rule, ink, text, OUTPUT_ROWS);
        }
    }
    page.line(edge(page, page.sign("╰─", "+-"), ""));
}

fn edge(page: &Page<'_>, corner: &str, title: &str) -> Line {
    let line = page.sign("─", "-");
    let used = crate::text::width(corner) + crate::text::width(title);
    let rest = line.repeat(page.columns().saturating_sub(used));
    Line::of(Ink::Bad, corner).with(Ink::Strong, title).with(Ink::Bad, rest)
}

fn facts(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let mut facts = vec![("command", evidence.command.clone())];
    let waited = length(evidence.waited_ms);
    let restarts = match evidence.restarts {
        0 => String::new(),
        number => format!(", {}", count(number as usize, "restart")),
    };
    facts.push(match &evidence.exit {
        Some(exit) => ("ended", format!("{}, after {waited}{restarts}", words::exit(exit))),
        None => ("runs", format!("still, after {waited}{restarts}")),
    });
    if let Some(expected) = &evidence.expected {
        facts.push(("expected", format!("to listen on {expected}")));
    }
    let listeners: Vec<String> = evidence
        .listeners
        .iter()
        .map(|listener| format!("{} (pid {})", listener.address, listener.pid))
        .collect();
    if evidence.expected.is_some() || !listeners.is_empty() {
        facts.push((
            "listens",
            if listeners.is_empty() { "on nothing".to_owned() } else { listeners.join(", ") },
        ));
    }
    if let Some(health) = &evidence.health {
        facts.push(("health", answer(health)));
    }
    match (evidence.memory, evidence.memory_limit) {
        (Some(used), Some(limit)) => facts.push(("memory", format!("{} of {}", bytes(used), bytes(limit)))),
        (Some(used), None) => facts.push(("memory", bytes(used))),
        (None, Some(limit)) => facts.push(("memory", format!("at most {}", bytes(limit)))),
        (None, None) => {}
    }
    if !evidence.variables.is_empty() {
        facts.push(("variables", evidence.variables.join(" ")));
    }
    facts
}

fn answer(health: &HealthAnswer) -> String {
    match health {
        HealthAnswer::Refused => "nothing accepted on its port".to_owned(),
        HealthAnswer::TimedOut => "it accepted, and did not answer in time".to_owned(),
        HealthAnswer::Broken { why } => format!("it answered with what is no HTTP: {why}"),
        HealthAnswer::Status { status, body } if body.trim().is_empty() => format!("it answered {status}"),
        HealthAnswer::Status { status, body } => format!("it answered {status}: {body}"),
    }
}
