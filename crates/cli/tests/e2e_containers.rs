//! Containers of a real engine: every strategy under load, moves between runtimes, proof and drift, what goes wrong, an
//! agent that is killed in the middle. Without an engine each test says that it was skipped.

use std::time::Duration;

use landfall_model::api::StatusView;
use landfall_model::{Digest, InstanceState, Strategy};
use landfall_testkit::app::{Tiny, TinyFault};
use landfall_testkit::ask::ask;
use landfall_testkit::docker::Docker;
use landfall_testkit::journal::{Moment, newest, wait_for_moment};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{LIMIT, Sandbox, free_address};
use landfall_testkit::wait::wait_until;

/// How long what was replaced may take to be gone.
const SETTLED: Duration = Duration::from_secs(180);

const DOCKERFILE: &str = "FROM python:3.13-slim\nUSER 10001:10001\nWORKDIR /app\nCOPY tiny.py .\n\
                          CMD [\"python3\", \"-S\", \"-E\", \"tiny.py\"]\n";

struct World {
    sandbox: Sandbox,
    tiny: Tiny,
    docker: Docker,
}

impl World {
    /// A tiny application in containers, not deployed yet; `None` without an engine.
    fn new(name: &str, strategy: &str) -> Option<Self> {
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let docker = Docker::of(sandbox.state(), &["python:3.13-slim", "debian:bookworm-slim"])?;
        for (name, value) in docker.variables() {
            sandbox.set(name, &value);
        }
        let tiny = Tiny::new(name, &free_address(), strategy).key(r#"drain = "5s""#);
        sandbox.write("Dockerfile", DOCKERFILE);
        let world = Self { sandbox, tiny, docker };
        world.write(&world.tiny);
        Some(world)
    }

    /// Writes a version of the application, whose containers have it all from their image.
    fn write(&self, tiny: &Tiny) {
        self.sandbox.write_tiny(tiny);
        self.sandbox.edit("landfall.toml", "[environment.dev]", "[environment.dev]\nruntime = \"docker\"");
    }

    fn says(&self) -> String {
        ask(&self.tiny.listen, &self.tiny.host(), "/").expect("an answer").body.trim_end().to_owned()
    }

    fn load(&self) -> Load {
        Load::start(LoadPlan::new(&self.tiny.listen, &self.tiny.host(), 100))
    }

    fn status(&self) -> StatusView {
        let ran = self.sandbox.run(&["status", "--json"]).ok();
        serde_json::from_str(&ran.stdout).expect("a status")
    }

    /// The names of the containers that run.
    fn containers(&self) -> Vec<String> {
        self.docker.ours(&["ps", "--format", "{{.Names}}"])
    }
}

#[test]
fn every_strategy_and_every_move_between_them_loses_no_request() {
    let Some(world) = World::new("turns", "restart") else { return };
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "one");
    let load = world.load();
    let canary = r#"{ kind = "canary", steps = [50], hold = "1s", requests = 20, patience = "20s" }"#;
    let manners = [
        ("two", "\"restart\"", Strategy::Restart),
        ("three", "\"blue-green\"", Strategy::BlueGreen),
        ("four", "\"rolling\"", Strategy::Rolling),
        ("five", canary, Strategy::Canary),
        ("six", "\"restart\"", Strategy::Restart),
    ];
    for (says, manner, strategy) in manners {
        world.write(&world.tiny.clone().says(says).key("replicas = 2"));
        world.sandbox.edit("landfall.toml", "strategy = \"restart\"", &format!("strategy = {manner}"));
        let receipt = world.sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!((receipt.strategy, receipt.instances.len()), (strategy, 2), "{says}");
        for instance in &receipt.instances {
            assert!(
                matches!(instance.digest, Digest::Sha256(_)) && instance.is_right(&receipt.artifact_digest)
            );
            let container = instance.container.as_deref().expect("it has a name");
            let image = world.docker.run(&["inspect", "--format", "{{.Image}}", container]);
            assert_eq!(image.trim(), instance.digest.to_string());
        }
        assert_eq!(world.says(), says);
    }
    wait_until("the old containers are gone", SETTLED, || world.containers().len() == 2);
    let load = load.stop();
    drop(load.lost_nothing());
    // Nothing is published, and nobody else's network is used.
    let ports = world.docker.ours(&["ps", "--format", "{{.Ports}}"]);
    assert!(ports.iter().all(|ports| !ports.contains("->")), "{ports:?}");
}

