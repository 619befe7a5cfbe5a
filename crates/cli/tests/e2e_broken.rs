//! Releases that are no good: the old one serves on, the exit code is 4, and the autopsy names the cause.

use landfall_model::{Fault, Listener};
use landfall_testkit::app::{Tiny, TinyFault};
use landfall_testkit::ask::ask;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::needle::{Found, find_secret};
use landfall_testkit::sandbox::{Ran, Sandbox, free_address};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_landfall"))
}

fn says(tiny: &Tiny) -> String {
    let answer = ask(&tiny.listen, &tiny.host(), "/").expect("somebody answers");
    answer.body.lines().next().unwrap_or_default().to_owned()
}

fn cause(fault: &Fault) -> String {
    let autopsy = fault.autopsy.as_ref().unwrap_or_else(|| panic!("no autopsy: {fault:?}"));
    let log: Vec<&str> = autopsy.evidence.log.iter().map(|(_, line)| line.as_str()).collect();
    eprintln!("cause: {}\nadvice: {:?}\nlog: {log:?}", autopsy.cause, autopsy.advice);
    autopsy.cause.clone()
}

/// Deploys one release that works and then, under a load, one that does not; gives what was printed of the latter.
fn break_it(strategy: &str, fault: TinyFault) -> Ran {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), strategy).start_period("1500ms");
    sandbox.write_tiny(&tiny);
    let version = sandbox.run(&["deploy", "--json"]).ok().receipt().version.to_string();
    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 100));
    sandbox.write_tiny(&tiny.clone().says("two").fault(fault));
    let ran = sandbox.run(&["deploy", "--json"]).code(4);
    assert_eq!(says(&tiny), "one");
    let report = load.stop().lost_nothing();
    assert_eq!(report.answers.keys().collect::<Vec<_>>(), ["one"], "{report}");

    let status = sandbox.run(&["status"]).ok();
    assert!(status.stdout.contains(&version), "{status}");
    // The same for people.
    let _ = sandbox.run(&["deploy"]).code(4).says("autopsy of instance").says("still serves");
    // Mended, it goes through.
    sandbox.write_tiny(&tiny.clone().says("two"));
    sandbox.run(&["deploy"]).ok();
    assert_eq!(says(&tiny), "two");
    ran
}

#[test]
fn a_syntax_error_is_named_with_its_line() {
    for strategy in ["restart", "blue-green"] {
        let fault = break_it(strategy, TinyFault::Syntax).fault();
        assert!(cause(&fault).contains("tiny.py:9 "), "{fault:?}");
        let exit = fault.autopsy.as_ref().and_then(|autopsy| autopsy.evidence.exit.clone());
        assert_eq!(exit.and_then(|exit| exit.code), Some(1), "{fault:?}");
    }
}

#[test]
fn a_missing_variable_is_named() {
    let fault = break_it("blue-green", TinyFault::MissingVariable).fault();
    assert!(cause(&fault).contains("MAIL_PASSWORD"), "{fault:?}");
}

#[test]
fn a_port_never_bound_is_told_from_another_port() {
    let fault = break_it("blue-green", TinyFault::NeverListens).fault();
    assert!(cause(&fault).contains("listen"), "{fault:?}");
    let evidence = &fault.autopsy.as_ref().expect("looked at by cause").evidence;
    assert_eq!((&evidence.listeners, &evidence.exit), (&Vec::<Listener>::new(), &None), "{fault:?}");

    let fault = break_it("restart", TinyFault::OtherPort).fault();
    let evidence = &fault.autopsy.as_ref().expect("looked at by cause").evidence;
    let found = &evidence.listeners.first().unwrap_or_else(|| panic!("no listener: {fault:?}")).address;
    let port = found.rsplit(':').next().expect("an address has a port");
    assert!(cause(&fault).contains(port), "{fault:?}");
}

#[test]
fn a_health_check_that_answers_500_is_shown_with_its_answer() {
    for strategy in ["restart", "blue-green"] {
        let fault = break_it(strategy, TinyFault::Unhealthy).fault();
        assert!(cause(&fault).contains("500"), "{fault:?}");
        let text = serde_json::to_string(&fault).expect("a fault has a JSON form");
        assert!(text.contains("the database is on fire"), "{text}");
    }
}

