//! A secret's value is where it is needed and nowhere else: the whole state folder, all output and all arguments are
//! searched for it.

use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::{Sandbox, free_address};

const VALUE: &str = "pa55-w0rd+with/some=odd\"chars'&%";
const CHANGED: &str = "another-v4lue-altogether";

fn world(name: &str) -> (Sandbox, Tiny) {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    // It prints its secret wherever it can: in the build, in the tests, when it boots, in two pieces.
    let tiny = Tiny::new(name, &free_address(), "blue-green")
        .key(r#"secrets = ["TOKEN"]"#)
        .key(r#"build = "printenv TOKEN || echo no token in the build""#)
        .key(r#"test = ["python3 -c 'import os; print(\"gate:\", os.environ.get(\"TOKEN\"))'"]"#);
    (sandbox, tiny)
}

fn write(sandbox: &Sandbox, tiny: &Tiny) {
    sandbox.write_tiny(tiny);
    sandbox.edit(
        "tiny.py",
        "# BEFORE BIND",
        "token = os.environ['TOKEN']\n\
         print('token:', token, flush=True)\n\
         print('in pieces:', token[:7], end='', flush=True); time.sleep(0.05); print(token[7:], flush=True)\n\
         print('token:', token, file=sys.stderr, flush=True)\n\
         # BEFORE BIND",
    );
}

#[track_caller]
fn assert_nowhere(sandbox: &Sandbox, value: &str) {
    let found = sandbox.find_secret(value);
    let places: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(places.is_empty(), "the secret is in {places:#?}");
    // As it stands in JSON, too.
    let quoted = serde_json::to_string(value).expect("a text has a JSON form");
    let found = sandbox.find_secret(quoted.trim_matches('"'));
    assert!(found.is_empty(), "the secret is, quoted, in {found:?}");
}

#[test]
fn a_value_is_in_no_file_no_output_and_no_argument() {
    let (mut sandbox, tiny) = world("tiny");
    sandbox.set("TOKEN", VALUE);
    write(&sandbox, &tiny);
    sandbox.run(&["deploy", "-v"]).ok();
    sandbox.run(&["plan"]).ok();
    let kept = ask(&tiny.listen, &tiny.host(), "/env").unwrap();
    assert!(kept.body.contains("TOKEN"), "the application has it: {kept:?}");
    let exec = sandbox.run(&["exec", "web", "--", "sh", "-c", "test \"$TOKEN\" = \"$0\" && echo same", "x"]);
    assert!(!exec.stdout.contains(VALUE), "{exec}");

    // Another value: named, not shown.
    sandbox.set("TOKEN", CHANGED);
    let plan = sandbox.run(&["plan"]).ok();
    assert!(plan.stdout.contains("secret TOKEN changed"), "{plan}");
    sandbox.run(&["deploy", "--json"]).ok();
    // The value of before, on the way back.
    sandbox.run(&["rollback", "--yes"]).ok();

    // A release that fails while it shouts its secret, and one whose build and gate do.
    write(&sandbox, &tiny.clone().says("two"));
    sandbox.edit("tiny.py", "# BEFORE BIND", "raise ValueError('cannot use ' + token)");
    let _ = sandbox.run(&["deploy"]).code(4);
    let _ = sandbox.run(&["deploy", "--json"]).code(4);
    write(&sandbox, &tiny.clone().says("three"));
    sandbox.edit("landfall.toml", "|| echo no token in the build", "; exit 1");
    let _ = sandbox.run(&["deploy", "-v"]).code(4);

    for verb in ["status", "logs", "history", "receipt"] {
        sandbox.run(&[verb]).ok();
        sandbox.run(&[verb, "--json"]).ok();
    }
    let logs = sandbox.run(&["logs"]).ok();
    assert!(logs.stdout.contains("token:"), "the line is there, blacked out: {logs}");
    for value in [VALUE, CHANGED] {
        assert_nowhere(&sandbox, value);
    }
    sandbox.run(&["down", "--yes"]).ok();
    for value in [VALUE, CHANGED] {
        assert_nowhere(&sandbox, value);
    }
}

#[test]
fn a_value_in_the_answer_to_a_health_check_is_nowhere() {
    let (mut sandbox, tiny) = world("ill");
    sandbox.set("TOKEN", VALUE);
    // As a whole, and cut where what is shown of an answer ends.
    for before in [0, 190] {
        write(&sandbox, &tiny.clone().start_period("2s"));
        sandbox.edit(
            "tiny.py",
            r#"(500, "the database is on fire")"#,
            &format!("(500, 'x' * {before} + 'key=' + os.environ['TOKEN'])"),
        );
        sandbox.edit("tiny.py", "HEALTH = 200", "HEALTH = 500");
        let _ = sandbox.run(&["deploy", "-v"]).code(4).says("key=[TOKEN]");
        let _ = sandbox.run(&["deploy", "--json"]).code(4);
        sandbox.run(&["history", "--json"]).ok();
        sandbox.run(&["status"]).ok();
        assert_nowhere(&sandbox, &VALUE[..6]);
    }
}

#[test]
fn a_missing_or_empty_secret_is_refused_before_anything_is_built() {
    let (mut sandbox, tiny) = world("tiny");
    write(&sandbox, &tiny);
    for value in [None, Some("")] {
        if let Some(value) = value {
            sandbox.set("TOKEN", value);
        }
        let ran = sandbox.run(&["deploy"]).code(3);
        for word in ["TOKEN", "landfall.toml", "secrets = [\"TOKEN\"]"] {
            assert!(ran.stderr.contains(word), "`{word}` is missing: {ran}");
        }
        assert!(!sandbox.state().join("apps").exists(), "nothing was laid out");
    }
}

#[test]
fn values_come_from_env_files_and_the_process_wins() {
    let (mut sandbox, tiny) = world("tiny");
    sandbox.write(".landfallignore", ".env*\n");
    sandbox.write(".env", "TOKEN=from-the-common-file-0\n");
    write(&sandbox, &tiny);
    let value = |sandbox: &Sandbox| {
        let script = "import hashlib, os; print(hashlib.sha256(os.environ['TOKEN'].encode()).hexdigest())";
        sandbox.run(&["exec", "web", "--", "python3", "-c", script]).ok().stdout.trim().to_owned()
    };
    let mut seen = Vec::new();
    sandbox.run(&["deploy"]).ok();
    seen.push(value(&sandbox));
    sandbox.write(".env.dev", "TOKEN='from-the-file-of-dev-1'\n");
    sandbox.run(&["deploy"]).ok();
    seen.push(value(&sandbox));
    sandbox.set("TOKEN", "from-the-process-itself-2");
    sandbox.run(&["deploy"]).ok();
    seen.push(value(&sandbox));
    let expected = [
        // sha256 of the three values above.
        "from-the-common-file-0",
        "from-the-file-of-dev-1",
        "from-the-process-itself-2",
    ];
    let hashes: Vec<String> = expected.iter().map(|value| sha256(value)).collect();
    assert_eq!(seen, hashes);
    for value in expected {
        assert_nowhere(&sandbox, value);
    }
}

fn sha256(text: &str) -> String {
    let script = "import hashlib, sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest())";
    let output =
        std::process::Command::new("python3").args(["-c", script, text]).output().expect("python3 runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
