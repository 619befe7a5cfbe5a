//! Every view as text, exactly; that it fits, stays clean of control characters and survives a closed pipe.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod samples;

use std::io::{self, Write};
use std::path::Path;

use landfall_model::{Fault, Stream};
use landfall_view::Style;
use proptest::prelude::*;

const STYLE: Style = Style { color: false, width: 80, unicode: true };

type View = fn(&mut dyn Write, &Style) -> io::Result<()>;

/// Every view with its sample; those that keep some lines whole are marked.
const VIEWS: [(&str, View, bool); 23] = [
    ("plan", |out, style| landfall_view::plan(out, &samples::plan(), style), false),
    ("plan_unchanged", |out, style| landfall_view::plan(out, &samples::unchanged(), style), false),
    ("receipt", |out, style| landfall_view::receipt(out, &[samples::receipt()], style), true),
    ("receipt_site", |out, style| landfall_view::receipt(out, &[samples::site_receipt()], style), true),
    ("receipt_failed", |out, style| landfall_view::receipt(out, &[samples::failed_receipt()], style), true),
    ("receipt_none", |out, style| landfall_view::receipt(out, &[], style), false),
    (
        "status",
        |out, style| landfall_view::status(out, &samples::status(), None, samples::now(), style),
        false,
    ),
    (
        "status_shared",
        |out, style| landfall_view::status(out, &samples::status_shared(), None, samples::now(), style),
        false,
    ),
    (
        "status_interrupted",
        |out, style| landfall_view::status(out, &samples::interrupted(), None, samples::now(), style),
        false,
    ),
    ("open_before_switch", |out, style| open(out, &samples::open(false, false), style), false),
    ("open_after_switch", |out, style| open(out, &samples::open(true, false), style), false),
    ("open_running", |out, style| open(out, &samples::open(false, true), style), false),
    ("history", |out, style| landfall_view::history(out, &samples::history(), samples::now(), style), false),
    (
        "disk",
        |out, style| landfall_view::disk(out, &samples::disk(), Some(("shop", "production")), style),
        false,
    ),
    ("pruned", |out, style| landfall_view::pruned(out, &samples::pruned(), style), false),
    ("fault", |out, style| landfall_view::fault(out, &samples::fault(), style), false),
    ("autopsy_exited", |out, style| landfall_view::autopsy(out, &samples::exited(), style), false),
    ("diagnostics", |out, style| landfall_view::diagnostics(out, &samples::diagnostics(), style), true),
    ("logs", logs, true),
    ("access", access, true),
    (
        "findings",
        |out, style| landfall_view::findings(out, &samples::findings(), landfall_view::Detail::Normal, style),
        false,
    ),
    ("proposal", proposal, false),
    (
        "note",
        |out, style| landfall_view::note(out, "the journal's torn tail was cut:\n14 bytes are lost", style),
        false,
    ),
];

fn open(out: &mut dyn Write, open: &landfall_model::OpenTransaction, style: &Style) -> io::Result<()> {
    let production = "production".parse().unwrap();
    landfall_view::open_transaction(out, &production, open, samples::now(), style)
}

fn access(out: &mut dyn Write, style: &Style) -> io::Result<()> {
    samples::access_lines().iter().try_for_each(|line| landfall_view::access_line(out, line, 6, style))
}

fn logs(out: &mut dyn Write, style: &Style) -> io::Result<()> {
    samples::log_lines().iter().try_for_each(|line| landfall_view::log_line(out, line, 6, style))
}

fn proposal(out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let found = ["Flask in requirements.txt: service `web`".to_owned(), "`/healthz` is asked".to_owned()];
    landfall_view::proposal(out, Path::new("landfall.toml"), &found, style)
}

fn text(view: View, style: &Style) -> String {
    let mut out = Vec::new();
    view(&mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

/// The text without the colours that the views themselves give: what is left must hold no control character.
fn without_colours(text: &str) -> String {
    let mut left = String::new();
    let mut parts = text.split('\u{1b}');
    left.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find('m').expect("nothing but colours");
        assert!(part[..end].chars().all(|c| matches!(c, '[' | ';' | '0'..='9')), "{part:?}");
        left.push_str(&part[end + 1..]);
    }
    left
}

fn assert_clean(text: &str) {
    let unclean = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(unclean), "{text:?}");
}

