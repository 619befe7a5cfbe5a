//! What is written, built by a real engine and started: it answers, runs as nobody in particular, ends when it is told
//! to, and a change of its source changes one layer.

mod built;
mod sources;

use std::collections::BTreeMap;

use built::{Built, Engine};
use landfall_model::Kind;

use crate::samples::Sample;

/// The engine; without one a loud line.
fn engine() -> Option<Engine> {
    let host = std::env::var("LANDFALL_TEST_DOCKER").ok().filter(|host| !host.is_empty());
    if host.is_none() {
        eprintln!("SKIPPED: generated Dockerfiles built for real (LANDFALL_TEST_DOCKER is not set)");
    }
    host.map(Engine::at)
}

/// Builds a sample, starts it and checks what holds for every one; gives the built image for more.
#[track_caller]
fn runs(engine: &Engine, sample: &Sample, answer: &str) -> Built {
    let image = engine.build(sample, &[]);
    {
        let running = image.start();
        assert_eq!(running.ask(), answer, "{}: {}", sample.name, running.log());
        assert_eq!(running.exec("id -u && id -g"), "10001\n10001");
        assert_eq!(
            running.exec("touch \"$HOME/a\" /app/a && ! touch /usr/a 2>/dev/null && echo only there"),
            "only there"
        );
        assert_ne!(running.stop(), 137, "{}: it did not end by itself: {}", sample.name, running.log());
    }
    image
}

/// The same, of a source that runs as it is: a change of it changes one layer.
#[track_caller]
fn check(engine: &Engine, sample: &Sample, answer: &str) -> Built {
    let image = runs(engine, sample, answer);
    let changed = engine.build(sample, &[("another.txt", "a change")]);
    let (before, after) = (image.layers(), changed.layers());
    let same = before.iter().zip(&after).filter(|(a, b)| a == b).count();
    assert_eq!((before.len(), after.len()), (same + 1, same + 1), "{}: {before:?} {after:?}", sample.name);
    image
}

#[test]
fn python_with_pip() {
    let Some(engine) = engine() else { return };
    let sample = sources::python_pip();
    check(&engine, &sample, "hello from six 1.17.0");
    let classic = engine.build(&sample.classic(), &[]);
    assert_eq!(classic.start().ask(), "hello from six 1.17.0");
}

#[test]
fn python_with_uv() {
    let Some(engine) = engine() else { return };
    check(&engine, &sources::python_uv(), "hello from src");
}

#[test]
fn python_with_poetry() {
    let Some(engine) = engine() else { return };
    let image = check(&engine, &sources::python_poetry(), "hello from /venv, six 1.17.0");
    let running = image.start();
    assert_eq!(running.exec("! command -v poetry && echo gone"), "gone");
    assert_eq!(running.exec("! python -c 'import toml' 2>/dev/null && echo gone"), "gone", "the group `dev`");
}

/// The engine, if it has the image that a toolchain comes in; those are too large to be made for tests.
fn with_toolchain(image: &str) -> Option<Engine> {
    let engine = engine()?.having(image);
    if engine.is_none() {
        eprintln!("SKIPPED: the engine has no image {image}");
    }
    engine
}

#[test]
fn go() {
    let Some(engine) = with_toolchain("golang:1.25-bookworm") else { return };
    runs(&engine, &sources::go(), "hello from go");
}

#[test]
fn rust() {
    let Some(engine) = with_toolchain("rust:1.63-slim-bookworm") else { return };
    runs(&engine, &sources::rust(), "hello from rust");
}

#[test]
fn node_with_yarn_berry() {
    let Some(engine) = engine() else { return };
    let image = check(&engine, &sources::node_berry(), "hello after 172800000 ms, built");
    let running = image.start();
    assert_eq!(running.exec("yarn --version | cut -d. -f1"), "4");
}

#[test]
fn node_with_npm() {
    let Some(engine) = engine() else { return };
    let image = check(&engine, &sources::node_npm(), "hello after 172800000 ms, built");
    let running = image.start();
    assert_eq!(running.exec("ls node_modules"), "ms", "what is only for development stays behind");
}

#[test]
fn node_with_pnpm_and_a_test_gate() {
    let Some(engine) = engine() else { return };
    let image = check(&engine, &sources::node_pnpm().tested(), "hello after 172800000 ms, built");
    let running = image.start();
    assert_eq!(running.exec("ls node_modules"), "isarray\nms");
    assert_eq!(running.exec("pnpm --version | cut -d. -f1"), "10");
}

#[test]
fn python_built_with_node() {
    let Some(engine) = engine() else { return };
    let image = check(&engine, &sources::python_with_node(), "hello from six 1.17.0");
    let running = image.start();
    assert_eq!(
        running
            .exec("cat made.txt && echo && ! ls node_modules 2>/dev/null && ! command -v node && echo gone"),
        "built\ngone"
    );
}

#[test]
fn a_program() {
    let Some(engine) = engine() else { return };
    let Some((sample, program)) = sources::program() else {
        eprintln!("SKIPPED: a program in an image: no C compiler, or none that links statically");
        return;
    };
    let engine = engine.with("server", program);
    let image = check(&engine, &sample, "hello from a program");
    assert_eq!(image.start().exec("test -s /etc/ssl/certs/ca-certificates.crt && echo trusted"), "trusted");
}

#[test]
fn sites_hold_nothing_but_their_files() {
    let Some(engine) = engine() else { return };
    let plain = Sample::site(
        "static",
        "public",
        &[("public/index.html", "hi"), ("public/a/b.css", ""), ("other", "")],
    );
    let expected = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    };
    assert_eq!(engine.build(&plain, &[]).files(), expected(&[("a/b.css", ""), ("index.html", "hi")]));
    let built = sources::node_site();
    assert_eq!(built.kind, Kind::Site);
    assert_eq!(engine.build(&built, &[]).files(), expected(&[("index.html", "made for example.org")]));
}

#[test]
fn secrets_of_a_build_leave_no_trace() {
    let Some(engine) = engine() else { return };
    let sample = Sample {
        secrets: vec!["TOKEN".to_owned()],
        ..sources::node_npm().build("test \"$TOKEN\" = s3cr3t-value && node build.js")
    };
    let image = engine.with_secret("TOKEN", "s3cr3t-value").build(&sample, &[]);
    assert!(!image.history().contains("s3cr3t-value"));
    assert_eq!(image.start().exec("env | grep -c s3cr3t || true"), "0");
}
