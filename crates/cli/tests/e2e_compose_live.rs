//! Compose projects that somebody depends on: a deploy that is stopped in the middle, a project that ran before. With a
//! real engine and the real `docker compose`; without them each test says loudly that it was skipped.

use landfall_model::api::{DiskEntry, DiskKind, DiskView, Whose};
use landfall_model::{Event, Outcome};
use landfall_testkit::compose::{remove, things};
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
        things(self.sandbox.docker(), &self.project, what)
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

#[test]
fn what_replaced_containers_printed_is_kept() {
    let Some(world) = World::new("logs") else { return };
    world.sandbox.run(&["deploy"]).ok();
    world.sandbox.run(&["logs"]).ok().says("web: up one");
    world.sandbox.edit("compose.yaml", "WORD:-one", "WORD:-two");
    world.sandbox.run(&["deploy"]).ok();
    let both = |world: &World| {
        let logs = world.sandbox.run(&["logs"]).ok().stdout;
        ["web: up one", "web: up two", "web: up three"].map(|line| logs.matches(line).count())
    };
    assert_eq!(both(&world), [1, 1, 0]);

    // One that fails is taken back, and what it said is still there.
    world.sandbox.edit("compose.yaml", "WORD:-two}; exec sleep infinity", "WORD:-three}; exit 3");
    world.sandbox.edit("compose.yaml", "command: sleep infinity", "command: sleep 1000000");
    let failed = world.sandbox.run(&["deploy"]).code(4).says("up three");
    drop(failed);
    assert_eq!(both(&world), [1, 2, 1], "the one before was started anew");
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
}

#[test]
fn an_agent_killed_while_compose_is_at_work_is_recovered() {
    let Some(world) = World::new("kill") else { return };
    // So slow to stop that compose is caught with one container made and the other not gone.
    world.sandbox.edit("compose.yaml", "exec sleep infinity", "trap \"\" TERM; sleep infinity & wait; wait");
    world.sandbox.edit("compose.yaml", "stop_grace_period: 1s", "stop_grace_period: 4s");
    world.sandbox.run(&["deploy"]).ok();
    let names: Vec<String> = ["db", "web"].map(|part| format!("{}-{part}-1", world.project)).into();
    let (well, ill) = ("\"true\"", "\"false\"");
    let (mut was, mut health) = ("one", well);
    for (word, check, text, verb, serves) in [
        ("two", ill, "Waiting", "undo", "one"),
        ("three", well, "-web-1  Recreate\"", "undo", "one"),
        ("four", well, "-web-1  Recreate\"", "resume", "four"),
        ("five", well, "-web-1  Recreate\"", "deploy", "five"),
    ] {
        if check != health {
            world.sandbox.edit("compose.yaml", health, check);
            health = check;
        }
        world.sandbox.edit("compose.yaml", &format!("WORD:-{was}"), &format!("WORD:-{word}"));
        was = word;
        let running = world.sandbox.spawn(&["deploy", "--json"]);
        running.wait_for_text(text, LIMIT);
        assert!(world.sandbox.kill_agent());
        running.wait(LIMIT);
        let state = world.sandbox.run(&["status"]).ok().says("interrupted");
        assert!(!state.stdout.contains("0 of 0"), "{state}");
        world.sandbox.run(&[verb]).ok();
        let command = world.inspect("web", "{{.Config.Cmd}} {{.State.Running}}");
        assert!(command.contains(&format!("up {serves};")) && command.ends_with("true"), "{verb}: {command}");
        assert_eq!(world.list("container"), names, "nothing under a passing name");
        assert!(world.sandbox.run(&["status"]).ok().stdout.contains("2 of 2 healthy"));
    }
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
}

#[test]
fn a_command_gets_a_container_of_its_own() {
    let Some(world) = World::new("run") else { return };
    let run = |words: &[&str]| world.sandbox.run(&[&["run", "--part", "web", "shop", "--"], words].concat());
    world.sandbox.run(&["deploy"]).ok();
    let before = world.list("container");
    let _ = run(&["sh", "-c", "echo $((6 * 7)) > /data/answer; hostname"]).ok();
    let beside = ["exec", "--part", "web", "shop", "--", "cat", "/data/answer"];
    world.sandbox.run(&beside).ok().says("42");
    let _ = run(&["sh", "-c", "echo not here >&2; exit 7"]).code(7).says("not here");
    let _ = world.sandbox.run(&["run", "shop", "--", "true"]).code(2).says("one of `db`, `web`");
    assert_eq!(world.list("container"), before, "nothing is left, and nothing else was touched");

    // A client that goes away takes its command with it.
    let mut running = world.sandbox.spawn(&["run", "--part", "web", "shop", "--", "sleep", "1000"]);
    wait_until("the command has a container", LIMIT, || world.list("container").len() == 3);
    running.signal(Signal::KILL);
    wait_until("the client is gone", LIMIT, || running.has_ended());
    wait_until("so is its container", LIMIT, || world.list("container") == before);

    let disk = world.sandbox.run(&["disk", "--json"]).ok();
    let disk: DiskView = serde_json::from_str(&disk.stdout).unwrap();
    let ours = |kind: DiskKind| -> Vec<&str> {
        let of = |entry: &&DiskEntry| entry.kind == kind && entry.whose == Whose::Ours;
        disk.entries.iter().filter(of).map(|entry| entry.name.as_str()).collect()
    };
    assert_eq!(ours(DiskKind::Release).len(), 1, "{disk:?}");
    assert_eq!(ours(DiskKind::Volume), [format!("{}_data", world.project)], "{disk:?}");

    // What only carries the project's name stays.
    let label = format!("com.docker.compose.project={}", world.project);
    let (thing, stranger) = (format!("{}_theirs", world.project), format!("{}-theirs-1", world.project));
    world.docker(&["volume", "create", "--label", &label, &thing]);
    world.docker(&["network", "create", "--label", &label, &thing]);
    let service = "com.docker.compose.service=theirs";
    let flags = ["run", "--detach", "--init", "--label", &label, "--label", service, "--name", &stranger];
    world.docker(&[&flags[..], &["--network", &thing, DEBIAN, "sleep", "infinity"]].concat());
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    for (what, left) in [("container", &stranger), ("volume", &thing), ("network", &thing)] {
        assert_eq!(world.list(what), std::slice::from_ref(left));
    }
    assert_eq!(world.docker(&["inspect", "--format", "{{.State.Running}}", &stranger]), "true");
}

