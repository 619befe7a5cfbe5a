//! What events leave on the page for good, whoever reads; no I/O and no clock.

use std::collections::VecDeque;
use std::time::Duration;

use landfall_model::{Event, Fault, Stamped, StepLine, Stream, Timestamp, Watch};

use super::Detail;
use super::ended::{Ending, Headline, ended};
use super::watched::{rows, sentence, waits};
use crate::amount::{count, grouped, length};
use crate::line::Line;
use crate::page::Page;
use crate::proposal::draw_note;
use crate::style::Ink;
use crate::text::width;

/// The lines of a step's output that are kept for its failure.
const MAX_KEPT: usize = 2_000;

/// Between two lines on a canary that stay.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// The rows of the terminal that one line of output may take.
const OUTPUT_ROWS: usize = 8;

/// The columns of a step's time: `59 min 59 s`.
pub(super) const TIME: usize = 11;

/// Follows one transaction.
pub(super) struct Progress {
    detail: Detail,
    headline: Option<Headline>,
    begun: Option<Timestamp>,
    steps: Vec<StepLine>,
    /// The columns of the longest service name and of the longest verb.
    widths: (usize, usize),
    running: Option<usize>,
    output: VecDeque<(Stream, String)>,
    dropped: u64,
    /// What the running step saw last of a canary.
    watch: Option<Watch>,
    /// When a line of that was put on the page.
    told: Option<Timestamp>,
    /// Whether the reader sees it change in its place, and needs no lines of it.
    alive: bool,
    failure: Option<Fault>,
}

/// How a step's line opens.
enum Mark {
    Done,
    Failed,
    Undone,
}

impl Progress {
    /// `alive`: the reader sees what is under way change in its place.
    pub(super) fn new(detail: Detail, alive: bool) -> Self {
        Self {
            detail,
            headline: None,
            begun: None,
            steps: Vec::new(),
            widths: (0, 0),
            running: None,
            output: VecDeque::new(),
            dropped: 0,
            watch: None,
            told: None,
            alive,
            failure: None,
        }
    }

    /// Takes an event in and puts on the page what is to stay there.
    pub(super) fn event(&mut self, stamped: &Stamped, page: &mut Page<'_>) {
        let quiet = self.detail == Detail::Quiet;
        match &stamped.event {
            Event::Begun { transaction, app, environment, kind, steps, resumed } => {
                let headline = Headline {
                    transaction: *transaction,
                    app: app.clone(),
                    environment: environment.clone(),
                    kind: *kind,
                };
                self.begun = Some(stamped.at);
                self.steps.clone_from(steps);
                self.widths = steps.iter().fold((0, 0), |(services, verbs), step| {
                    (services.max(width(step.service.as_str())), verbs.max(width(&step.verb)))
                });
                if !quiet {
                    let what = if *resumed { "goes on" } else { "begins" };
                    page.line(
                        Line::of(Ink::Strong, headline.name())
                            .and(format!(" {what}: "))
                            .and(count(steps.len(), "step")),
                    );
                }
                self.headline = Some(headline);
            }
            Event::StepBegun { index } => {
                self.running = Some(*index);
                self.output.clear();
                self.dropped = 0;
                self.watch = None;
            }
            Event::Output { index, stream, line } => self.output(*index, *stream, line, page),
            Event::Watched { index, watch } => self.watched(*index, watch, stamped.at, page),
            Event::StepDone { index, ms, note } => {
                self.running = None;
                if !quiet {
                    self.step(page, *index, &Mark::Done, *ms, note.as_deref().unwrap_or_default());
                }
            }
            Event::StepFailed { index, ms, fault } => {
                self.running = None;
                self.step(page, *index, &Mark::Failed, *ms, &fault.message);
                self.kept_output(page);
                self.failure = Some(fault.clone());
            }
            Event::UndoBegun if quiet => {}
            Event::UndoBegun => page.line(Line::of(Ink::Warn, "taking back what was done")),
            Event::StepUndone { index, ms } => {
                if !quiet {
                    self.step(page, *index, &Mark::Undone, *ms, "taken back");
                }
            }
            Event::Note { text } => draw_note(page, text),
            Event::Ended { outcome, receipts, fault } => {
                self.running = None;
                let ending = Ending {
                    outcome: *outcome,
                    receipts,
                    fault: fault.as_ref().or(self.failure.as_ref()),
                    took: self.begun.map(|begun| stamped.at.since(begun)),
                };
                if !quiet {
                    page.blank();
                }
                ended(page, self.headline.as_ref(), &ending);
            }
        }
    }

