//! What goes wrong outside of the application: the manifest, the disk, the ports, the files of Landfall itself. Each gets
//! a clear error, and nothing is lost.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::journal::{Moment, newest, wait_for_moment};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Disk, LIMIT, Ran, Sandbox, free_address};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_landfall"))
}

fn says(tiny: &Tiny) -> String {
    let answer = ask(&tiny.listen, &tiny.host(), "/").expect("somebody answers");
    answer.body.lines().next().unwrap_or_default().to_owned()
}

/// Fails unless the command was refused or failed in an expected way: never as a fault of Landfall's own.
#[track_caller]
fn expected_failure(ran: &Ran, words: &[&str]) {
    assert!(matches!(ran.code, Some(2..=5)), "{ran}");
    for word in words {
        assert!(ran.stderr.contains(word) || ran.stdout.contains(word), "`{word}` is missing: {ran}");
    }
    assert!(!ran.stderr.contains("panicked"), "{ran}");
}

fn deployed(sandbox: &Sandbox) -> Tiny {
    let tiny = Tiny::new("tiny", &free_address(), "blue-green");
    sandbox.write_tiny(&tiny);
    sandbox.run(&["deploy"]).ok();
    tiny
}

#[test]
fn a_port_in_use_is_named() {
    let sandbox = sandbox();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let tiny = Tiny::new("tiny", &address, "restart");
    sandbox.write_tiny(&tiny);
    let ran = sandbox.run(&["deploy"]);
    let holder = format!("by process {} (", std::process::id());
    let advice = "take another address: `listen = \"127.0.0.1:8081\"`";
    expected_failure(&ran, &[&address, "in use", &holder, advice]);
    drop(taken);
    sandbox.run(&["deploy"]).ok();
    assert_eq!(says(&tiny), "one");
}

#[test]
fn two_services_on_one_route_are_refused() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart");
    sandbox.write_tiny(&tiny);
    let again = format!(
        "[service.other]\nrun = \"python3 tiny.py\"\ndomain = \"{}\"\n\n[environment.dev]",
        tiny.host()
    );
    sandbox.edit("landfall.toml", "[environment.dev]", &again);
    let ran = sandbox.run(&["deploy"]).code(2);
    expected_failure(&ran, &["web", "other", "landfall.toml"]);
    assert!(sandbox.processes().is_empty(), "{:?}", sandbox.processes());
}

#[test]
fn a_route_of_another_application_is_refused() {
    let sandbox = sandbox();
    let tiny = deployed(&sandbox);
    let manifest = tiny.manifest().replace("name = \"tiny\"", "name = \"other\"");
    sandbox.write("landfall.toml", &manifest);
    let ran = sandbox.run(&["deploy"]).code(3);
    expected_failure(&ran, &["tiny"]);
    assert_eq!(says(&tiny), "one");
}

#[test]
fn every_problem_of_a_manifest_is_drawn_at_once() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart");
    sandbox.write_tiny(&tiny);
    sandbox.edit("landfall.toml", "health ", "helth ");
    sandbox.edit(
        "landfall.toml",
        "[environment.dev]",
        "replicas = \"two\"\npath = \"nowhere\"\n\n[environment.dev]",
    );
    let ran = sandbox.run(&["deploy"]).code(2);
    expected_failure(&ran, &["helth", "did you mean `health`", "replicas", "landfall.toml"]);
    sandbox.edit("landfall.toml", "helth ", "health ");
    sandbox.edit("landfall.toml", "replicas = \"two\"\n", "");
    let ran = sandbox.run(&["deploy"]).code(2);
    expected_failure(&ran, &["nowhere"]);

    sandbox.write(
        "landfall.toml",
        "name = \"tiny\"\nversion = \"1.0.0\"\n\
         [service.a]\nrun = \"x\"\nenv = { B = \"${service.b.url}\" }\n\
         [service.b]\nrun = \"x\"\nenv = { A = \"${service.a.url}\" }\n",
    );
    let ran = sandbox.run(&["check"]).code(2);
    expected_failure(&ran, &["`a`", "`b`"]);
}

