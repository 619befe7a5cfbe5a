//! Tools that people have, run for a test: an independent word on what we made.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether a tool is here; says loudly that a test is skipped when it is not.
pub(crate) fn have(tool: &str) -> bool {
    let there = Command::new(tool).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("SKIPPED: {tool} is not installed");
    }
    there
}

/// Runs a tool in a folder; gives what it printed.
pub(crate) fn run(folder: &Path, tool: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(tool);
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs openssl, which must succeed; `line` is its command line without quotes.
pub(crate) fn openssl(folder: &Path, line: &str) -> String {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let (done, text) = run(folder, "openssl", &arguments);
    assert!(done, "openssl {line}: {text}");
    text
}