#[test]
fn views_are_what_they_are() {
    for (name, view, _) in VIEWS {
        insta::assert_snapshot!(name, text(view, &STYLE));
    }
}

#[test]
fn views_have_colours_and_do_without() {
    insta::assert_snapshot!(
        "status_in_colour",
        text(VIEWS[6].1, &Style { color: true, ..STYLE }).replace('\u{1b}', "␛")
    );
    for (name, view, _) in VIEWS {
        let colourful = text(view, &Style { color: true, ..STYLE });
        // miette paints the blanks at the end of its lines.
        let trim = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(trim(&without_colours(&colourful)), trim(&text(view, &STYLE)), "{name}");
    }
}

#[test]
fn ascii_is_enough() {
    for (name, view, _) in VIEWS {
        let text = text(view, &Style { unicode: false, ..STYLE });
        // What the user or the application wrote stays as it is.
        let ours: String =
            text.lines().filter(|line| !line.contains("日本語") && !line.contains("ようこそ")).collect();
        assert!(ours.is_ascii(), "{name}: {ours}");
    }
}

#[test]
fn views_fit_any_terminal() {
    for width in [0, 1, 24, 30, 41, 60, 79, 100, 200, 100_000] {
        for (name, view, keeps_whole) in VIEWS {
            let text = text(view, &Style { color: false, width, unicode: true });
            for line in text.lines() {
                let fits = unicode_width::UnicodeWidthStr::width(line) <= width.max(24);
                assert!(fits || keeps_whole, "{name} at {width}: {line:?}");
            }
        }
    }
}

