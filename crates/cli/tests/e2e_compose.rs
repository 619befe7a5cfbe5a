//! A compose project as it stands: deployed, changed, taken back, changed by hand, killed in the middle, taken down. With
//! a real engine and the real `docker compose`; without them each test says loudly that it was skipped.

use std::process::{Command, Stdio};

use landfall_model::api::{DiskEntry, DiskKind, DiskView, Whose};
use landfall_model::{Outcome, Receipt};
use landfall_testkit::ask::ask;
use landfall_testkit::docker::engine;
use landfall_testkit::sandbox::{LIMIT, Sandbox, free_address};

const COMPOSE: &str = r#"
services:
  web:
    build: .
    environment:
      GREETING: ${GREETING:-hello}
    volumes:
      - data:/data
      - ./kept:/kept
      - ./words.txt:/words.txt:ro
    depends_on:
      db: { condition: service_healthy }
    healthcheck:
      test: ["CMD", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz')"]
      interval: 1s
      retries: 2
      start_period: 2s
    stop_grace_period: 1s
  db:
    image: DATABASE
    command: sleep infinity
    init: true
    stop_grace_period: 1s
    healthcheck: { test: ["CMD", "true"], interval: 1s }
volumes:
  data: {}
"#;

const DOCKERFILE: &str =
    "FROM python:3.13-slim\nCOPY app.py /app.py\nCMD [\"python3\", \"-u\", \"/app.py\"]\n";

const APP: &str = r#"
import os, pathlib, http.server

SAYS = "one"
ILL = False

def count(folder):
    return len(list(pathlib.Path(folder).iterdir()))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        words = pathlib.Path("/words.txt").read_text().strip()
        key = len(os.environ.get("KEY", ""))
        text = f"{SAYS} {words} {os.environ['GREETING']} key={key} data={count('/data')} kept={count('/kept')}"
        self.send_response(500 if ILL and self.path == "/healthz" else 200)
        self.end_headers()
        self.wfile.write(text.encode())

def main():
    for folder in ("/data", "/kept"):
        (pathlib.Path(folder) / os.urandom(8).hex()).touch()
    print("up, key", os.environ.get("KEY"), flush=True)
    http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()

if __name__ == "__main__":
    main()
"#;

const SECRET: &str = "correct-horse-battery";

struct World {
    sandbox: Sandbox,
    app: String,
    listen: String,
    engine: String,
}

impl World {
    /// `None`, said loudly, without an engine.
    fn new(test: &str) -> Option<Self> {
        let engine = engine()?;
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        sandbox.set("DOCKER_HOST", &engine);
        let home = std::env::var("HOME").unwrap_or_default();
        let config = std::env::var("DOCKER_CONFIG").unwrap_or_else(|_| format!("{home}/.docker"));
        sandbox.set("DOCKER_CONFIG", &config);
        sandbox.set("KEY", SECRET);
        if let Ok(path) = std::env::var("PATH") {
            sandbox.set("PATH", &path);
        }
        let app = format!("lfc-{test}-{}", std::process::id());
        let world = Self { sandbox, app, listen: free_address(), engine };
        world.docker(&["tag", "debian:bookworm-slim", &world.database()]);
        world.sandbox.write("compose.yaml", &COMPOSE.replace("DATABASE", &world.database()));
        world.sandbox.write("Dockerfile", DOCKERFILE);
        world.sandbox.write("app.py", APP);
        world.sandbox.write("words.txt", "words");
        world.write_manifest("");
        Some(world)
    }

    fn write_manifest(&self, more: &str) {
        self.sandbox.write(
            "landfall.toml",
            &format!(
                "name = \"{}\"\nversion = \"1.0.0\"\nkeep = 2\n\n[environment.dev]\nruntime = \"compose\"\n\
                 listen = \"{}\"\ndomain = \"*\"\nsecrets = {{ from = \"env\" }}\n\n[service.shop]\n\
                 compose = {{ service = \"web\", port = 8000 }}\nhealth = {{ path = \"/healthz\", start_period = \"30s\" }}\n\
                 secrets = [\"KEY\"]\ntest = [\"python3 -c 'import sys; sys.path.insert(0, chr(47)); import app'\"]\n{more}\n",
                self.app, self.listen
            ),
        );
    }

    fn project(&self) -> String {
        format!("{}_dev_shop", self.app)
    }

    fn database(&self) -> String {
        format!("landfall-test/{}-db:1", self.app)
    }

    /// What docker says.
    fn docker(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("docker");
        command.args(arguments).env("DOCKER_HOST", &self.engine).stderr(Stdio::piped());
        let output = command.output().expect("docker can be run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || std::thread::panicking(), "docker {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn list(&self, what: &str, project: &str) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={project}");
        let mut words = vec![what, "ls", "--quiet", "--filter", &filter];
        if what == "container" {
            words.push("--all");
        }
        self.docker(&words).lines().map(str::to_owned).collect()
    }

    fn container(&self, part: &str) -> String {
        format!("{}-{part}-1", self.project())
    }

    fn inspect(&self, part: &str, format: &str) -> String {
        self.docker(&["inspect", "--format", format, &self.container(part)])
    }

    #[track_caller]
    fn deploy(&self) -> Receipt {
        self.sandbox.run(&["deploy", "--json"]).ok().receipt()
    }

    #[track_caller]
    fn says(&self) -> String {
        let answer = ask(&self.listen, "localhost", "/").expect("somebody answers");
        let lines = answer.body.lines();
        lines.max_by_key(|line| line.len()).unwrap_or_default().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.sandbox.end();
        for project in [self.project()] {
            for (what, flags) in
                [("container", ["rm", "-fv"]), ("network", ["rm", "-f"]), ("volume", ["rm", "-f"])]
            {
                for id in self.list(what, &project) {
                    let flags = if what == "network" { &flags[..1] } else { &flags[..] };
                    self.docker(&[&[what], flags, &[&id]].concat());
                }
            }
        }
        let images = self.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
        for image in images.lines().filter(|image| image.contains(&self.app)) {
            self.docker(&["image", "rm", "-f", image]);
        }
    }
}

#[test]
fn a_project_is_deployed_changed_and_rolled_back() {
    let Some(world) = World::new("change") else { return };
    let first = world.deploy();
    assert_eq!(world.says(), "one words hello key=21 data=1 kept=1");
    assert_eq!(first.instances.len(), 2, "{first:?}");
    for instance in &first.instances {
        assert!(instance.healthy && instance.wanted == Some(instance.digest), "{instance:?}");
    }
    let (web, db) = (world.inspect("web", "{{.Image}}"), world.inspect("db", "{{.Id}}"));
    world.sandbox.run(&["deploy"]).ok().says("nothing changed");
    world.sandbox.run(&["logs"]).ok().says("web: up, key [KEY]");
    world.sandbox.run(&["exec", "shop", "--", "python3", "-c", "print('in', 2 * 21)"]).ok().says("in 42");
    world.sandbox.run(&["exec", "--part", "db", "shop", "--", "sh", "-c", "test ! -e /app.py"]).ok();
    world.sandbox.run(&["exec", "--part", "dbx", "shop", "--", "true"]).code(2).says("`db`, `web`");
    assert_eq!(world.inspect("db", "{{.Id}}"), db);

    world.sandbox.edit("app.py", "SAYS = \"one\"", "SAYS = \"two\"");
    world.sandbox.write("words.txt", "other");
    let plan = world.sandbox.run(&["plan"]).ok();
    let plan = plan.says("docker compose replaces the containers that change");
    let _ = plan.says("requests held for about").code(0);
    let second = world.deploy();
    assert_eq!(world.says(), "two other hello key=21 data=2 kept=2", "data stays");
    assert_eq!(world.inspect("db", "{{.Id}}"), db, "what does not change goes on running");
    assert_ne!(world.inspect("web", "{{.Image}}"), web);
    assert_eq!(second.previous_version.as_ref(), Some(&first.version));

    let newer = world.inspect("web", "{{.Image}}");
    let back = world.sandbox.run(&["rollback", "--json"]).ok().receipt();
    assert_eq!(back.version, first.version);
    assert_eq!(world.says(), "one words hello key=21 data=3 kept=3");
    assert_eq!(world.inspect("web", "{{.Image}}"), web, "the very image that ran before");
    assert_eq!(world.sandbox.find_secret(SECRET), []);

    let disk = world.sandbox.run(&["disk", "--json"]).ok();
    let disk: DiskView = serde_json::from_str(&disk.stdout).unwrap();
    let of = |kind: DiskKind| disk.entries.iter().filter(move |entry| entry.kind == kind);
    let ours = |entry: &&DiskEntry| entry.whose == Whose::Ours && entry.service.is_some();
    let images: Vec<bool> = of(DiskKind::Image).filter(ours).map(|entry| entry.needed).collect();
    assert_eq!((images, of(DiskKind::Release).count()), (vec![true; 2], 2), "{disk:?}");

    // What it was pinned to is what it is: without it there is no way back, and nothing is built in its stead.
    world.docker(&["image", "rm", "--force", &newer]);
    let to = second.version.to_string();
    let gone = world.sandbox.run(&["rollback", "--to", &to]).code(4);
    let _ = gone.says("of `web` in").says("is gone").says("landfall deploy");
    assert_eq!(world.inspect("web", "{{.Image}}"), web);

    world.sandbox.run(&["status"]).ok().says(&world.container("web")).says(&world.container("db"));
    world.sandbox.run(&["down", "--yes"]).ok();
    assert_eq!(world.list("container", &world.project()), Vec::<String>::new());
    assert_eq!(world.list("volume", &world.project()).len(), 1, "volumes stay");
    world.deploy();
    assert!(world.says().contains("data=4"), "{}", world.says());
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    for what in ["container", "volume", "network"] {
        assert_eq!(world.list(what, &world.project()), Vec::<String>::new());
    }
}

#[test]
fn a_release_that_does_not_become_healthy_gives_the_old_one_back() {
    let Some(world) = World::new("ill") else { return };
    world.deploy();
    let (web, db) = (world.inspect("web", "{{.Image}}"), world.inspect("db", "{{.Id}}"));
    world.sandbox.edit("app.py", "ILL = False", "ILL = True");
    let ran = world.sandbox.run(&["deploy", "--json"]).code(4);
    assert!(ran.fault().message.contains("health check of `web` fails"), "{ran}");
    assert_eq!(ran.receipt().outcome, Outcome::RolledBack);
    assert!(world.says().starts_with("one words"));
    assert_eq!(world.inspect("web", "{{.Image}}"), web);
    assert_eq!(world.inspect("db", "{{.Id}}"), db);

    world.sandbox.edit("app.py", "ILL = True", "ILL = False");
    world.sandbox.edit("app.py", "def main():", "def main():\n    raise SystemExit('no such table')");
    let ran = world.sandbox.run(&["deploy", "--json"]).code(4);
    assert!(ran.fault().message.contains("no such table"), "the headline has the cause: {ran}");
    assert!(!ran.stdout.contains("docker logs"), "that container is gone: {ran}");
    assert!(world.says().starts_with("one words"));

    world.sandbox.edit("app.py", "raise SystemExit('no such table')", "pass");
    world.sandbox.edit("Dockerfile", "CMD", "RUN echo seen && false\nCMD");
    let ran = world.sandbox.run(&["deploy", "--json"]).code(4).says("seen");
    let message = ran.fault().message;
    assert!(message.contains("`docker compose build` ended") && !message.contains("---"), "{message}");
    world.sandbox.edit("Dockerfile", "RUN echo seen && false\n", "");

    let taken = free_address();
    let holder = format!("{}-holder", world.project());
    let publish = format!("{taken}:80");
    let flags = ["run", "--detach", "--init", "--name", &holder, "--publish", &publish];
    world.docker(&[&flags[..], &["debian:bookworm-slim", "sleep", "infinity"]].concat());
    let ports = format!("build: .\n    ports: [\"{publish}\"]");
    world.sandbox.edit("compose.yaml", "build: .", &ports);
    let ran = world.sandbox.run(&["deploy", "--json"]).code(4);
    world.docker(&["rm", "--force", &holder]);
    let port = taken.rsplit(':').next().unwrap_or_default();
    let fault = ran.fault();
    assert!(
        fault.message.contains(&format!("the port {port} of this host is taken by the container {holder}"))
    );
    assert!(!format!("{fault:?}").contains("start_period"), "{fault:?}");
    assert!(world.says().starts_with("one words"));
    world.sandbox.edit("compose.yaml", &ports, "build: .");
    world.sandbox.write(
        "landfall.toml",
        &std::fs::read_to_string(world.sandbox.project().join("landfall.toml"))
            .unwrap()
            .replace("import app'", "import app; exit(3)'"),
    );
    world.sandbox.run(&["deploy"]).code(4).says("the test gate");
    assert!(world.says().starts_with("one words"));
    assert_eq!(world.docker(&["ps", "-aq", "--filter", &format!("name={}_test", world.project())]), "");
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
}

#[test]
fn a_value_that_a_health_check_prints_is_nowhere() {
    let Some(world) = World::new("says") else { return };
    let check = r#"["CMD", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz')"]"#;
    world.sandbox.edit("compose.yaml", check, r#"["CMD-SHELL", "echo key=$$KEY; false"]"#);
    world.sandbox.run(&["deploy", "-v"]).code(4).says("key=[KEY]");
    let _ = world.sandbox.run(&["deploy", "--json"]).code(4);
    // The answer of the part that requests go to.
    world.sandbox.edit("compose.yaml", "echo key=$$KEY; false", "true");
    world.sandbox.edit("app.py", "text = f\"", "text = 'x' * 100 + os.environ['KEY'] + f\"");
    world.sandbox.edit("app.py", "ILL = False", "ILL = True");
    world.write_manifest("");
    world.sandbox.edit("landfall.toml", "start_period = \"30s\"", "start_period = \"8s\"");
    let _ = world.sandbox.run(&["deploy", "-v"]).code(4);
    world.sandbox.run(&["history", "--json"]).ok();
    let found = world.sandbox.find_secret(SECRET);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn what_was_changed_by_hand_is_drift() {
    let Some(world) = World::new("drift") else { return };
    world.deploy();
    let name = world.container("db");
    world.docker(&["rm", "-f", &name]);
    world.sandbox.run(&["status"]).ok().says("`db` has 0 containers instead of 1");
    world.sandbox.run(&["plan"]).ok().says("`db` has 0 containers instead of 1");
    // A container that only has the name is somebody's, and told of; nobody but they remove it.
    world.docker(&["run", "-d", "--name", &name, "debian:bookworm-slim", "sleep", "infinity"]);
    world.sandbox.run(&["deploy"]).code(4).says(&name).says("docker rm -f");
    world.docker(&["rm", "-f", &name]);
    world.deploy();

    // One of another image, put into the project by compose itself.
    let other = world.sandbox.root().join("other.yaml");
    std::fs::write(&other, "services: { db: { image: 'python:3.13-slim', command: sleep infinity } }")
        .unwrap();
    let file = other.display().to_string();
    world.docker(&["compose", "-p", &world.project(), "-f", &file, "up", "-d", "--no-deps", "db"]);
    world.sandbox.run(&["status"]).ok().says("runs the image");
    world.sandbox.run(&["plan"]).ok().says("runs the image");
    world.deploy();
    assert!(!world.sandbox.run(&["status"]).ok().stdout.contains("instead of"));

    world.docker(&["tag", "python:3.13-slim", &world.database()]);
    world.sandbox.run(&["status"]).ok().says(&format!("which {} named", world.database()));
    world.docker(&["tag", "debian:bookworm-slim", &world.database()]);
    world.sandbox.run(&["plan"]).ok().says("nothing");
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
}

#[test]
fn an_agent_that_is_killed_in_the_middle_goes_on_or_back() {
    let Some(world) = World::new("kill") else { return };
    world.deploy();
    let db = world.inspect("db", "{{.Id}}");
    for (turn, step, verb, expected) in
        [("two", 3, "resume", "two"), ("three", 4, "undo", "two"), ("four", 0, "undo", "two")]
    {
        let app = std::fs::read_to_string(world.sandbox.project().join("app.py")).unwrap();
        let old = app.lines().find(|line| line.starts_with("SAYS")).unwrap().to_owned();
        world.sandbox.edit("app.py", &old, &format!("SAYS = \"{turn}\""));
        let running = world.sandbox.spawn(&["deploy", "--json"]);
        running.wait_for_text(&format!("\"event\":\"step-begun\",\"index\":{step}"), LIMIT);
        assert!(world.sandbox.kill_agent());
        running.wait(LIMIT);
        world.sandbox.run(&[verb]);
        assert!(world.says().starts_with(expected), "{verb} at {step}: {}", world.says());
        world.sandbox.run(&["status"]).ok().says("2 of 2 healthy");
        assert_eq!(world.inspect("db", "{{.Id}}"), db);
    }
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(world.list("container", &world.project()), Vec::<String>::new());
}
