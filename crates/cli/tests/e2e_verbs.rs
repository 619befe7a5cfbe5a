//! The verbs around a deploy: what runs, what it prints, a command beside it, and taking it all away.

use std::time::Duration;

use landfall_model::api::StatusView;
use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::{LIMIT, Sandbox, free_address};
use landfall_testkit::wait::wait_until;
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(60);

fn deployed(tiny: impl FnOnce(Tiny) -> Tiny) -> (Sandbox, Tiny) {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let tiny = tiny(Tiny::new("tiny", &free_address(), "blue-green"));
    sandbox.write_tiny(&tiny);
    sandbox.run(&["deploy"]).ok();
    (sandbox, tiny)
}

#[test]
fn status_tells_people_and_programs_what_runs() {
    let (sandbox, tiny) = deployed(|tiny| tiny.key("replicas = 2"));
    let text = sandbox.run(&["status"]).ok();
    for word in ["tiny", "web", "2 of 2 healthy", &format!("http://{}", tiny.host())] {
        assert!(text.stdout.contains(word), "`{word}` is missing: {text}");
    }
    assert!(!text.stdout.contains('\u{1b}'), "no colour where no terminal is: {text}");
    let ran = sandbox.run(&["status", "--json"]).ok();
    let status: StatusView = serde_json::from_str(&ran.stdout).expect("a status");
    assert_eq!(status.routes.len(), 1);
    assert_eq!(status.routes[0].healthy, (2, 2));
    assert_eq!(status.observed.services.len(), 1);
    let info = sandbox.info();
    assert!(info.proxy_pid.is_some() && info.running == 0, "{info:?}");
}

#[test]
fn logs_are_merged_followed_and_stamped() {
    let (sandbox, tiny) = deployed(|tiny| tiny.key("replicas = 2"));
    let ran = sandbox.run(&["logs"]).ok();
    assert_eq!(ran.stdout.matches("tiny one listens").count(), 2, "{ran}");
    let follow = sandbox.spawn(&["logs", "-f"]);
    follow.wait_for_text("tiny one listens", SOON);
    sandbox.write_tiny(&tiny.says("two").key("# another line"));
    sandbox.run(&["deploy"]).ok();
    follow.wait_for_text("tiny two listens", SOON);
    follow.signal(Signal::INT);
    let ran = follow.wait(SOON);
    assert!(matches!(ran.code, None | Some(0 | 130)), "{ran}");
    for line in sandbox.run(&["logs", "--json", "-n", "1"]).ok().lines_of_json() {
        assert!(line.get("at").is_some() && line.get("instance").is_some(), "{line}");
    }
}