#[test]
fn a_health_check_that_flaps_is_not_believed() {
    for strategy in ["restart", "blue-green"] {
        let fault = break_it(strategy, TinyFault::Flaps).fault();
        assert!(fault.message.contains("passes and fails by turns ("), "{fault:?}");
        assert!(cause(&fault).contains("500"), "{fault:?}");
    }
}

#[test]
fn a_boot_that_takes_for_ever_ends_with_the_start_period() {
    let fault = break_it("blue-green", TinyFault::SlowBoot).fault();
    let evidence = &fault.autopsy.as_ref().expect("there is one").evidence;
    assert!(evidence.waited_ms >= 1500, "{fault:?}");
    assert!(evidence.log.iter().any(|(_, line)| line == "warming the cache"), "{fault:?}");
}

#[test]
fn a_first_deploy_that_fails_leaves_nothing_behind() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart").fault(TinyFault::Syntax);
    sandbox.write_tiny(&tiny);
    let _ = sandbox.run(&["deploy"]).code(4).says("SyntaxError");
    assert!(
        !sandbox.processes().iter().any(|process| process.is_role(&["shim"])),
        "{:?}",
        sandbox.processes()
    );
    let answer = ask(&tiny.listen, &tiny.host(), "/");
    assert!(answer.as_ref().map_or(true, |answer| answer.status >= 400), "{answer:?}");
    sandbox.run(&["status"]).ok().says("nothing is deployed here").says("`landfall history`");
    sandbox.run(&["status", "--all"]).ok().says("nothing is deployed on this machine");
}

#[test]
fn a_failed_test_stops_the_deploy_and_shows_the_output() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "blue-green")
        .key(r#"test = ["touch made-by-the-gate", "python3 -c 'import tiny_test'"]"#);
    sandbox.write_tiny(&tiny);
    sandbox.write("tiny_test.py", "print('all is well')\n");
    sandbox.run(&["deploy"]).ok();
    let begun = sandbox.processes();
    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 100));
    sandbox.write("tiny_test.py", "assert 6 * 9 == 42, 'the answer is wrong'\n");
    let ran = sandbox.run(&["deploy"]).code(4).says("the answer is wrong");
    assert!(ran.stdout.contains("test") || ran.stderr.contains("test"), "{ran}");
    let _ = load.stop().lost_nothing();
    assert_eq!(sandbox.processes(), begun, "nothing was started and nothing ended");
    // What the gate made stayed in its throwaway copy, and the copy is gone.
    let found = find_secret(sandbox.state(), b"made-by-the-gate").unwrap();
    assert!(!found.iter().any(|place| matches!(place, Found::Name(_))), "{found:?}");
    let scratch = std::fs::read_dir(sandbox.state().join("scratch")).map_or(0, Iterator::count);
    assert_eq!(scratch, 0);
}

#[test]
fn the_test_gate_sees_what_the_build_made() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart")
        .key(r#"build = "echo built > built.txt""#)
        .key(r#"test = ["grep -q built built.txt"]"#);
    sandbox.write_tiny(&tiny);
    sandbox.run(&["deploy"]).ok();
}

#[test]
fn a_failed_build_stops_the_deploy_and_shows_the_output() {
    let sandbox = sandbox();
    let tiny = Tiny::new("tiny", &free_address(), "restart").key(r#"build = "echo compiling; exit 3""#);
    sandbox.write_tiny(&tiny);
    let ran = sandbox.run(&["deploy"]).code(4).says("compiling");
    assert!(ran.stderr.contains('3') || ran.stdout.contains('3'), "the exit code is missing: {ran}");
}

#[test]
fn an_instance_that_crashes_later_is_started_again() {
    let sandbox = sandbox();
    let tiny =
        Tiny::new("tiny", &free_address(), "restart").key(r#"backoff = { first = "50ms", max = "1s" }"#);
    sandbox.write_tiny(&tiny);
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    let pid = receipt.instances[0].pid;
    // It ends in the middle of this request, which is therefore lost; the next ones are not.
    let _ = ask(&tiny.listen, &tiny.host(), "/crash");
    landfall_testkit::wait::wait_until("it serves again", std::time::Duration::from_secs(10), || {
        ask(&tiny.listen, &tiny.host(), "/").is_ok_and(|answer| answer.status == 200)
    });
    let status = sandbox.run(&["status"]).ok().says("1 restart");
    assert!(!status.stdout.contains(&format!("pid {}", pid.expect("it ran"))), "{status}");
}
