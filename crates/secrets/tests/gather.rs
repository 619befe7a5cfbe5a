//! Gathering from real files and a given environment: who wins, what is told, and that no value is ever shown.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall_model::{
    Backoff, Dependencies, Health, Kind, Limits, Millis, Resolved, SecretNeed, Service, Severity, SourceSpan,
    Spec, Stop, Strategy, VersionSource,
};
use landfall_secrets::dotenv::{Dotenv, MAX_FILE};
use landfall_secrets::{Gathered, Provider, gather_for, needed};
use proptest::prelude::*;

const MANIFEST: &str =
    "[service.web]\nsecrets = [\"KEY\", \"TOKEN\"]\n[service.worker]\nsecrets = [\"KEY\"]\n";

fn spec(secrets: &[&str]) -> Spec {
    Spec {
        kind: Kind::Worker,
        runtime: landfall_model::Runtime::Process,
        container: None,
        compose: None,
        run: None,
        build: None,
        dependencies: Dependencies::None,
        output: None,
        test: vec![],
        health: Health {
            path: None,
            status: (200, 399),
            interval: Millis(1),
            timeout: Millis(1),
            start_period: Millis(1),
            stable: Millis(1),
        },
        replicas: 1,
        stop: Stop { signal: "TERM".into(), grace: Millis(1) },
        backoff: Backoff { first: Millis(1), max: Millis(1) },
        volumes: BTreeMap::new(),
        env: BTreeMap::new(),
        secrets: secrets.iter().map(|&name| name.to_owned()).collect(),
        limits: Limits::default(),
        route: None,
        strategy: Strategy::Restart,
        rolling: None,
        canary: None,
        warm: Millis(0),
        keep: 5,
        drain: Millis(1),
    }
}

fn resolved(root: &Path, files: &[&str]) -> Resolved {
    let need = |name: &str, nth: usize| {
        let quoted = format!("\"{name}\"");
        let (start, _) = MANIFEST.match_indices(&quoted).nth(nth).unwrap();
        SecretNeed { name: name.to_owned(), span: SourceSpan { start, end: start + quoted.len() } }
    };
    let service = |name: &str, secrets: Vec<SecretNeed>| Service {
        name: name.parse().unwrap(),
        source: root.to_owned(),
        after: vec![],
        spec: spec(&secrets.iter().map(|need| need.name.as_str()).collect::<Vec<_>>()),
        secrets,
    };
    Resolved {
        app: "guestbook".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        root: root.to_owned(),
        file: root.join("landfall.toml"),
        text: MANIFEST.into(),
        version: VersionSource::Manifest(semver::Version::new(1, 0, 0)),
        env_files: files.iter().map(|file| root.join(file)).collect(),
        services: vec![
            service("web", vec![need("KEY", 0), need("TOKEN", 0)]),
            service("worker", vec![need("KEY", 1)]),
        ],
    }
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn value(gathered: &Gathered, service: &str, name: &str) -> String {
    gathered.values.expose()[&service.parse().unwrap()][name].clone()
}

#[test]
fn the_first_that_has_a_name_wins() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".env.dev", "TOKEN=from-dev\n");
    write(folder.path(), ".env", "TOKEN=from-env\nKEY=from-env\n");
    let resolved = resolved(folder.path(), &[".env.dev", ".env", ".env.none"]);
    let gathered = gather_for(&resolved, &|_| None).unwrap();
    assert_eq!(value(&gathered, "web", "TOKEN"), "from-dev");
    assert_eq!(value(&gathered, "web", "KEY"), "from-env");
    assert_eq!(value(&gathered, "worker", "KEY"), "from-env");
    assert!(gathered.warnings.is_empty());
    let gathered = gather_for(&resolved, &|name| (name == "KEY").then(|| "from-process".into())).unwrap();
    assert_eq!(value(&gathered, "worker", "KEY"), "from-process");
    let key = [7; 32];
    let prints = gathered.values.fingerprints(&key, &"web".parse().unwrap());
    assert_eq!(prints.keys().collect::<Vec<_>>(), ["KEY", "TOKEN"]);
    assert_eq!(prints["KEY"], landfall_secrets::fingerprint(&key, "KEY", "from-process"));
}

#[test]
fn what_is_missing_is_told_at_once_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".env", "TOKEN=\nKEY_=x\n");
    let problems = gather_for(&resolved(folder.path(), &[".env"]), &|_| None).unwrap_err();
    let told: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "secret `KEY` of services `web` and `worker` is missing",
            "secret `TOKEN` of service `web` is empty"
        ]
    );
    assert!(problems.iter().all(|problem| problem.severity == Severity::Missing));
    assert_eq!(problems[0].position(), Some((2, 12)));
    assert_eq!(problems[0].labels.len(), 2);
    assert_eq!(problems[1].position(), Some((2, 19)));
    let help = problems[0].help.as_deref().unwrap();
    assert!(
        help.starts_with("looked for in the process environment and `.env`; put a line `KEY=…` into `.env`"),
        "{help}"
    );
    let help = problems[1].help.as_deref().unwrap();
    assert!(help.starts_with("`.env` gives it an empty value; "), "{help}");
}

