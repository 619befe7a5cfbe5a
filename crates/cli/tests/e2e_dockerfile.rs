//! `landfall build --print-dockerfile`: what is shown for each kind of service, and how one takes it over.

use landfall_testkit::sandbox::Sandbox;
use serde_json::Value;

/// A sandbox with a manifest and these files below its folder.
fn with(manifest: &str, files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    sandbox.write("landfall.toml", manifest);
    files.iter().for_each(|(path, text)| sandbox.write(path, text));
    sandbox
}

const PYTHON: &str = r#"
name = "a"
[service.web]
run = "gunicorn --bind $HOST:$PORT app:app"
[environment.dev]
target = "host"
runtime = "docker"
"#;

#[test]
fn the_text_is_the_file_and_notes_are_beside_it() {
    let sandbox =
        with(PYTHON, &[("requirements.txt", "flask\n"), ("app.py", ""), (".python-version", "3.12\n")]);
    let ran = sandbox.run(&["build", "--print-dockerfile"]).ok();
    assert!(ran.stdout.starts_with("# Written by Landfall"), "{ran}");
    assert!(ran.stdout.contains("FROM python:3.12-slim AS build"), "{ran}");
    assert!(ran.stderr.contains(".python-version asks for it"), "{ran}");
    assert!(ran.stdout.contains("--mount=type=cache"), "{ran}");
    let classic = sandbox.run(&["build", "--print-dockerfile", "--classic"]).ok();
    assert!(!classic.stdout.contains("--mount"), "{classic}");
    // Saved, it is used as it is.
    sandbox.write("Dockerfile", &ran.stdout);
    let again = sandbox.run(&["build", "--print-dockerfile", "--classic"]).ok();
    assert_eq!(again.stdout, ran.stdout);
}

#[test]
fn programs_get_it_as_json() {
    let sandbox = with(PYTHON, &[("Dockerfile", "FROM debian\nEXPOSE 9000\nCMD [\"x\"]\n")]);
    let ran = sandbox.run(&["build", "--print-dockerfile", "--json"]).ok();
    let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let web = &shown["services"][0];
    assert_eq!((web["service"].as_str(), web["from"].as_str()), (Some("web"), Some("Dockerfile")));
    assert_eq!(web["exposes"], serde_json::json!([9000]));
    assert_eq!(web["images"], serde_json::json!([{ "image": "debian", "moves": true }]));
    assert!(web["notes"][0].as_str().is_some_and(|note| note.contains("another image tomorrow")), "{web}");
}

#[test]
fn services_without_an_image_of_their_own_are_named() {
    let manifest = r#"
name = "a"
[service.web]
path = "web"
run = "node server.js"
[service.db]
kind = "worker"
image = "postgres:17"
[service.site]
kind = "site"
path = "site"
[environment.dev]
target = "host"
runtime = "docker"
"#;
    let sandbox = with(manifest, &[("web/server.js", ""), ("site/index.html", "")]);
    let ran = sandbox.run(&["build", "--print-dockerfile"]).ok();
    assert!(ran.stdout.contains("# web: written\n") && ran.stdout.contains("# site: written\n"), "{ran}");
    assert!(ran.stderr.contains("db: it is the image postgres:17"), "{ran}");
    let ran = sandbox.run(&["build", "--print-dockerfile", "db"]);
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[test]
fn what_cannot_be_written_says_what_was_looked_for() {
    let sandbox = with(PYTHON, &[("Caddyfile", "")]);
    sandbox.edit("landfall.toml", "gunicorn", "caddy");
    let ran = sandbox.run(&["build", "--print-dockerfile"]);
    assert_eq!(ran.code, Some(3), "{ran}");
    for word in ["requirements.txt", "package.json", "go.mod", "dockerfile"] {
        assert!(ran.stderr.contains(word), "`{word}` is missing: {ran}");
    }
    let ran = sandbox.run(&["build"]);
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.stderr.contains("--print-dockerfile"), "{ran}");
}
