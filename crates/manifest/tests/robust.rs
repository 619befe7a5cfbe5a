//! Whatever the text is, there is an answer; and a large manifest is no trouble.

mod common;

use std::fmt::Write as _;

use common::{REFERENCE, load_for};
use landfall_model::{Diagnostic, Severity};
use proptest::prelude::*;

/// Every diagnostic can be drawn, and a refusal says why.
fn answer(text: &str, environment: &str) {
    let sound = |d: &Diagnostic| {
        for label in &d.labels {
            assert!(label.start <= label.end && text.get(label.start..label.end).is_some(), "{d:?}");
        }
        assert!(d.labels.is_empty() || d.position().is_some());
        assert!(!d.message.is_empty());
    };
    match load_for(text, environment) {
        Ok(loaded) => {
            assert!(loaded.warnings.iter().all(|d| d.severity == Severity::Warning));
            loaded.warnings.iter().for_each(sound);
        }
        Err(diagnostics) => {
            assert!(diagnostics.iter().any(|d| d.severity > Severity::Warning), "{diagnostics:?}");
            diagnostics.iter().for_each(sound);
        }
    }
    let _ = landfall_manifest::environments(text);
}

/// Pieces of manifests, to be put together in any order.
fn piece() -> impl Strategy<Value = String> {
    let lines: Vec<String> = REFERENCE.lines().map(|line| format!("{line}\n")).collect();
    prop_oneof![
        4 => prop::sample::select(lines),
        1 => "[a-z_]{1,8} = [\\[\\]{}\"'$.0-9a-z, ]{0,20}\n",
        1 => Just("env = { A = \"$${volume.data}${env.GREETING}${service.client.url}\" }\n".to_owned()),
        1 => ".{0,12}\n",
    ]
}

proptest! {
    #[test]
    fn any_text_has_an_answer(text in ".{0,200}") {
        answer(&text, "dev");
    }

    #[test]
    fn any_mixture_of_lines_has_an_answer(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        answer(&text, "dev");
        answer(&text, "production");
    }

    #[test]
    fn any_damage_to_a_manifest_has_an_answer(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..30, "[\\PC\n\"\\[\\]{}$=]{0,6}"), 1..5)
    ) {
        let mut text = REFERENCE.to_owned();
        for (at, length, with) in cuts {
            let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let start = boundary(at.index(text.len().max(1)));
            let end = boundary(start + length);
            text.replace_range(start..end.max(start), &with);
        }
        answer(&text, "dev");
        answer(&text, "production");
    }
}

#[test]
fn a_thousand_services_that_refer_to_each_other_load() {
    let mut text = "name = \"app\"\n".to_owned();
    for n in 0..1_000 {
        write!(text, "[service.s{n}]\nrun = \"serve\"\nenv = {{ N = {n}").unwrap();
        if n < 999 {
            write!(text, ", NEXT = \"${{service.s{}.url}}\"", n + 1).unwrap();
        }
        write!(text, " }}\n[environment.p.service.s{n}]\nreplicas = 2\n").unwrap();
    }
    let services = load_for(&text, "p").unwrap().resolved.services;
    assert_eq!(services.len(), 1_000);
    assert_eq!(services[0].name.as_str(), "s999");
    assert!(services.iter().all(|service| service.spec.replicas == 2));
}

#[test]
fn deep_and_huge_texts_are_refused() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(load_for(&deep, "dev").is_err());
    let huge = "#".repeat(5 * 1024 * 1024);
    let diagnostics = load_for(&huge, "dev").unwrap_err();
    assert_eq!(diagnostics[0].message, "the manifest is larger than 4 MiB");
}