const PYTHON: &str = "python:3.13-slim";

/// A project with a database file in a named volume.
const SHOP: &str = r#"
services:
  db:
    image: python:3.13-slim
    command: sleep infinity
    init: true
    stop_grace_period: 1s
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "true"], interval: 1s, retries: 1 }
  web:
    image: debian:bookworm-slim
    command: sh -c 'echo hello; exec sleep infinity'
    init: true
    stop_grace_period: 1s
    depends_on: [db]
volumes:
  data: {}
"#;

impl World {
    /// The rows of the shop's database, after this was done to it.
    fn rows(&self, statement: &str) -> String {
        let script = format!(
            "import sqlite3; c = sqlite3.connect('/data/shop.db'); c.execute('create table if not exists t (x)'); \
             {statement}; c.commit(); print([x for (x,) in c.execute('select x from t order by x')])"
        );
        self.docker(&["exec", &format!("{}-db-1", self.project), "python3", "-c", &script])
    }

    fn label(&self, part: &str) -> String {
        self.inspect(part, "{{index .Config.Labels \"io.landfall.service\"}}")
    }
}

#[test]
fn a_project_that_ran_before_is_taken_over_with_its_data() {
    let Some(mut world) = World::new("adopt") else { return };
    if !world.sandbox.docker().has_image(PYTHON) {
        eprintln!("SKIPPED: the engine of the tests has no image {PYTHON}");
        return;
    }
    // Started by hand, long ago, from another folder.
    world.project = format!("shop{}", std::process::id());
    let folder = world.sandbox.root().join("srv").join(&world.project);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("compose.yaml");
    std::fs::write(&file, SHOP).unwrap();
    let file = file.display().to_string();
    world.docker(&["compose", "-f", &file, "up", "-d", "--quiet-pull"]);
    assert_eq!(world.rows("c.executemany('insert into t values (?)', [(1,), (2,), (3,)])"), "[1, 2, 3]");
    let folder = folder.display().to_string();
    let named = format!("project = \"{}\"", world.project);
    let _ = world.sandbox.run(&["-C", &folder, "init", "--as-is", "--dry-run"]).ok().says(&named);

    world.sandbox.write("compose.yaml", SHOP);
    world.write_manifest("");
    world.sandbox.edit(
        "landfall.toml",
        "[service.shop]",
        &format!("[service.shop]\ncompose = {{ {named} }}"),
    );
    let plan = world.sandbox.run(&["plan"]).ok();
    let plan = plan.says(&format!("takes over the compose project `{}`", world.project));
    let plan =
        plan.says(&format!("{}_data stays", world.project)).says("docker compose replaces the containers");
    let _ = plan.says("should the deploy fail, what runs now is brought back from").says(&file);

    // A first deploy that fails gives back what ran.
    world.sandbox.edit("compose.yaml", "\"true\"", "\"false\"");
    let _ = world.sandbox.run(&["deploy"]).code(4);
    assert_eq!(
        (world.label("db"), world.inspect("db", "{{.State.Running}}")),
        (String::new(), "true".to_owned())
    );
    assert_eq!(
        (world.label("web"), world.inspect("web", "{{.State.Running}}")),
        (String::new(), "true".to_owned())
    );
    assert_eq!(world.rows("c.execute('insert into t values (4)')"), "[1, 2, 3, 4]");

    world.sandbox.edit("compose.yaml", "\"false\"", "\"true\"");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!((world.label("db"), world.label("web")), ("shop".to_owned(), "shop".to_owned()));
    assert_eq!(world.rows("c.execute('insert into t values (5)')"), "[1, 2, 3, 4, 5]");
    assert_eq!(world.list("container").len(), 2);
    world.sandbox.run(&["plan"]).ok().says("nothing");

    // Nobody else gets it.
    world.sandbox.edit(
        "landfall.toml",
        "[service.shop]",
        "[environment.staging]\nruntime = \"compose\"\n\n[service.shop]",
    );
    let holder = format!("service `shop` of `{}` in `dev`", world.app);
    let _ = world.sandbox.run(&["plan", "staging"]).code(3).says(&holder);

    // Nor does it stay behind: what goes is what came, the volume apart.
    world.sandbox.run(&["down", "--yes"]).ok();
    wait_until("all containers are gone", LIMIT, || world.list("container").is_empty());
    assert_eq!(world.list("volume"), [format!("{}_data", world.project)]);
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.rows("0"), "[1, 2, 3, 4, 5]");
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(world.list("volume"), Vec::<String>::new());
}
