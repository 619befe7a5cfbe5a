//! A compose project with docker compose of the first generation: one that ran before is taken over and given back, a
//! command gets a container of its own. Without an engine or the tool each test says loudly that it was skipped.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use landfall_testkit::compose::{FIRST, only_the_first, remove, things};
use landfall_testkit::sandbox::Sandbox;
use landfall_testkit::wait::wait_until;
use rustix::process::Signal;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

const DEBIAN: &str = "debian:bookworm-slim";

const COMPOSE: &str = r#"
version: "3.8"
services:
  db:
    image: debian:bookworm-slim
    command: sleep infinity
    init: true
    stop_grace_period: 1s
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "true"], interval: 1s, retries: 1 }
  web:
    image: debian:bookworm-slim
    command: sleep infinity
    init: true
    stop_grace_period: 1s
    depends_on: [db]
volumes:
  data: {}
"#;

struct World {
    sandbox: Sandbox,
    project: String,
}

impl World {
    /// A project that was started by hand, long ago, from another folder, and that the manifest names.
    fn new() -> Option<Self> {
        let mut sandbox = Sandbox::with_docker(env!("CARGO_BIN_EXE_landfall"), &[DEBIAN])?;
        if !only_the_first(&mut sandbox) {
            return None;
        }
        let project = format!("one{}", std::process::id());
        let folder = sandbox.root().join("srv").join(&project);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("docker-compose.yml"), COMPOSE).expect("a file");
        sandbox.write("compose.yaml", COMPOSE);
        let manifest = format!(
            "name = \"first-{project}\"\nversion = \"1.0.0\"\n\n[environment.dev]\nruntime = \"compose\"\n\n\
             [service.shop]\ncompose = {{ project = \"{project}\" }}\n"
        );
        sandbox.write("landfall.toml", &manifest);
        let world = Self { sandbox, project };
        let mut up = Command::new(FIRST);
        up.args(["up", "-d"]).current_dir(&folder).envs(world.sandbox.docker().variables());
        let up = up.stdin(Stdio::null()).output().expect("it answered before");
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Some(world)
    }

    fn docker(&self, arguments: &[&str]) -> String {
        self.sandbox.docker().run(arguments)
    }

    /// What the project has of a kind, by name.
    fn list(&self, what: &str) -> Vec<String> {
        things(self.sandbox.docker(), &self.project, what)
    }

    /// Whose a container is, as its label says it, and whether it runs; by the name that the first generation gives it.
    fn whose(&self, part: &str) -> String {
        let format = "{{index .Config.Labels \"io.landfall.service\"}} {{.State.Running}}";
        self.docker(&["inspect", "--format", format, &self.container(part)])
    }

    fn container(&self, part: &str) -> String {
        format!("{}_{part}_1", self.project)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.sandbox.end();
        // What was there before the agent is none of what the sandbox takes away.
        remove(self.sandbox.docker(), &self.project);
    }
}

#[test]
fn a_project_of_the_first_generation_is_taken_over_and_takes_commands() {
    let Some(world) = World::new() else { return };
    let both = [world.container("db"), world.container("web")];
    assert_eq!(world.list("container"), both);
    world.docker(&["exec", &both[0], "sh", "-c", "echo 42 > /data/answer"]);
    let takes = format!("takes over the compose project `{}`", world.project);
    let _ = world.sandbox.run(&["plan"]).ok().says(&takes).says(&format!("{}_data stays", world.project));

    // A first deploy that fails gives back what ran.
    world.sandbox.edit("compose.yaml", "\"true\"", "\"false\"");
    let _ = world.sandbox.run(&["deploy"]).code(4);
    assert_eq!([world.whose("db"), world.whose("web")], [" true", " true"]);
    world.sandbox.edit("compose.yaml", "\"false\"", "\"true\"");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!([world.whose("db"), world.whose("web")], ["shop true", "shop true"]);
    assert_eq!(world.list("container"), both);
    world.sandbox.run(&["plan"]).ok().says("nothing");

    // A command has what its part has, in a container that goes with it.
    let run = |words: &[&str]| world.sandbox.run(&[&["run", "--part", "db", "shop", "--"], words].concat());
    let _ = run(&["cat", "/data/answer"]).ok().says("42");
    let _ = run(&["sh", "-c", "echo not here >&2; exit 7"]).code(7).says("not here");
    assert_eq!(world.list("container"), both, "nothing is left, and nothing else was touched");
    let mut running = world.sandbox.spawn(&["run", "--part", "db", "shop", "--", "sleep", "1000"]);
    wait_until("the command has a container", LIMIT, || world.list("container").len() == 3);
    running.signal(Signal::KILL);
    wait_until("the client is gone", LIMIT, || running.has_ended());
    wait_until("so is its container", LIMIT, || world.list("container") == both);

    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(
        [world.list("container"), world.list("network"), world.list("volume")],
        [const { Vec::<String>::new() }; 3]
    );
}