    /// What stands before the running step's time, and its title.
    pub(super) fn live(&self) -> Option<(Line, String)> {
        let index = self.running?;
        let title = || self.steps.get(index).map(|step| step.title.clone()).unwrap_or_default();
        Some((self.head(index), self.watch.as_ref().map_or_else(title, waits)))
    }

    /// What is seen of a canary that is being judged.
    pub(super) fn canary(&self) -> Option<[Line; 2]> {
        self.watch.as_ref().filter(|_| self.running.is_some()).map(rows)
    }

    /// The newest lines of the running step's output, oldest first.
    pub(super) fn tail(&self, lines: usize) -> impl Iterator<Item = &str> {
        self.output.iter().skip(self.output.len().saturating_sub(lines)).map(|(_, line)| line.as_str())
    }

    fn watched(&mut self, index: usize, watch: &Watch, at: Timestamp, page: &mut Page<'_>) {
        let first = self.watch.replace(watch.clone()).is_none();
        let due = first || self.told.is_some_and(|told| at.since(told) >= BETWEEN_LOOKS);
        if self.alive || self.detail == Detail::Quiet || !due {
            return;
        }
        self.told = Some(at);
        let mut line = Line::from("  ");
        line.append(self.head(index));
        line.push(Ink::Plain, "  ");
        page.flow(line, 0, Line::of(Ink::Faint, sentence(watch)));
    }

    fn output(&mut self, index: usize, stream: Stream, line: &str, page: &mut Page<'_>) {
        if self.detail == Detail::Verbose {
            let service = self.steps.get(index).map(|step| step.service.as_str()).unwrap_or_default();
            let rule = Line::from("  ").with(Ink::service(service), service);
            let rule = rule.with(Ink::Faint, page.sign(" │ ", " | "));
            page.output(&rule, Ink::Plain, line, usize::MAX);
        }
        if self.output.len() == MAX_KEPT {
            self.output.pop_front();
            self.dropped += 1;
        }
        self.output.push_back((stream, line.to_owned()));
    }

    /// ` 3/9  web     health   `.
    fn head(&self, index: usize) -> Line {
        let total = self.steps.len();
        let number = total.to_string().len();
        let (services, verbs) = self.widths;
        let head = Line::of(Ink::Faint, format!("{:>number$}/{total}  ", index.saturating_add(1)));
        let Some(step) = self.steps.get(index) else { return head };
        let mut head = head;
        head.append(
            Line::of(Ink::service(step.service.as_str()), step.service.as_str()).pad(services, false),
        );
        head.push(Ink::Plain, "  ");
        head.append(Line::from(&step.verb).pad(verbs, false));
        head
    }

    fn step(&self, page: &mut Page<'_>, index: usize, mark: &Mark, ms: u64, note: &str) {
        let (ink, sign) = match mark {
            Mark::Done => (Ink::Good, page.sign("✓ ", "ok   ")),
            Mark::Failed => (Ink::Bad, page.sign("✗ ", "FAIL ")),
            Mark::Undone => (Ink::Warn, page.sign("↩ ", "undo ")),
        };
        let mut line = Line::of(ink, sign);
        line.append(self.head(index));
        line.append(Line::from(length(ms)).pad(TIME, true));
        line.push(Ink::Plain, "  ");
        let note_ink = if matches!(mark, Mark::Failed) { Ink::Bad } else { Ink::Faint };
        line.push(note_ink, note.lines().next().unwrap_or_default());
        page.line(line);
    }

    /// All that the failed step printed.
    fn kept_output(&self, page: &mut Page<'_>) {
        let rule = Line::of(Ink::Bad, page.sign("  │ ", "  | "));
        if self.detail == Detail::Verbose || self.output.is_empty() {
            return;
        }
        if self.dropped > 0 {
            let text = format!("({} earlier lines are left out)", grouped(self.dropped));
            page.line(rule.clone().with(Ink::Faint, text));
        }
        for (_, line) in &self.output {
            page.output(&rule, Ink::Plain, line, OUTPUT_ROWS);
        }
    }
}
