//! Commands that end, run for real.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use landfall_model::{Command, Stream};
use landfall_shim::{RunRequest, run_command};

fn request(line: &str) -> RunRequest {
    RunRequest {
        command: Command::Line(line.to_owned()),
        folder: std::env::temp_dir(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
        secrets: BTreeMap::new(),
        timeout: Duration::from_secs(60),
    }
}

fn run(request: &RunRequest) -> (io::Result<landfall_model::Exit>, Vec<(Stream, String)>) {
    let mut found = Vec::new();
    let exit = run_command(request, &mut |stream, line| found.push((stream, line.to_owned())), &|| false);
    (exit, found)
}

/// Whether a process with these words in its command line is alive.
fn is_running(words: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        path.file_name().unwrap() != &*std::process::id().to_string() && line.contains(words)
    })
}

#[test]
fn a_command_gives_its_lines_and_its_exit() {
    let (exit, lines) = run(&request("echo out; echo err >&2; printf half; exit 3"));
    let exit = exit.unwrap();
    assert_eq!((exit.code, exit.signal), (Some(3), None));
    let of = |wanted| lines.iter().filter(|(s, _)| *s == wanted).map(|(_, l)| l.as_str()).collect::<Vec<_>>();
    assert_eq!((of(Stream::Out), of(Stream::Err)), (vec!["out", "half"], vec!["err"]));
    let exit = run(&request("kill -SEGV $$; true")).0.unwrap();
    assert_eq!((exit.code, exit.signal.as_deref()), (None, Some("SEGV")));
}

#[test]
fn the_environment_is_complete_and_secrets_are_blacked_out() {
    let mut request = request("env");
    request.secrets.insert("TOKEN".to_owned(), "hunter22".to_owned());
    let (exit, lines) = run(&request);
    assert_eq!(exit.unwrap().code, Some(0));
    let mut lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    lines.retain(|line| !["PWD=", "_=", "SHLVL=", "OLDPWD="].iter().any(|own| line.starts_with(own)));
    lines.sort();
    assert_eq!(lines, ["PATH=/usr/local/bin:/usr/bin:/bin", "TOKEN=[TOKEN]"]);
}

#[test]
fn a_hundred_megabytes_pass_through_without_being_kept() {
    let mut bytes = 0;
    let mut longest = 0;
    let request = request("head -c 50000000 /dev/zero | tr '\\0' x; yes 0123456789 | head -c 50000000");
    let exit = run_command(
        &request,
        &mut |_, line| {
            bytes += line.len();
            longest = longest.max(line.len());
        },
        &|| false,
    );
    assert_eq!(exit.unwrap().code, Some(0));
    assert!(bytes > 95_000_000, "{bytes}");
    assert_eq!(longest, 16 * 1024);
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: u64 = peak.strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(peak < 60_000, "{peak} kB");
}

#[test]
fn a_cancelled_command_is_gone_with_all_it_started() {
    let cancel = AtomicBool::new(false);
    let begun = Instant::now();
    let ended = run_command(
        &request("trap '' TERM; sh -c 'trap \"\" TERM; echo up; while :; do sleep 98.76; done' & wait; wait"),
        &mut |_, line| cancel.store(line == "up", Ordering::Relaxed),
        &|| cancel.load(Ordering::Relaxed),
    );
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::Interrupted);
    assert!(!is_running("sleep 98.76"));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_command_over_its_time_is_ended() {
    let mut request = request("sleep 97.65 & sleep 97.65");
    request.timeout = Duration::from_millis(300);
    assert_eq!(run(&request).0.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(!is_running("sleep 97.65"));
}

#[test]
fn what_a_command_leaves_behind_is_killed_and_not_waited_for() {
    let begun = Instant::now();
    let (exit, lines) = run(&request("sleep 96.54 & echo done"));
    assert_eq!(exit.unwrap().code, Some(0));
    assert_eq!(lines, [(Stream::Out, "done".to_owned())]);
    assert!(!is_running("sleep 96.54"));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_program_that_is_not_there_is_an_error_and_in_a_line_an_exit() {
    let mut words = request("");
    words.command = Command::Words(vec!["no-such-program".to_owned()]);
    assert_eq!(run(&words).0.unwrap_err().kind(), io::ErrorKind::NotFound);
    words.command = Command::Words(vec!["/".to_owned()]);
    assert_eq!(run(&words).0.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    let (exit, lines) = run(&request("no-such-program x"));
    assert_eq!(exit.unwrap().code, Some(127));
    assert!(lines[0].1.contains("not found"), "{lines:?}");
}

#[test]
fn words_reach_no_shell() {
    let mut words = request("");
    words.command = Command::Words(["echo", "$(id)", "a;b", "*"].map(str::to_owned).to_vec());
    assert_eq!(run(&words).1, [(Stream::Out, "$(id) a;b *".to_owned())]);
}