#[test]
fn a_link_out_of_the_tree_is_refused() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart");
    sandbox.write_tiny(&tiny);
    std::os::unix::fs::symlink("/etc/hostname", sandbox.project().join("outside")).unwrap();
    let ran = sandbox.run(&["deploy"]);
    expected_failure(&ran, &["outside"]);
    fs::remove_file(sandbox.project().join("outside")).unwrap();
    std::os::unix::fs::symlink("tiny.py", sandbox.project().join("inside")).unwrap();
    sandbox.run(&["deploy"]).ok();
}

#[test]
fn a_state_folder_that_cannot_be_written_is_named() {
    let mut sandbox = sandbox();
    let folder = sandbox.root().join("sealed");
    let disk = if rustix::process::getuid().is_root() { Disk::mount(&folder, 4) } else { None };
    match &disk {
        Some(disk) => disk.read_only(true),
        None if rustix::process::getuid().is_root() => return,
        None => {
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
        }
    }
    sandbox.set_state(&folder.join("state"));
    let tiny = Tiny::new("tiny", &free_address(), "restart");
    sandbox.write_tiny(&tiny);
    let ran = sandbox.run(&["deploy"]).code(3);
    expected_failure(&ran, &["sealed"]);
}

#[test]
fn a_full_disk_costs_nothing_but_the_deploy() {
    let mut sandbox = sandbox();
    let folder = sandbox.root().join("small");
    let Some(disk) = Disk::mount(&folder, 24) else { return };
    sandbox.set_state(&folder);
    let tiny = deployed(&sandbox);
    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 50));
    for left in [0, 16 << 10, 150 << 10, 400 << 10] {
        // A new file each time, so that there is something to store.
        sandbox.write_tiny(&tiny.clone().says(&format!("with {left} left")));
        let ballast: String = (0..40_000).map(|line| format!("{line} {left}\n")).collect();
        sandbox.write("ballast.txt", &ballast);
        disk.fill(left);
        let ran = sandbox.run(&["deploy"]);
        expected_failure(&ran, &[]);
        let spoken = format!("{}{}", ran.stdout, ran.stderr).to_lowercase();
        assert!(spoken.contains("no space") || spoken.contains("full"), "the disk is not blamed: {ran}");
        assert_eq!(says(&tiny), "one", "with {left} bytes left");
        disk.empty();
    }
    let _ = load.stop().lost_nothing();
    sandbox.run(&["deploy"]).ok();
    assert_ne!(says(&tiny), "one");
    // Before the disk goes away under them.
    assert_eq!(sandbox.end(), []);
}

#[test]
fn a_corrupt_end_of_a_journal_is_cut_and_told() {
    let sandbox = sandbox();
    let tiny = deployed(&sandbox);
    for (turn, garbage) in
        [("two", &b"1234abcd {\"record\":\"do"[..]), ("three", &b"\0\0\0\0\nnot a record\n"[..])]
    {
        let before = newest(sandbox.state(), "tiny", "dev");
        sandbox.write_tiny(&tiny.clone().says(turn));
        sandbox.edit("landfall.toml", "[environment.dev]", "build = \"sleep 0.5\"\n\n[environment.dev]");
        let deploy = sandbox.spawn(&["deploy"]);
        let begun = Moment { record: "intent".to_owned(), step: Some(0) };
        let journal = wait_for_moment(sandbox.state(), ("tiny", "dev"), before.as_deref(), &begun, LIMIT);
        let journal = journal.unwrap_or_else(|| panic!("it never began: {}", deploy.so_far()));
        assert!(sandbox.kill_agent());
        let mut bytes = fs::read(&journal).unwrap();
        bytes.extend_from_slice(garbage);
        fs::write(&journal, bytes).unwrap();
        deploy.wait(LIMIT);
        let ran = sandbox.run(&["undo"]);
        assert!(matches!(ran.code, Some(0 | 5)), "{ran}");
        let told = format!("{ran}{}", sandbox.run(&["status"]));
        assert!(
            told.contains("cut") || told.contains("torn") || told.contains("damaged"),
            "nobody was told: {told}"
        );
        if ran.code == Some(0) {
            assert_eq!(says(&tiny), "one");
        }
        sandbox.write_tiny(&tiny);
        sandbox.run(&["deploy"]).ok();
        assert_eq!(says(&tiny), "one");
    }
}

