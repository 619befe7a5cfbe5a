//! Sources that nothing is written for, and what is said then.

use landfall_model::{Dependencies, FaultKind, Kind};

use crate::samples::Sample;

#[track_caller]
fn refused(sample: &Sample, message: &str, help: &str) {
    let fault = sample.written().unwrap_err();
    assert!(fault.message.contains(message), "{}", fault.message);
    assert!(fault.help.as_deref().unwrap_or_default().contains(help), "{:?}", fault.help);
    assert_ne!(fault.kind, FaultKind::Internal);
}

#[test]
fn what_is_not_recognized_says_what_was_looked_for() {
    let unknown = Sample::web("x", "caddy run", &[("Caddyfile", "")]);
    refused(&unknown, "`caddy run` names no program that is known or in the source", "dockerfile");
    refused(&unknown, "requirements.txt, uv.lock with pyproject.toml, poetry.lock", "Dockerfile");
    refused(&Sample::web("x", "bundle exec puma", &[("Gemfile", "")]), "there is a Gemfile (Ruby)", "");
    refused(&Sample::web("x", "dotnet x.dll", &[("x.csproj", "")]), "there is a x.csproj (.NET)", "");
    refused(&Sample::site("x", "out", &[("config.toml", "")]).build("hugo"), "`hugo` names no program", "");
    let none = Sample { run: None, ..Sample::web("x", "", &[("a.py", "")]) };
    refused(&none, "the service has no `run`", "run");
    assert_eq!(none.kind, Kind::Web);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let python = |files: &[(&'static str, &'static str)]| Sample::web("x", "python app.py", files);
    refused(&python(&[("requirements.txt", "-r none.txt")]), "none.txt cannot be used", "correct it");
    refused(&python(&[("pyproject.toml", "[project")]), "pyproject.toml cannot be used", "");
    refused(&python(&[("poetry.lock", "")]), "pyproject.toml cannot be used", "");
    let node = Sample::web("x", "node a.js", &[("package.json", "{")]);
    refused(&node, "package.json cannot be used", "");
    refused(&Sample::web("x", "./x", &[("Cargo.toml", "[[")]), "Cargo.toml cannot be used", "");
    let several = [("go.mod", "module a/b\n"), ("cmd/x/main.go", ""), ("cmd/y/main.go", "")];
    refused(&Sample::web("x", "./server", &several), "which of its Go packages", "go build");
}

#[test]
fn the_classic_builder_has_no_secrets() {
    let sample =
        Sample { secrets: vec!["TOKEN".to_owned()], ..Sample::web("x", "python a.py", &[("a.py", "")]) };
    refused(&sample.classic(), "build secrets need BuildKit", "23.0");
}

#[test]
fn dependencies_can_be_left_to_the_build() {
    let sample = Sample {
        dependencies: Dependencies::None,
        ..Sample::web("x", "python app.py", &[("requirements.txt", "flask\n")])
    };
    let text = sample.clone().build("pip install -r requirements.txt").written().unwrap().text;
    assert_eq!(text.matches("pip install").count(), 1, "{text}");
    assert!(
        text.contains("python3 -m venv /venv") && text.contains("COPY --from=build /venv /venv"),
        "{text}"
    );
    assert!(!sample.written().unwrap().text.contains("pip install"));
}
