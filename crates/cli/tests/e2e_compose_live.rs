//! Compose projects that somebody depends on: a deploy that is stopped in the middle. With a real engine and the real
//! `docker compose`; without them each test says loudly that it was skipped.

use landfall_model::{Event, Outcome};
use landfall_testkit::sandbox::Sandbox;
use landfall_testkit::wait::wait_until;
use rustix::process::Signal;
use std::time::Duration;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

const DEBIAN: &str = "debian:bookworm-slim";

const COMPOSE: &str = r#"
services:
  web:
    image: debian:bookworm-slim
    command: sh -c 'echo up ${WORD:-one}; exec sleep infinity'
    init: true
    stop_grace_period: 1s
    volumes: ["data:/data"]
    depends_on:
      db: { condition: service_healthy }
  db:
    image: debian:bookworm-slim
    command: sleep infinity
    init: true
    stop_grace_period: 1s
    healthcheck: { test: ["CMD", "true"], interval: 1s, start_period: 300s }
volumes:
  data: {}
"#;

struct World {
    sandbox: Sandbox,
    app: String,
    project: String,
}

impl World {
    /// `None`, said loudly, without an engine or compose.
    fn new(test: &str) -> Option<Self> {
        let sandbox = Sandbox::with_docker(env!("CARGO_BIN_EXE_landfall"), &[DEBIAN])?;
        if !sandbox.docker().has_plugin("compose") {
            eprintln!("SKIPPED: docker has no compose plugin");
            return None;
        }
        let app = format!("lfl-{test}-{}", std::process::id());
        let project = format!("{app}_dev_shop");
        let world = Self { sandbox, app, project };
        world.sandbox.write("compose.yaml", COMPOSE);
        world.write_manifest("");
        Some(world)
    }

    fn write_manifest(&self, more: &str) {
        self.sandbox.write(
            "landfall.toml",
            &format!(
                "name = \"{}\"\nversion = \"1.0.0\"\n\n[environment.dev]\nruntime = \"compose\"\n\n[service.shop]\n\
                 {more}\n",
                self.app
            ),
        );
    }

    fn docker(&self, arguments: &[&str]) -> String {
        self.sandbox.docker().run(arguments)
    }

    /// A container's fact.
    fn inspect(&self, part: &str, format: &str) -> String {
        self.docker(&["inspect", "--format", format, &format!("{}-{part}-1", self.project)])
    }

    /// What the project has of a kind, by name.
    fn list(&self, what: &str) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let name = if what == "container" { "{{.Names}}" } else { "{{.Name}}" };
        let mut words = vec![what, "ls", "--format", name, "--filter", &filter];
        if what == "container" {
            words.push("--all");
        }
        let mut names: Vec<String> = self.docker(&words).lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.sandbox.end();
        // What was there before the agent is none of what the sandbox takes away.
        for (what, remove) in [
            ("container", &["container", "rm", "--force", "--volumes"][..]),
            ("network", &["network", "rm"][..]),
            ("volume", &["volume", "rm", "--force"][..]),
        ] {
            for name in self.list(what) {
                self.docker(&[remove, &[&name]].concat());
            }
        }
    }
}

#[test]
fn a_deploy_that_is_stopped_while_compose_is_at_work_is_taken_back() {
    let Some(world) = World::new("stop") else { return };
    let ran = world.sandbox.run(&["deploy", "--json"]).ok();
    let tells = |event: &Event| matches!(event, Event::Output { line, .. } if line.contains("Started"));
    assert!(ran.events().iter().any(|stamped| tells(&stamped.event)), "compose's lines come through: {ran}");
    let (db, web) = (world.inspect("db", "{{.Config.Cmd}}"), world.inspect("web", "{{.Config.Cmd}}"));

    // A database that does not get healthy: compose waits for it, with web on its way.
    world.sandbox.edit("compose.yaml", "\"true\"", "\"false\"");
    world.sandbox.edit("compose.yaml", "command: sleep infinity", "command: sleep 1000000");
    world.sandbox.edit("compose.yaml", "WORD:-one", "WORD:-two");
    let running = world.sandbox.spawn(&["deploy", "--json"]);
    running.wait_for_text("Waiting", LIMIT);
    running.signal(Signal::INT);
    let stopped = running.wait(LIMIT).code(130);
    assert_eq!(stopped.receipt().outcome, Outcome::RolledBack, "{stopped}");
    assert!(stopped.stdout.contains("stopped on request while containers were replaced"), "{stopped}");

    assert_eq!((world.inspect("db", "{{.Config.Cmd}}"), world.inspect("web", "{{.Config.Cmd}}")), (db, web));
    world.sandbox.run(&["status"]).ok().says("2 of 2 healthy");
    let names: Vec<String> = ["db", "web"].map(|part| format!("{}-{part}-1", world.project)).into();
    assert_eq!(world.list("container"), names, "nothing under a passing name");
    world.sandbox.run(&["plan"]).ok();
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    wait_until("all is gone", LIMIT, || world.list("container").is_empty());
}