/// Takes some bytes and is closed then, as a pipe into `head`.
struct Closing(usize);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_an_error() {
    for (name, view, _) in VIEWS {
        let length = text(view, &STYLE).len();
        for room in [0, 1, length - 1] {
            let error = view(&mut Closing(room), &STYLE).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }
    assert!(landfall_view::json(&mut Closing(3), &samples::status(), true).is_err());
}

#[test]
fn programs_read_the_nouns_themselves() {
    let mut out = Vec::new();
    landfall_view::json(&mut out, &samples::receipt(), false).unwrap();
    landfall_view::json(&mut out, &samples::receipt(), true).unwrap();
    landfall_view::json_line(&mut out, "fault", &samples::fault()).unwrap();
    landfall_view::json_diagnostics(&mut out, &samples::diagnostics()).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    for _ in 0..2 {
        let receipt = serde_json::from_value(values.next().unwrap().unwrap()).unwrap();
        assert_eq!(samples::receipt(), receipt);
    }
    let fault = values.next().unwrap().unwrap();
    assert_eq!(fault["fault"]["kind"], "failed");
    let problem = values.next().unwrap().unwrap();
    assert_eq!(problem["diagnostic"]["line"], 5);
    assert_eq!(problem["diagnostic"]["column"], 1);
    assert_eq!(problem["diagnostic"]["help"], "did you mean `health`?");
    assert_eq!(values.count(), 2);
    assert_eq!(text.lines().next().map(|line| line.starts_with('{') && line.ends_with('}')), Some(true));
}

#[test]
fn a_label_outside_its_text_is_no_panic() {
    let mut diagnostics = samples::diagnostics();
    diagnostics[0].labels[0].start = 7_000;
    diagnostics[0].labels[0].end = 3;
    diagnostics[1].text = "é".into();
    diagnostics[1].labels[0].start = 1;
    diagnostics[1].labels[0].end = 1;
    landfall_view::diagnostics(&mut Vec::new(), &diagnostics, &STYLE).unwrap();
}

#[test]
fn what_the_manifest_has_no_more_is_marked_and_commands_name_the_environment() {
    let shown = |status: &landfall_model::api::StatusView, wanted: &[landfall_model::ServiceName]| {
        let mut out = Vec::new();
        landfall_view::status(&mut out, status, Some(wanted), samples::now(), &STYLE).unwrap();
        String::from_utf8(out).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut status = samples::status();
    assert!(!shown(&status, &[samples::client(), samples::web(), samples::worker()]).contains("any more"));
    status.environment = "production".parse().unwrap();
    let text = shown(&status, &[samples::client(), samples::web()]);
    let (web, worker) = text.split_once("worker").unwrap();
    assert!(!web.contains("any more") && web.contains("`landfall rollback production` goes back"), "{text}");
    assert!(worker.contains("`landfall deploy production` takes it away, and keeps its volumes"), "{text}");
    status.observed.services.clear();
    status.observed.generation = 0;
    assert!(
        shown(&status, &[]).contains("nothing is deployed here yet: `landfall deploy production` does it")
    );
    status.observed.generation = 2;
    assert!(shown(&status, &[]).contains("`landfall history production` tells what was done"));
}

#[test]
fn a_thousand_problems_are_counted() {
    let many = vec![samples::diagnostics()[0].clone(); 1000];
    let mut out = Vec::new();
    landfall_view::diagnostics(&mut out, &many, &STYLE).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("1,000 problems in landfall.toml; only the first 50 are shown\n"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What an application prints and what it is called by never reaches the terminal as control characters.
    #[test]
    fn nothing_is_injected(evil in "(?s)(.|[\u{1b}\u{9b}\r\u{7}\u{202e}]|\u{1b}\\[[0-9]{0,2}[A-Z]){0,60}", width in 0_usize..120) {
        let style = Style { color: true, width, unicode: true };
        let mut autopsy = samples::autopsy();
        autopsy.cause.clone_from(&evil);
        autopsy.advice = Some(evil.clone());
        autopsy.evidence.command.clone_from(&evil);
        autopsy.evidence.variables = vec![evil.clone()];
        autopsy.evidence.log = vec![(Stream::Out, evil.clone())];
        let fault = Fault::application(evil.clone()).help(evil.clone()).autopsy(autopsy);
        let mut status = samples::interrupted();
        status.routes[0].url.clone_from(&evil);
        status.observed.open.as_mut().unwrap().doing.clone_from(&evil);
        let mut history = samples::history();
        history[0].why = Some(evil.clone());
        history[0].holder.clone_from(&evil);
        let mut line = samples::log_lines().remove(0);
        line.line.clone_from(&evil);
        let mut plan = samples::plan();
        plan.services[0].notes.push(evil.clone());
        let mut receipt = samples::receipt();
        receipt.url = Some(evil.clone());
        receipt.steps[0].name.clone_from(&evil);
        let mut diagnostics = samples::diagnostics();
        diagnostics[0].message.clone_from(&evil);
        diagnostics[0].help = Some(evil.clone());
        diagnostics[0].text = evil.as_str().into();
        let mut out = Vec::new();
        landfall_view::fault(&mut out, &fault, &style).unwrap();
        landfall_view::status(&mut out, &status, None, samples::now(), &style).unwrap();
        landfall_view::history(&mut out, &history, samples::now(), &style).unwrap();
        landfall_view::log_line(&mut out, &line, 6, &style).unwrap();
        landfall_view::plan(&mut out, &plan, &style).unwrap();
        landfall_view::receipt(&mut out, &[receipt], &style).unwrap();
        landfall_view::note(&mut out, &evil, &style).unwrap();
        landfall_view::proposal(&mut out, Path::new(&evil), std::slice::from_ref(&evil), &style).unwrap();
        landfall_view::diagnostics(&mut out, &diagnostics, &style).unwrap();
        assert_clean(&without_colours(&String::from_utf8(out).unwrap()));
    }
}

#[test]
fn a_compose_project_is_told_in_its_own_words() {
    let shown = |port: Option<u16>| {
        let mut plan = samples::plan();
        for release in plan.releases.values_mut().filter(|release| release.service().as_str() == "web") {
            release.spec.runtime = landfall_model::Runtime::Compose;
            release.spec.compose = Some(landfall_model::Compose {
                files: vec!["compose.yaml".into()],
                project: None,
                profiles: Vec::new(),
                service: Some("web".into()),
                port,
                secrets_as: landfall_model::SecretsAs::default(),
            });
        }
        let mut out = Vec::new();
        landfall_view::plan(&mut out, &plan, &Style { width: 200, ..STYLE }).unwrap();
        String::from_utf8(out).unwrap()
    };
    let alone = shown(None);
    for text in [
        "builds or fetches the images of compose.yaml",
        "`docker compose up`, each image by its digest: replaces the containers that change",
        "makes it the release that serves; its ports are its own",
        "reads back each container and its image",
    ] {
        assert!(alone.contains(text), "{text}: {alone}");
    }
    assert!(!alone.contains("starts 1 instance"), "{alone}");
    assert!(shown(Some(8000)).contains("sends all requests over at once"));
}
