//! Secrets of a compose project as files, through both generations of docker compose: the values are in the containers
//! and in memory, and nowhere else; they change with the next deploy, come back with a rollback, and are gone with the
//! project. Without an engine or the tool each test says loudly that it was skipped.

use std::path::PathBuf;
use std::process::Command;

use landfall_model::Receipt;
use landfall_testkit::ask::ask;
use landfall_testkit::compose::only_the_first;
use landfall_testkit::docker::{Docker, engine};
use landfall_testkit::needle::find_secret;
use landfall_testkit::sandbox::{Sandbox, free_address};

const COMPOSE: &str = r#"
version: "3.8"
services:
  web:
    build: .
    depends_on: [db]
    stop_grace_period: 1s
  db:
    image: debian:bookworm-slim
    command: sleep infinity
    init: true
    stop_grace_period: 1s
    secrets: [db_password]
secrets:
  db_password:
    file: ./db_password.txt
"#;

const DOCKERFILE: &str =
    "FROM python:3.13-slim\nCOPY app.py /app.py\nUSER 10001\nCMD [\"python3\", \"-u\", \"/app.py\"]\n";

/// Prints what it should not, and answers with what it read.
const APP: &str = r#"
import hashlib, http.server, os

SAYS = "one"

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.environ["KEY_FILE"]) as file:
            key = file.read()
        text = f"{SAYS} {hashlib.sha256(key.encode()).hexdigest()} {'KEY' in os.environ}"
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

with open(os.environ["KEY_FILE"]) as file:
    print("the key is", file.read(), flush=True)
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"#;

const KEYS: [&str; 2] = ["correct-horse-battery", "staple-of-another-kind"];
const PASSWORD: &str = "a-word-for-the-database";

struct World {
    sandbox: Sandbox,
    docker: Docker,
    app: String,
    listen: String,
}

impl World {
    fn new(name: &str) -> Option<Self> {
        engine()?;
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let docker = Docker::of(sandbox.state(), &["python:3.13-slim", "debian:bookworm-slim"])?;
        docker.variables().iter().for_each(|(name, value)| sandbox.set(name, value));
        sandbox.set("KEY", KEYS[0]);
        sandbox.set("DB_PASSWORD", PASSWORD);
        let world = Self {
            app: format!("lfs-{name}-{}", std::process::id()),
            sandbox,
            docker,
            listen: free_address(),
        };
        world.sandbox.write("compose.yaml", COMPOSE);
        world.sandbox.write("Dockerfile", DOCKERFILE);
        world.sandbox.write("app.py", APP);
        world.sandbox.write(
            "landfall.toml",
            &format!(
                "name = \"{}\"\nversion = \"1.0.0\"\n\n[environment.dev]\nruntime = \"compose\"\n\
                 listen = \"{}\"\ndomain = \"*\"\nsecrets = {{ from = \"env\" }}\n\n[service.shop]\n\
                 compose = {{ service = \"web\", port = 8000 }}\nhealth = \"/\"\nsecrets = [\"KEY\", \"DB_PASSWORD\"]\n\
                 secrets_as = \"files\"\n",
                world.app, world.listen
            ),
        );
        Some(world)
    }

    fn container(&self, part: &str) -> String {
        let label = format!("label=com.docker.compose.service={part}");
        let [id] =
            self.docker.ours(&["ps", "--quiet", "--filter", &label]).try_into().expect("one container");
        id
    }

    #[track_caller]
    fn deploy(&self) -> Receipt {
        self.sandbox.run(&["deploy", "--json"]).ok().receipt()
    }

    /// The application answers so, with the key that it read from its file and that is no variable of its.
    #[track_caller]
    fn answers(&self, says: &str, key: &str) {
        let answer = ask(&self.listen, "localhost", "/").expect("somebody answers");
        assert_eq!(answer.body.trim(), format!("{says} {} False", sha256(key)));
    }

    /// The folder in memory that belongs to the agent.
    fn memory(&self) -> PathBuf {
        let state = landfall_fx::StateDir::open(self.sandbox.state()).expect("the state folder");
        state.secrets_folder().to_owned()
    }

    /// No value is anywhere but in memory.
    #[track_caller]
    fn nowhere_else(&self) {
        for value in KEYS.into_iter().chain([PASSWORD]) {
            assert_eq!(self.sandbox.find_secret(value), [], "{value}");
            for part in ["web", "db"] {
                let whole = self.docker.run(&["inspect", &self.container(part)]);
                assert!(!whole.contains(value), "{value} of {part}: {whole}");
            }
        }
    }
}

fn sha256(text: &str) -> String {
    let script = format!("printf %s '{text}' | sha256sum");
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    String::from_utf8_lossy(&output.stdout).chars().take(64).collect()
}

/// The whole life of a project.
fn lives(world: &World) {
    world.deploy();
    world.answers("one", KEYS[0]);
    let password = "cat /run/secrets/db_password | sha256sum";
    let in_db = || world.sandbox.run(&["exec", "--part", "db", "shop", "--", "sh", "-c", password]).ok();
    let _ = in_db().says(&sha256(PASSWORD));
    world.sandbox.run(&["logs"]).ok().says("web: the key is [KEY]");
    world.nowhere_else();
    let memory = world.memory();
    assert!(memory.starts_with("/dev/shm"), "{memory:?}");
    assert!(!find_secret(&memory, KEYS[0].as_bytes()).expect("it can be read").is_empty());

    // Another line of the program: what reads the other secret goes on running.
    let db = world.container("db");
    world.sandbox.edit("app.py", "SAYS = \"one\"", "SAYS = \"two\"");
    world.deploy();
    world.answers("two", KEYS[0]);
    assert_eq!(world.container("db"), db, "what does not change goes on running");
}

/// The key changes, and changes back.
fn turns(world: &mut World) {
    let db = world.container("db");
    world.sandbox.set("KEY", KEYS[1]);
    let _ = world.sandbox.run(&["plan"]).ok().says("KEY");
    world.deploy();
    world.answers("two", KEYS[1]);
    assert_eq!(world.container("db"), db, "its secret is the same");
    world.nowhere_else();
    world.sandbox.run(&["rollback"]).ok();
    world.answers("two", KEYS[0]);
}

/// The project goes, and with it all values.
fn ends(world: &World) {
    let memory = world.memory();
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert!(world.docker.containers(None).is_empty());
    for value in KEYS.into_iter().chain([PASSWORD]) {
        assert_eq!(
            find_secret(&memory, value.as_bytes()).expect("it can be read"),
            [],
            "{value} stays in memory"
        );
        assert_eq!(world.sandbox.find_secret(value), [], "{value}");
    }
}

#[test]
fn secrets_are_files_in_memory_from_the_first_deploy_to_the_last() {
    let Some(mut world) = World::new("two") else { return };
    lives(&world);
    turns(&mut world);
    ends(&world);
}

#[test]
fn compose_of_the_first_generation_does_the_same() {
    let Some(mut world) = World::new("one") else { return };
    if !only_the_first(&mut world.sandbox) {
        return;
    }
    lives(&world);
    ends(&world);
}