#[test]
fn a_state_newer_than_the_binary_is_refused_and_serves_on() {
    let sandbox = sandbox();
    let tiny = deployed(&sandbox);
    sandbox.run(&["agent", "stop"]).ok();
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA user_version = 9999'); c.commit()";
    let database = sandbox.state().join("state.db");
    let status = Command::new("python3").args(["-c", script]).arg(&database).status().unwrap();
    assert!(status.success());
    sandbox.write_tiny(&tiny.clone().says("two"));
    let ran = sandbox.run(&["deploy"]).code(3);
    expected_failure(&ran, &["newer"]);
    assert_eq!(says(&tiny), "one");
}

#[test]
fn a_build_that_prints_a_hundred_megabytes_fills_neither_memory_nor_disk() {
    let sandbox = sandbox();
    let line = "x".repeat(999);
    let build = format!("build = \"yes {line} | head -c 100000000\"");
    let tiny = Tiny::new("tiny", &free_address(), "restart").key(&build);
    sandbox.write_tiny(&tiny);
    sandbox.run(&["deploy"]).ok();
    let state: u64 = size_of(sandbox.state());
    assert!(state < 32 << 20, "the state takes {state} bytes");
    let agent = sandbox.process(&["agent", "run"]).and_then(|process| process.memory()).unwrap();
    assert!(agent < 128 << 20, "the agent takes {agent} bytes");
}

fn size_of(folder: &std::path::Path) -> u64 {
    let entries =
        fs::read_dir(folder).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let size = |entry: &fs::DirEntry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => size_of(&entry.path()),
        Ok(facts) => facts.len(),
        Err(_) => 0,
    };
    entries.iter().map(size).sum()
}

#[test]
fn names_with_shell_characters_reach_no_shell() {
    let sandbox = sandbox();
    let inner = "it's $(touch pwned) `touch pwned` \"& ;|<>* folder";
    let tricky = "$(touch pwned) `touch pwned`; touch pwned & ' \\ \u{e9} {x,y}";
    let tiny = Tiny::new("tiny", &free_address(), "restart")
        .key(&format!("env = {{ TRICKY = {tricky:?} }}"))
        .key("build = [\"python3\", \"-c\", \"print('built')\", \"$(touch pwned)\"]");
    sandbox.write(&format!("{inner}/landfall.toml"), &tiny.manifest());
    sandbox.write(&format!("{inner}/tiny.py"), &tiny.program());
    sandbox.write(&format!("{inner}/-rf $(touch pwned).txt"), "harmless");
    sandbox.write(&format!("{inner}/new\nline.txt"), "harmless");
    let at = |arguments: &[&str]| sandbox.run(&[&["-C", inner], arguments].concat());
    at(&["deploy"]).ok();
    assert_eq!(says(&tiny), "one");
    let shown = at(&["exec", "web", "--", "printenv", "TRICKY"]).ok();
    assert_eq!(shown.stdout.trim_end_matches(['\r', '\n']), tricky, "{shown}");
    let shown = at(&["exec", "web", "--", "echo", "$(touch pwned)", "*"]).ok();
    assert_eq!(shown.stdout.trim_end(), "$(touch pwned) *", "{shown}");
    at(&["down", "--yes", "--volumes"]).ok();
    let found = landfall_testkit::needle::find_secret(sandbox.root(), b"pwned").unwrap();
    let made = found.iter().filter(|place| match place {
        landfall_testkit::needle::Found::Name(path) => path.file_name().is_some_and(|name| name == "pwned"),
        _ => false,
    });
    assert_eq!(made.count(), 0, "{found:?}");
}
