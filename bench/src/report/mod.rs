//! A section of the report: a line for each figure with its bound, and what it rests on.

pub(crate) mod file;

use std::fmt::Write as _;

/// A figure.
struct Figure {
    what: String,
    measured: String,
    bound: Option<String>,
    reached: Option<bool>,
    rests_on: String,
}

/// What was measured of one group.
pub(crate) struct Section {
    name: &'static str,
    head: String,
    figures: Vec<Figure>,
    skipped: Vec<String>,
}

impl Section {
    /// A section without figures; `head` says when and on what they are measured.
    pub(crate) fn new(name: &'static str, head: &str) -> Self {
        println!("\n== {name}");
        Self { name, head: head.to_owned(), figures: Vec::new(), skipped: Vec::new() }
    }

    /// Its name, which is its heading.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Adds a figure with a bound that it reached or not, and prints it.
    pub(crate) fn bounded(&mut self, what: &str, measured: &str, bound: &str, reached: bool, rests_on: &str) {
        println!("{} {what}: {measured} (bound: {bound})", if reached { "ok  " } else { "MISS" });
        print_indented(rests_on);
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
        println!("     {what}: {measured}");
        print_indented(rests_on);
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

    /// Whether no figure missed its bound.
    pub(crate) fn all_reached(&self) -> bool {
        self.figures.iter().all(|figure| figure.reached != Some(false))
    }

    /// Its text, the heading left out.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n| figure | measured | bound | |\n|---|---|---|---|\n", self.head);
        for Figure { what, measured, bound, reached, .. } in &self.figures {
            let mark = match reached {
                Some(true) => "reached",
                Some(false) => "**missed**",
                None => "for comparison",
            };
            let _ = writeln!(text, "| {what} | {measured} | {} | {mark} |", bound.as_deref().unwrap_or("–"));
        }
        text.push_str("\nWhat they rest on:\n");
        for Figure { what, rests_on, .. } in self.figures.iter().filter(|figure| !figure.rests_on.is_empty())
        {
            let _ = writeln!(text, "- **{what}**: {rests_on}");
        }
        if !self.skipped.is_empty() {
            text.push_str("\nNot measured here:\n");
            for what in &self.skipped {
                let _ = writeln!(text, "- {what}");
            }
        }
        text
    }
}

fn print_indented(rests_on: &str) {
    if !rests_on.is_empty() {
        println!("       {rests_on}");
    }
}
