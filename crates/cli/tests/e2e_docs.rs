//! The reference says what there is: every key of the manifest's schema and every verb of the command line is in it, and
//! no page links to a file that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn landfall(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_landfall")).args(arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                found.extend(properties.keys().cloned());
            }
            fields.values().for_each(|value| keys(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_manifest_is_in_its_reference() {
    let schema: Value = serde_json::from_str(&landfall(&["schema"])).expect("the schema is JSON");
    let mut all = BTreeSet::new();
    keys(&schema, &mut all);
    assert!(all.len() > 30, "{all:?}");
    let page = page("docs/reference/manifest.md");
    let missing: Vec<&String> = all
        .iter()
        .filter(|key| !page.contains(&format!("`{key}`")) && !page.contains(&format!("{key} = ")))
        .collect();
    assert!(missing.is_empty(), "docs/reference/manifest.md has nothing on {missing:?}");
}

#[test]
fn every_verb_is_in_the_reference() {
    let help = landfall(&["--help"]);
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next())
        .collect();
    assert!(verbs.len() > 15, "{help}");
    let page = page("docs/reference/command-line.md");
    let is_missing =
        |verb: &&&str| ![format!("`{verb}`"), format!("`{verb} ")].iter().any(|form| page.contains(form));
    let missing: Vec<&&str> = verbs.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "docs/reference/command-line.md has nothing on {missing:?}");
}

#[test]
fn no_page_links_to_what_is_not_there() {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].iter().map(|p| root().join(p)).collect();
    for folder in ["docs", "docs/how-to", "docs/reference"] {
        let entries = fs::read_dir(root().join(folder))
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let there = file.contains("://") || page.with_file_name(file).exists() || file.is_empty();
            if !there {
                broken.push(format!("{} -> {target}", page.display()));
            }
        }
    }
    assert!(pages.len() > 10 && broken.is_empty(), "{broken:#?}");
}
