//! Events for a person at a terminal: what is done stays, the running step is alive below it with its time and the
//! newest lines of its output.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use landfall_model::{Event, Stamped};

use super::progress::{Progress, TIME};
use super::screen::Screen;
use super::{Detail, Reporter};
use crate::amount::{length, millis};
use crate::line::Line;
use crate::page::Page;
use crate::style::{Ink, Style};

/// Between two frames of the running step.
const TICK: Duration = Duration::from_millis(100);

/// The newest lines of output that are shown under the running step.
const TAIL: usize = 5;

/// Draws on a screen.
pub(super) struct Terminal {
    screen: Screen,
    style: Style,
    progress: Progress,
    detail: Detail,
    bar: Option<ProgressBar>,
}

impl Terminal {
    pub(super) fn new(out: Box<dyn Write + Send>, style: Style, detail: Detail) -> Self {
        let screen = Screen::new(out, style.width);
        Self { screen, style, progress: Progress::new(detail), detail, bar: None }
    }

    /// Shows what the running step does; makes its region when there is none.
    fn refresh(&mut self) {
        let page = Page::new(&self.style);
        let Some((head, title)) = self.progress.live(&page) else { return self.clear() };
        let bar = self.bar.get_or_insert_with(|| begin(&self.screen, &self.style));
        bar.set_prefix(head);
        let mut message = title;
        if self.detail == Detail::Normal {
            let rule = page.sign("  │ ", "  | ");
            for line in self.progress.tail(TAIL) {
                let line = Line::of(Ink::Faint, rule).with(Ink::Faint, line);
                message.push('\n');
                message.push_str(&line.cut(page.columns(), &self.style).draw(&self.style));
            }
        }
        bar.set_message(message);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn begin(screen: &Screen, style: &Style) -> ProgressBar {
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let bar = ProgressBar::with_draw_target(None, target);
    let took = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // To the tenth of a second: more would only flicker.
        let ms = millis(state.elapsed()) / 100 * 100;
        let _ = write!(text, "{:>TIME$}", length(ms));
    };
    let frames: &[&str] = if style.unicode {
        &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "]
    } else {
        &["-", "\\", "|", "/", " "]
    };
    let template =
        if style.color { "{spinner:.cyan} {prefix}{took}  {msg}" } else { "{spinner} {prefix}{took}  {msg}" };
    let look = ProgressStyle::with_template(template).expect("the template is a constant and well formed");
    bar.set_style(look.tick_strings(frames).with_key("took", took));
    bar.enable_steady_tick(TICK);
    bar
}

impl Reporter for Terminal {
    fn event(&mut self, event: &Stamped) -> io::Result<()> {
        let mut page = Page::new(&self.style);
        self.progress.event(event, &mut page);
        let text = page.into_text();
        let ends = matches!(
            event.event,
            Event::StepDone { .. } | Event::StepFailed { .. } | Event::Ended { .. } | Event::StepBegun { .. }
        );
        if ends {
            self.clear();
        }
        match &self.bar {
            _ if text.is_empty() => {}
            Some(bar) => bar.suspend(|| self.screen.write(&text))?,
            None => self.screen.write(&text)?,
        }
        if self.detail != Detail::Quiet {
            self.refresh();
        }
        self.screen.failure()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.clear();
        indicatif::TermLike::flush(&self.screen)?;
        self.screen.failure()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}
