//! The stream of events as each kind of reader gets it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod samples;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use landfall_model::{Event, Outcome, Stamped};
use landfall_view::{Detail, Kind, Style, reporter};

const STYLE: Style = Style { color: false, width: 80, unicode: true };

/// What was written so far, for who looks while it is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The screen of a terminal of 80 columns and 50 rows.
    fn screen(&self) -> String {
        let mut terminal = vt100::Parser::new(50, 80, 0);
        terminal.process(self.text().replace('\n', "\r\n").as_bytes());
        let rows = terminal.screen().contents();
        rows.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }
}

fn told(kind: Kind, detail: Detail, events: &[Stamped]) -> Paper {
    let paper = Paper::default();
    let mut reporter = reporter(kind, detail, Box::new(paper.clone()), STYLE);
    for event in events {
        reporter.event(event).unwrap();
    }
    reporter.finish().unwrap();
    paper
}

#[test]
fn plain_is_a_line_for_each_step() {
    insta::assert_snapshot!(
        "plain_done",
        told(Kind::Plain, Detail::Normal, &samples::events(samples::good_end())).text()
    );
    insta::assert_snapshot!(
        "plain_failed",
        told(Kind::Plain, Detail::Normal, &samples::events(samples::bad_end())).text()
    );
    insta::assert_snapshot!(
        "quiet_done",
        told(Kind::Plain, Detail::Quiet, &samples::events(samples::good_end())).text()
    );
    insta::assert_snapshot!(
        "verbose_done",
        told(Kind::Plain, Detail::Verbose, &samples::events(samples::good_end())).text()
    );
}

#[test]
fn other_ends_are_told() {
    let end = |outcome, fault| vec![Event::Ended { outcome, receipts: vec![], fault }];
    let mut text = String::new();
    for (outcome, fault) in [
        (Outcome::Unchanged, None),
        (Outcome::RolledBack, None),
        (Outcome::Interrupted, None),
        (Outcome::NeedsPerson, Some(samples::fault().kind(landfall_model::FaultKind::NeedsPerson))),
    ] {
        text.push_str(&told(Kind::Plain, Detail::Quiet, &samples::events(end(outcome, fault))).text());
        text.push_str("---\n");
    }
    insta::assert_snapshot!("other_ends", text);
}

#[test]
fn a_canary_is_seen_while_it_is_judged() {
    let events = samples::events(samples::canary());
    let plain = told(Kind::Plain, Detail::Normal, &events).text();
    insta::assert_snapshot!("plain_canary", plain);
    let paper = Paper::default();
    let mut reporter = reporter(Kind::Terminal, Detail::Normal, Box::new(paper.clone()), STYLE);
    for event in &events {
        reporter.event(event).unwrap();
    }
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !paper.screen().contains("1,204 requests") {
        assert!(std::time::Instant::now() < until, "{}", paper.screen());
        std::thread::yield_now();
    }
    let screen = paper.screen();
    let live: Vec<&str> = screen.lines().skip(2).collect();
    assert!(live[1].ends_with("12 s to go"), "{screen}");
    insta::assert_snapshot!(live[2..].join("\n"), @r#"
    │ new   5 %     63 requests   2 failed (3.2 %)  p99 18 ms
    │ old  95 %  1,204 requests  1 failed (0.08 %)  p99 17 ms
    "#);
    reporter.finish().unwrap();
    let json = told(Kind::Json, Detail::Normal, &events).text();
    assert!(json.contains(r#""event":"watched""#) && json.contains(r#""p99_us":18412"#), "{json}");
}

#[test]
fn a_terminal_ends_like_plain_and_lives_between() {
    for end in [samples::good_end(), samples::bad_end()] {
        let events = samples::events(end);
        let plain = told(Kind::Plain, Detail::Normal, &events).text();
        assert_eq!(told(Kind::Terminal, Detail::Normal, &events).screen(), plain.trim_end());
    }
    let paper = Paper::default();
    let mut reporter = reporter(Kind::Terminal, Detail::Normal, Box::new(paper.clone()), STYLE);
    for event in samples::events(vec![]) {
        reporter.event(&event).unwrap();
    }
    let rows = |paper: &Paper| paper.screen().lines().map(str::to_owned).collect::<Vec<_>>();
    // Draws that bring nothing that stays are limited in number: the newest lines come with one of the next.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !rows(&paper).iter().any(|row| row == "  │ added 8 packages") {
        assert!(std::time::Instant::now() < until, "{}", paper.screen());
        std::thread::yield_now();
    }
    let live = rows(&paper);
    assert_eq!(live[1], "✓ 1/6  web     prepare        1.2 s  dependencies reused");
    assert!(
        live[2].contains(" 2/6  client  prepare  ") && live[2].ends_with("runs `npm ci && npm run build`"),
        "{live:?}"
    );
    assert_eq!(live.len(), 3 + 5, "the tail is short: {live:?}");
    reporter.note("asked to stop before the next step").unwrap();
    let live = rows(&paper);
    assert_eq!(live[2], "! asked to stop before the next step");
    assert_eq!(live.len(), 4 + 5, "what is alive stays: {live:?}");
    drop(reporter);
    assert_eq!(rows(&paper).len(), 3, "what was alive is cleared away: {}", paper.screen());
}

#[test]
fn programs_get_an_object_a_line_and_the_receipts_last() {
    let events = samples::events(samples::good_end());
    let text = told(Kind::Json, Detail::Quiet, &events).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), events.len() + 2);
    for (line, event) in lines.iter().zip(&events) {
        assert_eq!(serde_json::from_str::<Stamped>(line).unwrap(), *event);
    }
    for (line, service) in lines[events.len()..].iter().zip(["web", "client"]) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["receipt"]["service"], service);
        assert_eq!(value["receipt"]["downtime"]["measured_ms"], if service == "web" { 612 } else { 0 });
    }
}

#[test]
fn output_of_a_failed_step_is_kept_within_bounds() {
    let line = |number| Event::Output {
        index: 3,
        stream: landfall_model::Stream::Out,
        line: format!("line {number}"),
    };
    let mut last = vec![Event::StepBegun { index: 3 }];
    last.extend((0..2_500).map(line));
    last.push(Event::StepFailed { index: 3, ms: 1, fault: landfall_model::Fault::application("no") });
    let text = told(Kind::Plain, Detail::Normal, &samples::events(last)).text();
    assert!(text.contains("(500 earlier lines are left out)\n  │ line 500\n"), "{text}");
    assert!(text.ends_with("  │ line 2499\n"));
}

#[test]
fn a_stream_seen_from_its_middle_is_fine() {
    let events = samples::events(samples::bad_end());
    for kind in [Kind::Plain, Kind::Terminal, Kind::Json] {
        for from in 1..events.len() {
            told(kind, Detail::Normal, &events[from..]);
        }
    }
}

/// A pipe that nobody reads.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_an_error_and_no_panic() {
    for kind in [Kind::Plain, Kind::Terminal, Kind::Json] {
        let mut reporter = reporter(kind, Detail::Normal, Box::new(Closed), STYLE);
        let events = samples::events(samples::good_end());
        assert!(reporter.event(&events[0]).is_err(), "{kind:?}");
        let failed = events[1..].iter().filter(|event| reporter.event(event).is_err()).count();
        assert!(failed > 0, "{kind:?}");
        drop(reporter);
    }
}
