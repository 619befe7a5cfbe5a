//! The report: a line for each figure with its bound, and what it rests on.

use std::fmt::Write as _;
use std::path::Path;

use crate::machine;

/// A figure.
struct Figure {
    what: String,
    measured: String,
    bound: Option<String>,
    reached: Option<bool>,
    rests_on: String,
}

/// What was measured.
pub(crate) struct Report {
    head: String,
    figures: Vec<Figure>,
    skipped: Vec<String>,
}

impl Report {
    pub(crate) fn new(binary: &Path) -> Self {
        Self { head: machine::describe(binary), figures: Vec::new(), skipped: Vec::new() }
    }

    /// Adds a figure with a bound that it reached or not, and prints it.
    pub(crate) fn bounded(&mut self, what: &str, measured: &str, bound: &str, reached: bool, rests_on: &str) {
        println!(
            "{} {what}: {measured} (bound: {bound})\n     {rests_on}",
            if reached { "ok  " } else { "MISS" }
        );
        self.figures.push(Figure {
            what: what.to_owned(),
            measured: measured.to_owned(),
            bound: Some(bound.to_owned()),
            reached: Some(reached),
            rests_on: rests_on.to_owned(),
        });
    }

    /// Adds a figure for comparison, and prints it.
    pub(crate) fn compared(&mut self, what: &str, measured: &str, rests_on: &str) {
        println!("     {what}: {measured}\n     {rests_on}");
        self.figures.push(Figure {
            what: what.to_owned(),
            measured: measured.to_owned(),
            bound: None,
            reached: None,
            rests_on: rests_on.to_owned(),
        });
    }

    /// Says that something could not be measured here.
    pub(crate) fn skipped(&mut self, what: &str) {
        println!("SKIPPED: {what}");
        self.skipped.push(what.to_owned());
    }

    pub(crate) fn all_reached(&self) -> bool {
        self.figures.iter().all(|figure| figure.reached != Some(false))
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "# Figures\nWritten by `cargo run --release -p landfall-bench`. {}\n\n\
             | figure | measured | bound | |\n|---|---|---|---|\n",
            self.head
        );
        for Figure { what, measured, bound, reached, .. } in &self.figures {
            let mark = match reached {
                Some(true) => "reached",
                Some(false) => "**missed**",
                None => "for comparison",
            };
            let _ = writeln!(text, "| {what} | {measured} | {} | {mark} |", bound.as_deref().unwrap_or("–"));
        }
        text.push_str("\n## What they rest on\n");
        for Figure { what, rests_on, .. } in &self.figures {
            let _ = writeln!(text, "- **{what}**: {rests_on}");
        }
        if !self.skipped.is_empty() {
            text.push_str("\n## Not measured here\n");
            for what in &self.skipped {
                let _ = writeln!(text, "- {what}");
            }
        }
        text
    }
}
