//! Whole commands that need no agent, as a person sees them: what is printed where, and the exit code.

use landfall_testkit::sandbox::{Ran, Sandbox};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    // Git above the temporary folder, or configured by whoever runs the tests, says nothing here.
    std::fs::create_dir(sandbox.project().join("src")).expect("a folder");
    sandbox
}

/// What a person sees, with the folder of this run left out.
fn seen(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let Ran { code, stdout, stderr, .. } = sandbox.run(arguments);
    assert!(sandbox.processes().is_empty(), "{arguments:?} started something");
    let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
    let text = format!("$ landfall {}\n{stdout}", arguments.join(" "));
    let text = if stderr.is_empty() { text } else { format!("{text}--- stderr\n{stderr}") };
    let root = sandbox.root().canonicalize().expect("the sandbox is there");
    let text = text.replace(&root.display().to_string(), "[ROOT]");
    format!("{}\n--- exit {code}\n", text.trim_end())
}

const GOOD: &str = r#"name = "shop"
version = "1.4.2"

[service.web]
run = "python3 app.py"

[service.worker]
kind = "worker"
run = "python3 work.py"

[environment.dev]

[environment.production]
domain = "shop.example.com"
"#;

const BAD: &str = r#"name = "Shop"
versoin = "1.4.2"

[service.web]
run = "python3 app.py"
helth = "/healthz"
replicas = "two"
path = "nowhere"
stop = { signal = "TURM" }

[service.api]
run = "x"
env = { OTHER = "${service.wep.url}" }

[environment.dev]
target = "moon"
"#;

#[test]
fn every_problem_of_a_manifest_is_drawn() {
    let sandbox = sandbox();
    sandbox.write("landfall.toml", BAD);
    insta::assert_snapshot!("check_bad", seen(&sandbox, &["check"]));
    let json = sandbox.run(&["check", "--json"]).code(2);
    let lines = json.lines_of_json();
    assert!(lines.len() >= 6 && lines.iter().all(|line| line.get("diagnostic").is_some()), "{json}");
    // What needs the manifest says the same, and starts nothing.
    for verb in ["deploy", "plan", "status", "logs", "rollback"] {
        let ran = sandbox.run(&[verb]).code(2);
        assert!(ran.stderr.contains("helth"), "{ran}");
    }
    assert!(sandbox.processes().is_empty());
}

#[test]
fn a_good_manifest_is_right_from_every_folder_below() {
    let sandbox = sandbox();
    sandbox.write("landfall.toml", GOOD);
    insta::assert_snapshot!("check_good", seen(&sandbox, &["check"]));
    sandbox.run(&["-C", "src", "check"]).ok().says("is right");
    sandbox.run(&["check", "production"]).ok().says("(production)");
    let json = sandbox.run(&["check", "--json"]).ok().lines_of_json();
    assert_eq!(json[0]["environments"], serde_json::json!(["dev", "production"]));
}

#[test]
fn wrong_words_are_told_with_what_there_is() {
    let sandbox = sandbox();
    insta::assert_snapshot!("no_manifest", seen(&sandbox, &["deploy"]));
    sandbox.write("landfall.toml", GOOD);
    insta::assert_snapshot!("unknown_word", seen(&sandbox, &["deploy", "prod"]));
    insta::assert_snapshot!("unknown_service", seen(&sandbox, &["logs", "production", "db"]));
    insta::assert_snapshot!("unknown_environment", seen(&sandbox, &["history", "web"]));
    insta::assert_snapshot!("unknown_verb", seen(&sandbox, &["deply"]));
    insta::assert_snapshot!("no_folder", seen(&sandbox, &["-C", "/no/such/folder", "check"]));
    insta::assert_snapshot!("down_unconfirmed", seen(&sandbox, &["down"]));
    insta::assert_snapshot!("exec_unclear", seen(&sandbox, &["exec", "production", "--", "ls"]));
    insta::assert_snapshot!("exec_unmarked", seen(&sandbox, &["exec", "production", "web", "ls", "src"]));
    for (words, tip) in [
        (&["exec", "web"][..], "`landfall exec web -- COMMAND`"),
        (&["run", "web", "ls"], "`landfall run web -- ls`"),
        (&["exec", "wbe", "--", "ls"], "did you mean `web`?"),
        (&["deploy", "prodution"], "did you mean `production`?"),
        (&["history", "prod"], "did you mean `production`?"),
        (&["ps", "-a"], "`landfall status` shows what runs"),
    ] {
        let ran = sandbox.run(words).code(2);
        assert!(ran.stderr.contains(tip), "{ran}");
    }
    // What is asked for in JSON is told in JSON.
    let told = sandbox.run(&["--json", "up"]).code(2).lines_of_json();
    assert!(told[0]["fault"]["help"].as_str().unwrap().contains("`landfall deploy`"), "{told:?}");
    let _ = sandbox.run(&["-q", "-v", "check"]).code(2);
}

