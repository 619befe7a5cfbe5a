//! A canary while it is judged: what the new release answered beside the old one, and how long it is watched on.

use landfall_model::{Answers, Watch};

use crate::amount::{grouped, latency, length, share};
use crate::line::Line;
use crate::style::Ink;

/// What is waited for: ` 48 s to go`, `12 of 100 requests yet, gives up in 8 min`.
pub(super) fn waits(watch: &Watch) -> String {
    let missing = watch.wanted.saturating_sub(watch.new.requests);
    match (watch.left_ms, missing) {
        (0, 0) => "nearly judged".to_owned(),
        (0, _) => format!(
            "waits for {} of {} requests, gives up in {}",
            grouped(missing),
            grouped(watch.wanted),
            whole_seconds(watch.patience_ms)
        ),
        (left, _) => format!("{} to go", whole_seconds(left)),
    }
}

/// A row for each release, the new one first.
pub(super) fn rows(watch: &Watch) -> [Line; 2] {
    let rest = 100_u32.saturating_sub(watch.percent);
    let both = [("new", &watch.new, watch.percent), ("old", &watch.old, rest)];
    let cells = both.map(|(name, answers, percent)| {
        [
            name.to_owned(),
            format!("{percent} %"),
            requests(answers),
            format!("{} failed ({})", grouped(answers.errors), share(answers.errors, answers.requests)),
            format!("p99 {}", p99(answers)),
        ]
    });
    let widths: [usize; 5] =
        std::array::from_fn(|at| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let [new, old] = cells;
    [row(new, &widths, worse_ink(watch)), row(old, &widths, Ink::Faint)]
}

/// The same in one line for those who read no screen.
pub(super) fn sentence(watch: &Watch) -> String {
    let of = |answers: &Answers| {
        format!("{}, {} failed, p99 {}", requests(answers), grouped(answers.errors), p99(answers))
    };
    format!("{} %: new {}; old {}; {}", watch.percent, of(&watch.new), of(&watch.old), waits(watch))
}

fn row(cells: [String; 5], widths: &[usize; 5], ink: Ink) -> Line {
    let mut line = Line::new();
    for (at, (cell, width)) in cells.into_iter().zip(widths).enumerate() {
        if at > 0 {
            line.push(Ink::Plain, "  ");
        }
        line.append(Line::of(ink, cell).pad(*width, at > 0));
    }
    line
}

/// The new release stands out where it fails more often than the old one.
fn worse_ink(watch: &Watch) -> Ink {
    let Watch { new, old, .. } = watch;
    let (new, old) = (
        u128::from(new.errors) * u128::from(old.requests.max(1)),
        u128::from(old.errors) * u128::from(new.requests.max(1)),
    );
    if new > old { Ink::Warn } else { Ink::Plain }
}

fn requests(answers: &Answers) -> String {
    let noun = if answers.requests == 1 { "request" } else { "requests" };
    format!("{} {noun}", grouped(answers.requests))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal at most")]
fn p99(answers: &Answers) -> String {
    answers.p99_us.map_or_else(|| "-".to_owned(), |micros| latency(micros as f64 / 1000.0))
}

/// To the second, above which all else flickers.
fn whole_seconds(ms: u64) -> String {
    match ms.div_ceil(1000) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => length(seconds * 1000),
    }
}