/// An empty variable hides the file's value: falling through would deploy something the user did not mean.
#[test]
fn an_empty_variable_is_not_looked_behind() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".env", "KEY=1\nTOKEN=2\n");
    let problems = gather_for(&resolved(folder.path(), &[".env"]), &|name| (name == "KEY").then(String::new));
    let problems = problems.unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].help.as_deref().unwrap().starts_with("the process environment gives it an empty value")
    );
}

#[test]
fn a_file_is_not_read_without_need() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".env", "not a .env file");
    let gathered =
        gather_for(&resolved(folder.path(), &[".env"]), &|name| Some(name.to_lowercase())).unwrap();
    assert_eq!(value(&gathered, "web", "TOKEN"), "token");
}

#[test]
fn broken_files_are_told_without_their_text() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ".env", "A=1\nKEY='hunter2");
    write(folder.path(), ".latin", b"KEY=\xe9hunter2");
    fs::create_dir(folder.path().join(".folder")).unwrap();
    write(folder.path(), ".huge", "#".repeat(usize::try_from(MAX_FILE).unwrap() + 1));
    let resolved = resolved(folder.path(), &[".env", ".latin", ".folder", ".huge"]);
    let problems = gather_for(&resolved, &|_| None).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter2"));
    let told: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(told[0], ".env:2:5: this quote is never closed");
    assert_eq!(told[1], ".latin:1:5: the file is not UTF-8 from here on");
    assert!(told[2].starts_with("`.folder` cannot be read: "), "{}", told[2]);
    assert_eq!(told[3], "`.huge` is larger than 1024 KiB, too large for a file of secrets");
    let severities: Vec<_> = problems.iter().map(|problem| problem.severity).collect();
    assert_eq!(severities, [Severity::Error, Severity::Error, Severity::Missing, Severity::Missing]);
}

#[test]
fn a_file_that_others_can_read_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), ".env", "KEY=1\nTOKEN=2\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut resolved = resolved(folder.path(), &[".env"]);
    resolved.environment = "production".parse().unwrap();
    let gathered = gather_for(&resolved, &|_| None).unwrap();
    assert_eq!(gathered.warnings.len(), 1);
    assert_eq!(gathered.warnings[0].severity, Severity::Warning);
    assert!(gathered.warnings[0].message.ends_with("(mode 0640)"), "{}", gathered.warnings[0].message);
    // Nothing is taken from it, nothing is said.
    let gathered = gather_for(&resolved, &|_| Some("x".into())).unwrap();
    assert!(gathered.warnings.is_empty());
    // Nor of values for development.
    resolved.environment = "dev".parse().unwrap();
    assert!(gather_for(&resolved, &|_| None).unwrap().warnings.is_empty());
}

#[test]
fn no_need_is_no_question() {
    let folder = tempfile::tempdir().unwrap();
    let mut resolved = resolved(folder.path(), &[]);
    for service in &mut resolved.services {
        service.secrets.clear();
    }
    assert!(needed(&resolved).is_empty());
    let gathered = gather_for(&resolved, &|_| panic!("nobody needs a variable")).unwrap();
    assert!(gathered.values.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a `.env` file holds, in whatever state it is, a value is in no message, help or debug form.
    #[test]
    fn values_are_never_shown(
        value in "v4lue[!-~]{6,20}",
        before in prop::sample::select(vec!["", "'", "\"", "`", "$", "\\"]),
        after in prop::sample::select(vec!["", "'", "\"", " trailing", "\n=", "\nTOKEN=", "\nTOKEN=x\nB", "'x"]),
        inherited in prop::option::of(Just(())),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), ".env", format!("KEY={before}{value}{after}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let resolved = resolved(folder.path(), &[".env"]);
        let token = inherited.map(|()| format!("{value}-token"));
        let result = gather_for(&resolved, &|name| token.clone().filter(|_| name == "TOKEN"));
        // The longest stretch that no parsing can have changed.
        let kept = &value[..8];
        let mut shown = format!("{result:?} {result:#?}");
        let file = Dotenv::new(path);
        shown.push_str(&format!("{file:?} {} {:?}", file.describe(), file.warnings()));
        match file.fetch(&["KEY", "TOKEN"]) {
            Ok(values) => shown.push_str(&format!("{values:?}")),
            Err(error) => shown.push_str(&format!("{error:?} {error}")),
        }
        if let Ok(gathered) = &result {
            prop_assert!(gathered.values.expose().values().any(|values| values["KEY"].contains("v4lue")));
            shown.push_str(&format!("{:?}", gathered.values.fingerprints(&[1; 32], &"web".parse().unwrap())));
        }
        prop_assert!(!shown.contains(kept), "{shown}");
    }
}