#[test]
fn exec_runs_beside_the_release_with_its_environment_and_exit_code() {
    let (sandbox, _) = deployed(|tiny| tiny.key(r#"env = { COLOUR = "green" }"#));
    let ran = sandbox.run(&["exec", "web", "--", "printenv", "COLOUR"]).ok();
    assert_eq!(ran.stdout, "green\n");
    let ran = sandbox.run(&["exec", "web", "--", "ls"]).ok();
    assert!(ran.stdout.contains("tiny.py"), "{ran}");
    let _ = sandbox.run(&["exec", "web", "--", "sh", "-c", "echo no >&2; exit 7"]).code(7).says("no");
    let ran = sandbox.run(&["exec", "web", "--", "no-such-program-anywhere"]);
    assert!(ran.code != Some(0) && ran.stderr.contains("no-such-program-anywhere"), "{ran}");
    // Far more than fits into a pipe or a frame.
    let ran = sandbox.run(&["exec", "web", "--", "head", "-c", "3000000", "/dev/zero"]).ok();
    assert_eq!(ran.stdout.len(), 3_000_000);
}

#[test]
fn history_and_receipts_are_kept() {
    let (sandbox, tiny) = deployed(|tiny| tiny);
    sandbox.write_tiny(&tiny.clone().says("two"));
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    let version = receipt.version.to_string();
    let shown = sandbox.run(&["receipt", "--json"]).ok();
    let kept: landfall_model::Receipt = serde_json::from_str(&shown.stdout).expect("a receipt");
    assert_eq!(kept, receipt);
    sandbox.run(&["receipt", &version]).ok().says(&version);
    let first = receipt.previous_version.expect("there was one before").to_string();
    sandbox.run(&["receipt", &first]).ok().says(&first);
    let history = sandbox.run(&["history"]).ok();
    let [newest, oldest] = [&version, &first].map(|version| history.stdout.find(version.as_str()));
    assert!(newest.is_some() && newest < oldest, "newest first: {history}");
    let _ = sandbox.run(&["receipt", "9.9.9-20200101000000"]).code(3);
}

#[test]
fn down_takes_everything_away_but_volumes_unless_told() {
    let (sandbox, tiny) = deployed(|tiny| tiny.key(r#"volumes = ["data"]"#));
    let volume = sandbox.state().join("apps/tiny/dev/web/volumes/data");
    assert!(volume.is_dir(), "{}", volume.display());
    std::fs::write(volume.join("kept.txt"), "x").unwrap();
    // Nobody is there to confirm it.
    let _ = sandbox.run(&["down"]).code(3);
    sandbox.run(&["down", "--yes"]).ok();
    wait_until("no instance runs", SOON, || {
        !sandbox
            .processes()
            .iter()
            .any(|process| process.is_role(&["shim"]) || process.arguments.contains(&"tiny.py".to_owned()))
    });
    assert!(ask(&tiny.listen, &tiny.host(), "/").map_or(true, |answer| answer.status >= 400));
    assert!(volume.join("kept.txt").is_file());
    sandbox.run(&["deploy"]).ok();
    assert!(volume.join("kept.txt").is_file());
    sandbox.run(&["down", "--yes", "--volumes"]).ok();
    assert!(!volume.exists());
    sandbox.run(&["down", "--yes"]).ok();
    // What was kept before is not taken unseen, and not forgotten either.
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["down", "--yes"]).ok();
    let ran = sandbox.run(&["down", "--yes", "--volumes"]).ok();
    for words in ["`data` of web", "`landfall disk --prune --volumes`"] {
        assert!(ran.stderr.contains(words), "{ran}");
    }
    assert!(volume.is_dir());
    sandbox.run(&["disk", "--prune", "--volumes", "--yes"]).ok();
    assert!(!volume.exists());
    let ran = sandbox.run(&["down", "--yes", "--volumes"]).ok();
    assert!(!ran.stderr.contains("kept"), "{ran}");
}

#[test]
fn what_the_manifest_has_no_more_is_told_and_can_be_named() {
    let (sandbox, tiny) = deployed(|tiny| tiny);
    let manifest = tiny.manifest();
    sandbox.write(
        "landfall.toml",
        &format!("{manifest}\n[service.clock]\nkind = \"worker\"\nrun = \"sleep 1000\"\n"),
    );
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["down", "wbe", "--yes"]).code(2).says("did you mean `web`?");
    sandbox.write_tiny(&tiny);
    sandbox.run(&["status"]).ok().says("not in landfall.toml any more");
    sandbox.run(&["logs", "clock"]).ok();
    sandbox.run(&["status", "clokc"]).code(2).says("did you mean `clock`?");
    sandbox.run(&["deploy", "clock"]).code(2).says("nor a service of this manifest");
    sandbox.run(&["down", "clock", "--yes"]).ok();
    let ran = sandbox.run(&["status"]).ok();
    assert!(ran.stdout.contains("1 of 1 healthy") && !ran.stdout.contains("clock"), "{ran}");
}

#[test]
fn the_agent_ends_and_comes_back_and_requests_go_on() {
    let (sandbox, tiny) = deployed(|tiny| tiny);
    let before = sandbox.info();
    sandbox.run(&["agent", "stop"]).ok();
    assert!(sandbox.process(&["agent", "run"]).is_none());
    assert_eq!(ask(&tiny.listen, &tiny.host(), "/").unwrap().status, 200);
    sandbox.run(&["status"]).ok().says("1 of 1 healthy");
    let after = sandbox.info();
    assert_ne!(before.pid, after.pid);
    assert_eq!(before.proxy_pid, after.proxy_pid, "the proxy was left alone");
    sandbox.run(&["deploy"]).ok().says("nothing changed");
    // Both end when that is asked for; the application goes on, and is reached again with the next command.
    let ran = sandbox.run(&["agent", "stop", "--proxy"]).ok();
    assert!(ran.stdout.contains("what goes on: tiny in dev"), "{ran}");
    wait_until("the proxy ends", SOON, || sandbox.process(&["proxy", "run"]).is_none());
    assert!(sandbox.processes().iter().any(|process| process.is_role(&["shim"])));
    sandbox.run(&["status"]).ok();
    wait_until("requests are answered again", SOON, || {
        ask(&tiny.listen, &tiny.host(), "/").is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn commands_that_need_no_agent_start_none() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    sandbox.write_tiny(&Tiny::new("tiny", &free_address(), "restart"));
    sandbox.run(&["--version"]).ok().says(env!("CARGO_PKG_VERSION"));
    sandbox.run(&["check"]).ok();
    sandbox.run(&["version"]).ok().says("1.0.0");
    sandbox.run(&["version", "bump", "minor"]).ok();
    sandbox.run(&["version"]).ok().says("1.1.0");
    let schema: serde_json::Value = serde_json::from_str(&sandbox.run(&["schema"]).ok().stdout).unwrap();
    assert!(schema.get("$schema").is_some());
    let openapi: serde_json::Value = serde_json::from_str(&sandbox.run(&["openapi"]).ok().stdout).unwrap();
    assert!(openapi.get("paths").is_some());
    for shell in ["bash", "zsh", "fish"] {
        assert!(sandbox.run(&["completions", shell]).ok().stdout.contains("landfall"));
    }
    assert!(sandbox.run(&["man"]).ok().stdout.contains("landfall"));
    sandbox.run(&["agent", "status"]).ok().says("no agent runs");
    let _ = sandbox.run(&["deply"]).code(2);
    let _ = sandbox.run(&["-C", "/nowhere", "check"]).code(2);
    assert_eq!(sandbox.processes(), []);
}

#[test]
fn init_writes_a_manifest_that_deploys() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    sandbox.write("index.html", "<p>a page</p>\n");
    sandbox.run(&["init"]).ok();
    sandbox.run(&["check"]).ok();
    let _ = sandbox.run(&["init"]);
    let address = free_address();
    let text = std::fs::read_to_string(sandbox.project().join("landfall.toml")).unwrap();
    let with_address = if text.contains("[environment.dev]") {
        text.replace("[environment.dev]", &format!("[environment.dev]\nlisten = \"{address}\""))
    } else {
        format!("{text}\n[environment.dev]\nlisten = \"{address}\"\n")
    };
    sandbox.write("landfall.toml", &with_address);
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    let url = receipt.url.expect("a site has an address");
    let host = url.trim_start_matches("http://").split([':', '/']).next().unwrap_or_default().to_owned();
    assert!(ask(&address, &host, "/").unwrap().body.contains("a page"));
}

#[test]
fn two_deploys_at_once_do_not_mix() {
    let (sandbox, tiny) = deployed(|tiny| tiny.key("build = \"sleep 1\""));
    sandbox.write_tiny(&tiny.clone().says("two"));
    let first = sandbox.spawn(&["deploy"]);
    wait_until("the first one is under way", SOON, || {
        sandbox.run(&["status"]).ok().stdout.contains("is running")
    });
    let second = sandbox.run(&["deploy"]).code(3);
    assert!(second.stderr.contains("under way"), "{second}");
    first.wait(LIMIT).ok();
    assert!(ask(&tiny.listen, &tiny.host(), "/").unwrap().body.contains("two"));
}

#[test]
fn a_manifest_that_is_being_edited_keeps_nobody_from_a_rollback() {
    let (sandbox, tiny) = deployed(|tiny| tiny);
    sandbox.write_tiny(&tiny.says("two"));
    sandbox.run(&["deploy"]).ok();
    let manifest = sandbox.project().join("landfall.toml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    std::fs::write(&manifest, format!("{text}\nhelth = = 1\n")).expect("a broken manifest");
    sandbox.run(&["deploy"]).code(2).says("landfall.toml");
    sandbox.run(&["status"]).ok().says("1 of 1 healthy");
    sandbox.run(&["rollback"]).ok();
    assert_eq!(sandbox.run(&["history", "--json"]).ok().stdout.matches("\"rollback\"").count(), 1);
    sandbox.run(&["rollback"]).code(3).says("no earlier release");
}