#[test]
fn a_plan_file_that_is_none_is_told() {
    let sandbox = sandbox();
    sandbox.write("landfall.toml", GOOD);
    sandbox.write("p.json", "{}");
    insta::assert_snapshot!("plan_file", seen(&sandbox, &["deploy", "--plan", "p.json"]));
    let _ = sandbox.run(&["deploy", "--plan", "missing.json"]).code(2);
}

#[test]
fn a_missing_secret_is_refused_before_anything_is_started() {
    let sandbox = sandbox();
    sandbox.write(
        "landfall.toml",
        &GOOD.replace("[service.worker]", "secrets = [\"TOKEN\"]\n\n[service.worker]"),
    );
    insta::assert_snapshot!("missing_secret", seen(&sandbox, &["deploy"]));
    let json = sandbox.run(&["deploy", "web", "--json"]).code(3).lines_of_json();
    assert_eq!(json[0]["diagnostic"]["severity"], "missing");
}

#[test]
fn versions_are_told_and_raised() {
    let sandbox = sandbox();
    sandbox.write("landfall.toml", GOOD);
    sandbox.run(&["version"]).ok().says("1.4.2");
    sandbox.run(&["version", "bump"]).ok().says("1.4.3");
    sandbox.run(&["version", "bump", "major"]).ok().says("2.0.0");
    let json = sandbox.run(&["version", "--json"]).ok().lines_of_json();
    assert_eq!(json[0]["version"], "2.0.0");
    let text = std::fs::read_to_string(sandbox.project().join("landfall.toml")).unwrap();
    assert_eq!(text, GOOD.replace("1.4.2", "2.0.0"));
    let _ = sandbox.run(&["version", "bump", "huge"]).code(2);
}

#[test]
fn init_proposes_what_check_finds_right() {
    let sandbox = sandbox();
    sandbox.write("requirements.txt", "flask\ngunicorn\n");
    sandbox.write("app.py", "from flask import Flask\napp = Flask(__name__)\n");
    let dry = sandbox.run(&["init", "--dry-run"]).ok();
    assert!(!sandbox.project().join("landfall.toml").exists());
    insta::assert_snapshot!("init", seen(&sandbox, &["init"]));
    let written = std::fs::read_to_string(sandbox.project().join("landfall.toml")).unwrap();
    assert_eq!(written, dry.stdout);
    sandbox.run(&["check"]).ok();
    insta::assert_snapshot!("init_twice", seen(&sandbox, &["init"]));
    sandbox.write("landfall.toml", "broken");
    sandbox.run(&["init", "--force"]).ok();
    assert_eq!(std::fs::read_to_string(sandbox.project().join("landfall.toml")).unwrap(), written);
}

#[test]
fn generated_texts_are_whole() {
    let sandbox = sandbox();
    let schema: serde_json::Value = serde_json::from_str(&sandbox.run(&["schema"]).ok().stdout).unwrap();
    assert_eq!(schema["title"], "landfall.toml");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(sandbox.run(&["completions", shell]).ok().stdout.contains("rollback"), "{shell}");
    }
    sandbox.run(&["man", "pages"]).ok();
    let pages = sandbox.project().join("pages");
    for page in ["landfall.1", "landfall-deploy.1", "landfall-version-bump.1"] {
        assert!(pages.join(page).is_file(), "{page}");
    }
    assert!(!pages.join("landfall-shim.1").exists());
    insta::assert_snapshot!("help", seen(&sandbox, &["--help"]));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let sandbox = sandbox();
    sandbox.write("landfall.toml", GOOD);
    for arguments in ["schema", "man", "completions bash", "openapi", "check", "--help"] {
        // `true` reads nothing; the command's own exit code and errors come out of the group.
        let line =
            format!("{{ '{}' {arguments}; echo \"exit $?\" >&2; }} | true", sandbox.binary().display());
        let output = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(sandbox.project())
            .output()
            .expect("sh runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, "exit 0\n", "{arguments}");
    }
}
