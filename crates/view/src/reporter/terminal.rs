//! Events for a person at a terminal: what is done stays, the running step is alive below it with its time and the
//! newest lines of its output.

use std::io::{self, Write};
use std::time::Duration;

use landfall_model::{Event, Stamped};

use super::live::{Frame, Live};
use super::progress::{Progress, TIME};
use super::{Detail, Reporter};
use crate::amount::{length, millis};
use crate::line::Line;
use crate::page::Page;
use crate::proposal::draw_note;
use crate::style::{Ink, Style};

/// The newest lines of output that are shown under the running step.
const TAIL: usize = 5;

/// What turns while a step runs.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The same in ASCII.
const ASCII_SPINNER: [&str; 4] = ["-", "\\", "|", "/"];

/// Draws on a terminal.
pub(super) struct Terminal {
    live: Live,
    style: Style,
    progress: Progress,
    detail: Detail,
}

impl Terminal {
    pub(super) fn new(out: Box<dyn Write + Send>, style: Style, detail: Detail) -> Self {
        Self { live: Live::new(out), style, progress: Progress::new(detail, true), detail }
    }

    /// What the running step shows, but for its spinner and its time.
    fn frame(&self, page: &Page<'_>) -> Option<Frame> {
        if self.detail == Detail::Quiet {
            return None;
        }
        let (head, title) = self.progress.live()?;
        let style = self.style;
        let columns = page.columns();
        let tail = if self.detail == Detail::Normal { TAIL } else { 0 };
        let rule = page.sign("  │ ", "  | ");
        let ruled = |line: Line| {
            let mut ruled = Line::of(Ink::Faint, rule);
            ruled.append(line);
            ruled.cut(columns, &style).draw(&style)
        };
        let canary = self.progress.canary().into_iter().flatten();
        let output = self.progress.tail(tail).map(|line| Line::of(Ink::Faint, line));
        let tail: Vec<String> = canary.chain(output).map(ruled).collect();
        Some(Box::new(move |elapsed: Duration| {
            let tenths = millis(elapsed) / 100;
            let turn = usize::try_from(tenths % 60).unwrap_or_default();
            let spinner = if style.unicode {
                SPINNER[turn % SPINNER.len()]
            } else {
                ASCII_SPINNER[turn % ASCII_SPINNER.len()]
            };
            // To the tenth of a second: more would only flicker.
            let took = length(tenths * 100);
            let mut row = Line::of(Ink::Strong, spinner).and(" ");
            row.append(head.clone());
            row.append(Line::from(took).pad(TIME, true).and("  "));
            row.push(Ink::Faint, &title);
            let row = row.trimmed().cut(columns, &style).draw(&style);
            std::iter::once(row).chain(tail.iter().cloned()).collect()
        }))
    }
}

impl Reporter for Terminal {
    fn event(&mut self, event: &Stamped) -> io::Result<()> {
        let mut page = Page::new(&self.style);
        self.progress.event(event, &mut page);
        let frame = self.frame(&page);
        let begins = matches!(event.event, Event::StepBegun { .. });
        self.live.update(&page.into_text(), frame, begins)
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        let mut page = Page::new(&self.style);
        draw_note(&mut page, text);
        let frame = self.frame(&page);
        self.live.update(&page.into_text(), frame, false)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.live.update("", None, false)
    }
}