#[test]
fn processes_become_containers_and_back_and_keep_their_data() {
    let Some(world) = World::new("moves", "restart") else { return };
    let tiny = world.tiny.clone().key(r#"volumes = { data = "/data" }"#);
    let note = |text: &str| {
        let script =
            format!("echo {text} >> \"$LANDFALL_VOLUME_DATA/notes\"; cat \"$LANDFALL_VOLUME_DATA/notes\"");
        world.sandbox.run(&["exec", "web", "--", "sh", "-c", &script]).ok().stdout
    };
    world.sandbox.write_tiny(&tiny);
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(note("process"), "process\n");
    let load = world.load();
    world.write(&tiny);
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(note("container"), "process\ncontainer\n");
    let alone = world.sandbox.run(&["run", "web", "--", "sh", "-c", "id -u; cat /data/notes; exit 3"]);
    assert_eq!(alone.code(3).stdout, "10001\nprocess\ncontainer\n");
    world.sandbox.write_tiny(&tiny);
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(note("again"), "process\ncontainer\nagain\n");
    world.sandbox.run(&["rollback"]).ok();
    assert_eq!(note("back"), "process\ncontainer\nagain\nback\n");
    let load = load.stop();
    drop(load.lost_nothing());
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    wait_until("all containers are gone", SETTLED, || world.docker.containers(None).is_empty());
    assert!(world.docker.ours(&["network", "ls", "--quiet"]).is_empty());
}

#[test]
fn what_is_not_what_was_deployed_is_drift_and_is_mended() {
    let Some(world) = World::new("drifts", "restart") else { return };
    world.sandbox.run(&["deploy"]).ok();
    let [name] = world.containers().try_into().expect("one container");
    let drift = || {
        let status = world.status();
        let instances = status.observed.services.into_values().flat_map(|service| service.instances);
        instances.into_iter().find_map(|instance| instance.drift)
    };
    assert_eq!(drift(), None);

    // Somebody gives the version's tag to another image.
    let tag = world.docker.ours(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).remove(0);
    let image = world.docker.run(&["image", "inspect", "--format", "{{.Id}}", &tag]);
    world.docker.run(&["tag", "debian:bookworm-slim", &tag]);
    assert!(drift().expect("a tag was moved").contains("was moved"));
    let _ = world.sandbox.run(&["plan"]).ok().says("was moved");
    world.docker.run(&["tag", image.trim(), &tag]);
    assert_eq!(drift(), None);

    // Somebody replaces the container by one of another image.
    let labels = world.docker.run(&["inspect", "--format", "{{json .Config.Labels}}", &name]);
    let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(&labels).expect("labels");
    let network = world.docker.run(&[
        "inspect",
        "--format",
        "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
        &name,
    ]);
    let network = network.split_whitespace().find(|name| !name.ends_with("_names")).expect("a network");
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("--label={name}={value}")).collect();
    // The agent would set a missing one right at once.
    assert!(world.sandbox.kill_agent());
    world.docker.run(&["rm", "-f", &name]);
    let mut command = vec!["run", "-d", "--name", &name, "--network", network];
    command.extend(labels.iter().map(String::as_str));
    command.extend(["debian:bookworm-slim", "sleep", "600"]);
    world.docker.run(&command);
    wait_until("it is seen", SETTLED, || drift().is_some_and(|drift| drift.contains("runs the image")));
    let _ = world.sandbox.run(&["plan"]).ok().says("runs the image");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!((drift(), world.says().as_str()), (None, "one"));

    // Somebody gives it another address.
    let [name] = world.containers().try_into().expect("one container");
    world.docker.run(&["network", "disconnect", network, &name]);
    world.docker.run(&["network", "connect", network, &name]);
    wait_until("it is seen", SETTLED, || drift().is_some_and(|drift| drift.contains("not at its address")));
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!((drift(), world.says().as_str()), (None, "one"));

    // One that is only taken away comes back by itself.
    let [name] = world.containers().try_into().expect("one container");
    world.docker.run(&["rm", "-f", &name]);
    wait_until("it is there again", SETTLED, || world.containers() == [name.clone()]);
    wait_until("it answers", SETTLED, || {
        ask(&world.tiny.listen, &world.tiny.host(), "/").is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn a_bad_release_leaves_the_old_one_serving_and_says_why() {
    let Some(world) = World::new("breaks", "blue-green") else { return };
    world.sandbox.run(&["deploy"]).ok();
    let load = world.load();
    let fails = |text: &str| {
        let ran = world.sandbox.run(&["deploy"]).code(4).says(text);
        assert_eq!(world.says(), "one", "{}", ran.stderr);
        ran
    };
    world.write(&world.tiny.clone().says("two").fault(TinyFault::Syntax));
    let _ = fails("SyntaxError");
    world.write(&world.tiny.clone().says("two").fault(TinyFault::MissingVariable));
    let _ = fails("MAIL_PASSWORD");
    world.write(&world.tiny.clone().says("two").fault(TinyFault::Unhealthy).start_period("2s"));
    let _ = fails("500");
    world.write(&world.tiny.clone().says("two").fault(TinyFault::Flaps).start_period("2s"));
    let _ = fails("by turns");

    // It takes more memory than it may.
    world.write(&world.tiny.clone().says("two").key(r#"limits = { memory = "24M" }"#));
    world.sandbox.edit("tiny.py", "# BEFORE BIND", "hoard = [bytearray(1 << 20) for _ in range(256)]");
    world.sandbox.edit(
        "tiny.py",
        "listener = socket.socket()",
        "hoard = [bytearray(1 << 20) for _ in range(256)]\nlistener = socket.socket()",
    );
    let _ = fails("memory");

    // Its image cannot be built.
    world.write(&world.tiny.clone().says("two"));
    world.sandbox.write("Dockerfile", "FROM python:3.13-slim\nRUN echo this is the reason >&2; exit 7\n");
    let ran = fails("this is the reason");
    assert!(ran.stderr.contains('7') || ran.stdout.contains('7'), "{} {}", ran.stdout, ran.stderr);

    // A test fails in the new image.
    world.sandbox.write("Dockerfile", DOCKERFILE);
    world.write(&world.tiny.clone().says("two").key(r#"test = ["echo tested in $PWD; exit 5"]"#));
    let _ = fails("exit code 5");
    let left = world.docker.ours(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(left.len(), 1, "{left:?}");
    let load = load.stop();
    drop(load.lost_nothing());
}

#[test]
fn one_that_serves_and_begins_to_flap_is_shown_and_left_alone() {
    let Some(world) = World::new("flaps", "blue-green") else { return };
    world.sandbox.edit("landfall.toml", "path = \"/healthz\"", "path = \"/healthz\", interval = \"100ms\"");
    world.sandbox.run(&["deploy"]).ok();
    let before = world.docker.ours(&["ps", "--quiet", "--no-trunc"]);
    let load = world.load();
    ask(&world.tiny.listen, &world.tiny.host(), "/flap").expect("an answer");
    let instance = || {
        let service = world.status().observed.services.into_values().next().expect("a service");
        service.instances.into_iter().next().expect("an instance")
    };
    wait_until("it is counted", SETTLED, || instance().checks.is_some_and(|checks| checks.failed >= 5));
    let _ = world.sandbox.run(&["status"]).ok().says("health checks failed");
    assert_eq!((instance().restarts, instance().state), (0, InstanceState::Healthy));
    assert_eq!(world.docker.ours(&["ps", "--quiet", "--no-trunc"]), before);
    // What is better comes in as ever.
    world.write(&world.tiny.clone().says("two"));
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "two");
    drop(load.stop().lost_nothing());
}

#[test]
fn without_an_engine_nothing_happens_and_it_is_said_what_to_do() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    sandbox.set("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let tiny = Tiny::new("nobody", &free_address(), "restart");
    sandbox.write("Dockerfile", DOCKERFILE);
    sandbox.write_tiny(&tiny);
    sandbox.edit("landfall.toml", "[environment.dev]", "[environment.dev]\nruntime = \"docker\"");
    let _ = sandbox.run(&["deploy"]).code(4).says("no Docker engine").says("install one");
}

#[test]
fn a_container_has_what_the_manifest_gives_it_and_no_more() {
    let Some(mut world) = World::new("given", "restart") else { return };
    let tiny = world
        .tiny
        .clone()
        .key(r#"secrets = ["TOKEN"]"#)
        .key(r#"secrets_as = "files""#)
        .key("read_only = true\ntmpfs = [\"/tmp\"]\ncap_drop = [\"ALL\"]\npids = 64\ncpus = \"0.5\"")
        .key(r#"limits = { memory = "64M" }"#)
        .key(r#"test = ["test $(wc -c < $TOKEN_FILE) = 16 && echo $TOKEN_FILE && cat $TOKEN_FILE"]"#);
    world.write(&tiny);
    world.sandbox.set("TOKEN", "not-for-everyone");
    world.sandbox.run(&["deploy"]).ok();
    // The test gate printed it.
    assert_eq!(world.sandbox.find_secret("not-for-everyone"), []);
    let script = "cat $TOKEN_FILE; echo; env | grep -c not-for-everyone; touch /app/x 2>/dev/null || echo read-only; \
                  touch /tmp/x && echo tmp; grep CapEff /proc/self/status";
    let ran = world.sandbox.run(&["exec", "web", "--", "sh", "-c", script]).ok();
    assert_eq!(
        ran.stdout.lines().collect::<Vec<_>>(),
        ["not-for-everyone", "0", "read-only", "tmp", "CapEff:\t0000000000000000"]
    );
    let [name] = world.containers().try_into().expect("one container");
    let limits = world.docker.run(&[
        "inspect",
        "--format",
        "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}}",
        &name,
    ]);
    assert_eq!(limits.trim(), "67108864 64 500000000");
    let whole = world.docker.run(&["inspect", &name]);
    assert!(!whole.contains("not-for-everyone"));
}

#[test]
fn a_service_is_reached_by_its_name_where_it_serves_and_nowhere_else() {
    let Some(world) = World::new("names", "blue-green") else { return };
    let write = |says: &str| {
        world.write(&world.tiny.clone().says(says));
        let warm = r#"strategy = { kind = "blue-green", warm = "10m" }"#;
        world.sandbox.edit("landfall.toml", "strategy = \"blue-green\"", warm);
        world.sandbox.edit(
            "landfall.toml",
            "[environment.dev]",
            "[service.other]\nkind = \"worker\"\nrun = [\"sleep\", \"600\"]\n\n[environment.dev]",
        );
    };
    write("one");
    world.sandbox.run(&["deploy"]).ok();
    let asks = "import urllib.request as r; \
                print({r.urlopen('http://web:8080/').read().decode().strip() for _ in range(20)})";
    let ask_by_name = || world.sandbox.run(&["exec", "other", "--", "python3", "-c", asks]).ok().stdout;
    assert_eq!(ask_by_name(), "{'one'}\n");
    // A connection that is open while the other release takes over.
    let stays = r#"
import http.client, os, time
connection, said = http.client.HTTPConnection("web", 8080), set()
connection.connect()
first = connection.sock
print("begun", flush=True)
while not os.path.exists("/tmp/stop"):
    connection.request("GET", "/")
    said.add(connection.getresponse().read().decode().strip())
    time.sleep(0.02)
print(said, connection.sock is first)
"#;
    let stays = world.sandbox.spawn(&["exec", "other", "--", "python3", "-c", stays]);
    stays.wait_for_text("begun", LIMIT);

    write("two");
    world.sandbox.run(&["deploy", "web"]).ok();
    assert_eq!(ask_by_name(), "{'two'}\n");
    world.sandbox.run(&["exec", "other", "--", "touch", "/tmp/stop"]).ok();
    assert_eq!(stays.wait(LIMIT).ok().stdout, "begun\n{'one'} True\n");
    // What is warm serves again at once, and what served does not.
    assert_eq!(world.containers().len(), 3);
    world.sandbox.run(&["rollback", "web"]).ok();
    assert_eq!(ask_by_name(), "{'one'}\n");
    assert_eq!(world.containers().len(), 3);
}

#[test]
fn an_agent_that_is_killed_goes_on_where_it_was() {
    let Some(world) = World::new("kills", "blue-green") else { return };
    world.sandbox.run(&["deploy"]).ok();
    let load = world.load();
    // Prepare, start, health, switch: begun and not ended.
    for step in 0..4 {
        let before = newest(world.sandbox.state(), "kills", "dev");
        let says = format!("turn {step}");
        world.write(&world.tiny.clone().says(&says));
        let deploy = world.sandbox.spawn(&["deploy"]);
        let moment = Moment { record: "intent".to_owned(), step: Some(step) };
        wait_for_moment(world.sandbox.state(), ("kills", "dev"), before.as_deref(), &moment, LIMIT)
            .expect("it comes to this step");
        assert!(world.sandbox.kill_agent(), "there was an agent at step {step}");
        drop(deploy.wait(LIMIT));
        world.sandbox.run(&["resume"]).ok();
        assert_eq!(world.says(), says, "killed at step {step}");
    }
    wait_until("the old containers are gone", SETTLED, || world.containers().len() == 1);
    let load = load.stop();
    drop(load.lost_nothing());
}

#[test]
fn output_survives_its_container() {
    let Some(world) = World::new("prints", "restart") else { return };
    world.sandbox.run(&["deploy"]).ok();
    wait_until("its output is there", SETTLED, || {
        world.sandbox.run(&["logs"]).ok().stdout.contains("tiny one listens")
    });
    world.write(&world.tiny.clone().says("two"));
    world.sandbox.run(&["deploy"]).ok();
    wait_until("both are there", SETTLED, || {
        let shown = world.sandbox.run(&["logs"]).ok().stdout;
        shown.matches("tiny one listens").count() == 1 && shown.matches("tiny two listens").count() == 1
    });
}

#[test]
fn an_image_that_checks_itself_is_believed_unless_it_flaps() {
    let Some(world) = World::new("checks", "blue-green") else { return };
    let checks = |says: &str, retries: u32, command: &str| {
        let check = format!("HEALTHCHECK --interval=1s --retries={retries} --timeout=5s CMD {command}\n");
        world.sandbox.write("Dockerfile", &format!("{DOCKERFILE}{check}"));
        world.write(&world.tiny.clone().says(says).start_period("6s"));
        world.sandbox.edit("landfall.toml", "path = \"/healthz\", ", "");
    };
    let by_turns =
        "if rm /tmp/turn 2>/dev/null; then echo the cache is cold; exit 1; else touch /tmp/turn; fi";
    checks("one", 3, &format!("test -e /app/tiny.py && if test -e /tmp/flap; then {by_turns}; fi"));
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "one");
    checks("two", 1, "echo the cache is cold; false");
    let _ = world.sandbox.run(&["deploy"]).code(4).says("the cache is cold");
    // The engine calls it healthy: it never fails three times in a row.
    checks("two", 3, by_turns);
    let _ = world.sandbox.run(&["deploy"]).code(4).says("passes and fails by turns: the cache is cold");
    assert_eq!(world.says(), "one");

    // The one that serves is left alone when it begins to, and shown.
    let before = world.docker.ours(&["ps", "--quiet", "--no-trunc"]);
    world.sandbox.run(&["exec", "web", "--", "touch", "/tmp/flap"]).ok();
    wait_until("it is shown", SETTLED, || {
        world.sandbox.run(&["status"]).ok().stdout.contains("2 of its last 5 health checks failed")
    });
    assert_eq!(world.docker.ours(&["ps", "--quiet", "--no-trunc"]), before);
    assert_eq!(world.says(), "one");
}

#[test]
fn a_value_that_a_build_or_a_health_check_prints_is_nowhere() {
    let Some(mut world) = World::new("says", "blue-green") else { return };
    let value = "correct-horse-battery";
    world.sandbox.set("TOKEN", value);
    let write = |dockerfile: &str| {
        world.sandbox.write("Dockerfile", dockerfile);
        world.write(&world.tiny.clone().key(r#"secrets = ["TOKEN"]"#).start_period("6s"));
        world.sandbox.edit("landfall.toml", "path = \"/healthz\", ", "");
        world.sandbox.edit(
            "landfall.toml",
            "[service.web]",
            "[service.web]\nbuild = { secrets = [\"TOKEN\"] }",
        );
    };
    let step = "RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN; exit 3\n";
    write(&format!("FROM debian:bookworm-slim\n{step}"));
    let _ = world.sandbox.run(&["deploy"]).code(4).says("[TOKEN]");
    let _ = world.sandbox.run(&["deploy", "--json"]).code(4);
    let check = "HEALTHCHECK --interval=1s --retries=1 --timeout=5s CMD echo key=$TOKEN; false\n";
    write(&format!("{DOCKERFILE}{check}"));
    let _ = world.sandbox.run(&["deploy"]).code(4).says("key=[TOKEN]");
    let _ = world.sandbox.run(&["deploy", "--json"]).code(4);
    for verb in ["status", "history", "logs"] {
        world.sandbox.run(&[verb, "--json"]).ok();
    }
    let found = world.sandbox.find_secret(value);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_image_says_what_it_is() {
    let Some(world) = World::new("labels", "restart") else { return };
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(world.sandbox.project()).args(arguments);
        assert!(command.status().expect("git").success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["remote", "add", "origin", "https://me:secret@example.com/labels.git"]);
    git(&["add", "."]);
    git(&["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one"]);
    world.sandbox.run(&["deploy"]).ok();
    let [name] = world.containers().try_into().expect("one container");
    let labels = world.docker.run(&["inspect", "--format", "{{json .Config.Labels}}", &name]);
    let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(&labels).expect("labels");
    let of =
        |name: &str| labels.get(&format!("org.opencontainers.image.{name}")).cloned().unwrap_or_default();
    assert!(of("version").starts_with("1.0.0-2") && of("version").ends_with(&of("revision")), "{labels:?}");
    assert_eq!((of("source").as_str(), of("revision").len()), ("https://example.com/labels.git", 7));
    assert!(of("created").starts_with("20"), "{labels:?}");
    // The same source with another configuration is the same image.
    let images = world.docker.images();
    world.write(&world.tiny.clone().key(r#"env = { COLOUR = "red" }"#));
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.docker.images(), images);
}

#[test]
fn a_strangers_container_is_left_alone_whatever_it_is_called() {
    let Some(world) = World::new("stranger", "restart") else { return };
    world.sandbox.run(&["deploy"]).ok();
    let [name] = world.containers().try_into().expect("one container");
    // The agent would set a missing one right at once.
    assert!(world.sandbox.kill_agent());
    world.docker.run(&["rm", "-f", &name]);
    // The next release has a user by name, who is looked for in the image.
    world.sandbox.write("Dockerfile", &DOCKERFILE.replace("10001:10001", "nobody"));
    world.write(&world.tiny.clone().says("two").key(r#"volumes = { data = "/data" }"#));
    let file = world.sandbox.root().join("plan.json").display().to_string();
    world.sandbox.run(&["plan", "--out", &file]).ok();
    let plan = std::fs::read(&file).expect("a plan");
    let plan: landfall_model::Plan = serde_json::from_slice(&plan).expect("a plan");
    let names = [name.clone(), format!("stranger-web-users-{}", plan.version)];
    for name in &names {
        world.docker.run(&["run", "-d", "--name", name, "debian:bookworm-slim", "sleep", "600"]);
    }
    world.sandbox.run(&["deploy", "--plan", &file]).ok();
    assert_eq!(world.says(), "two");
    assert_eq!(
        world.sandbox.run(&["exec", "web", "--", "stat", "-c", "%U", "/data"]).ok().stdout,
        "nobody\n"
    );
    for name in &names {
        let running = world.docker.run(&["inspect", "--format", "{{.State.Running}}", name]);
        world.docker.run(&["rm", "-f", name]);
        assert_eq!(running, "true", "{name}");
    }
    assert_eq!(world.docker.containers(None).len(), 1, "nothing that an image was looked into with is left");
}

#[test]
fn an_image_for_another_architecture_is_refused_before_the_switch() {
    let Some(world) = World::new("foreign", "blue-green") else { return };
    let (foreign, ours) = if cfg!(target_arch = "aarch64") { ("amd64", "arm64") } else { ("arm64", "amd64") };
    world.sandbox.run(&["deploy"]).ok();
    // Of somebody else's, as a registry would give it.
    let name = format!("landfall-test/foreign-{}:1", std::process::id());
    let folder = world.sandbox.root().join("foreign");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n").expect("a file");
    let (folder, platform) = (folder.display().to_string(), format!("linux/{foreign}"));
    world.docker.run(&["build", "--quiet", "--platform", &platform, "--tag", &name, &folder]);
    world.write(&world.tiny.clone().key(&format!("image = \"{name}\"")));
    let ran = world.sandbox.run(&["deploy"]);
    world.docker.run(&["image", "rm", &name]);
    let ran = ran.code(4).says(&format!("linux/{foreign}")).says(&format!("linux/{ours}"));
    let _ = ran.says("build or name one for");
    assert_eq!(world.says(), "one");

    // Asked for, and there is nothing that could run it here.
    if std::path::Path::new("/proc/sys/fs/binfmt_misc/register").exists() {
        eprintln!("SKIPPED: this machine may run programs of other architectures");
        return;
    }
    world.sandbox.write("Dockerfile", "FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\n");
    // As far as the kernel looks: the head of a 64-bit ELF file for the other machine (elf(5)).
    let machine = if foreign == "arm64" { 183 } else { 62 };
    let mut program = [0; 64];
    program[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (program[16], program[18]) = (2, machine);
    let path = world.sandbox.project().join("program");
    std::fs::write(&path, program).expect("a file");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    world.write(&world.tiny.clone().key(&format!("build = {{ platform = \"linux/{foreign}\" }}")));
    let _ = world.sandbox.run(&["deploy"]).code(4).says("architecture");
    assert_eq!(world.says(), "one");
}
