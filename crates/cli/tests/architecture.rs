//! The rules of the repository: who may know whom, as ARCHITECTURE.md says it, and how files look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The longest file in lines.
const MAX_LINES: usize = 600;

/// A row of the table that may know every other crate but `testkit`.
const ALL: &str = "all but `testkit`";

/// A row of the table that nothing but tests may know.
const DEV_ONLY: &str = "dev only";

/// What a crate may know.
#[derive(Debug, PartialEq, Eq)]
enum MayKnow {
    These(BTreeSet<String>),
    AllBut(&'static str),
    DevOnly,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// The table in ARCHITECTURE.md: a crate's name to what it may know.
fn table() -> BTreeMap<String, MayKnow> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let (_, behind) = text.split_once("## The crates and who may know whom").expect("the chapter is there");
    let rows =
        behind.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].split('`').nth(1).expect("a crate's name in backticks");
        let knows = match cells[2] {
            ALL => MayKnow::AllBut("testkit"),
            DEV_ONLY => MayKnow::DevOnly,
            "–" => MayKnow::These(BTreeSet::new()),
            named => MayKnow::These(named.split('`').skip(1).step_by(2).map(str::to_owned).collect()),
        };
        (name.to_owned(), knows)
    })
    .collect()
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().expect("cargo tells of the workspace")
}

/// The short name of one of our crates: `model`, `cli`.
fn short(package: &str) -> String {
    if package == "landfall" { "cli".to_owned() } else { package.trim_start_matches("landfall-").to_owned() }
}

/// Our crates in `crates/` with those of them that each depends on, tests left out.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let crates = root().join("crates");
    let ours = metadata.packages.iter().filter(|package| package.manifest_path.starts_with(&crates));
    ours.map(|package| {
        let known = package
            .dependencies
            .iter()
            .filter(|other| other.path.is_some() && other.kind != DependencyKind::Development)
            .map(|other| short(&other.name))
            .collect();
        (short(&package.name), known)
    })
    .collect()
}

#[test]
fn the_table_names_every_crate_and_no_other() {
    let (table, arrows) = (table(), arrows());
    let named: Vec<&String> = table.keys().collect();
    let there: Vec<&String> = arrows.keys().collect();
    assert_eq!(named, there, "left: ARCHITECTURE.md, right: cargo metadata");
}

#[test]
fn every_arrow_is_in_the_table_and_every_one_there_is_used() {
    let (table, arrows) = (table(), arrows());
    let mut wrong = Vec::new();
    for (name, known) in &arrows {
        match &table[name] {
            MayKnow::These(allowed) if known != allowed => {
                wrong.push(format!("{name} knows {known:?}, the table says {allowed:?}"));
            }
            MayKnow::AllBut(other) if known.contains(*other) => wrong.push(format!("{name} knows {other}")),
            MayKnow::DevOnly => {
                let knowing = arrows.iter().filter(|(_, known)| known.contains(name));
                wrong.extend(
                    knowing.map(|(knowing, _)| format!("{knowing} knows {name}, which is for tests")),
                );
            }
            MayKnow::These(_) | MayKnow::AllBut(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lints_live_in_one_place() {
    for package in metadata().packages {
        let text = fs::read_to_string(&package.manifest_path).expect("a manifest");
        assert!(text.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.manifest_path);
    }
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for package in metadata().packages {
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        ["src", "tests", "benches", "examples"]
            .iter()
            .for_each(|name| below(folder.join(name).as_std_path(), &mut found));
    }
    assert!(found.len() > 50, "the sources were not found: {found:?}");
    found
}

/// Whether `text` holds `word` with nothing of a word on either side.
fn holds_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        !part_of_word(text[..at].chars().next_back()) && !part_of_word(text[at + word.len()..].chars().next())
    })
}

#[test]
fn files_open_with_what_they_are_for_and_stay_short() {
    // Put together here, so that this file does not hold them.
    let left_over = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let mut wrong = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file");
        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
        if !text.starts_with("//! ") {
            wrong.push(format!("{shown} does not open with `//! `, what it is for"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{shown} has {lines} lines, {MAX_LINES} is the most"));
        }
        for word in left_over {
            if holds_word(&text, word) {
                wrong.push(format!("{shown} holds `{word}`: do it or write an issue"));
            }
        }
        let is_product = path.components().any(|part| part.as_os_str() == "src");
        if is_product && (text.contains(concat!("#[al", "low(")) || text.contains(concat!("#![al", "low("))) {
            wrong.push(format!(
                "{shown} allows a lint: `#[expect(…, reason = …)]` says why, and when it is over"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
