//! Images that travel: built on another engine and carried through the agent's own store, and pushed to a registry that
//! asks for a password, and pulled from there by digest.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use landfall_testkit::ask::ask;
use landfall_testkit::docker::Docker;
use landfall_testkit::sandbox::{Sandbox, free_address};

/// `user:password`; made by `htpasswd -bnB -C 4 user password`.
const PASSWORDS: &str = "user:$2y$04$OWaxXIXR4tc88LNtWWc51u1RU4gLuFA/p3JLLMz8XNgIOChC/3g5u\n";

/// The same in base64, as `docker login` keeps it.
const LOGIN: &str = "dXNlcjpwYXNzd29yZA==";

/// The image that the application is made from.
const BASE: &str = "python:3.13-slim";

/// An application in a container, in a sandbox.
struct World {
    /// Ended before what it left in the engine goes.
    sandbox: Sandbox,
    docker: Docker,
    listen: String,
}

impl World {
    /// `None`, said loudly, without an engine.
    fn new(build: &str, registry: &str) -> Option<Self> {
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let docker = Docker::of(sandbox.state(), &[BASE])?;
        docker.variables().iter().for_each(|(name, value)| sandbox.set(name, value));
        let nobody = sandbox.root().join("docker");
        fs::create_dir_all(&nobody).unwrap();
        sandbox.set("DOCKER_CONFIG", nobody.to_str().unwrap());
        let listen = free_address();
        let dockerfile = format!(
            "FROM {BASE}\nCOPY index.html /srv/\nWORKDIR /srv\nEXPOSE 8080\n\
             CMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n"
        );
        sandbox.write("Dockerfile", &dockerfile);
        sandbox.write("index.html", "one");
        let manifest = format!(
            "name = \"travels\"\nversion = \"1.0.0\"\n\n[service.web]\nruntime = \"docker\"\nhealth = \"/\"\nstop = {{ signal = \"INT\" }}\n{build}\n\
             [environment.dev]\n{registry}\ndomain = \"travels.localhost\"\nlisten = \"{listen}\"\n"
        );
        sandbox.write("landfall.toml", &manifest);
        Some(Self { sandbox, docker, listen })
    }

    fn says(&self) -> String {
        ask(&self.listen, "travels.localhost", "/").unwrap().body
    }

    /// The names of this test's images, with their digests.
    fn names(&self) -> String {
        let format = "{{.Repository}}:{{.Tag}}@{{.Digest}}";
        self.docker.ours(&["images", "--digests", "--format", format]).join("\n")
    }
}

/// An engine elsewhere: the same one behind a port, so that it is none of this machine for who asks.
fn elsewhere(engine: &str) -> String {
    let socket = engine.strip_prefix("unix://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = UnixStream::connect(&socket) else { continue };
            let (mut up, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut up, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Write);
            });
            let (mut down, mut back) = (server, client);
            thread::spawn(move || {
                let _ = io::copy(&mut down, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn an_image_built_elsewhere_comes_through_the_agents_own_store() {
    let Some(engine) = landfall_testkit::docker::engine() else { return };
    let build = format!("build = {{ builder = \"{}\" }}", elsewhere(&engine));
    let Some(world) = World::new(&build, "") else { return };
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "one");
    let store = world.sandbox.state().join("images");
    assert!(store.join("repositories/travels/web/_manifests").is_dir());
    let port: u16 = fs::read_to_string(store.join("port")).unwrap().trim().parse().unwrap();
    // The name that it came by is no name of it any more.
    let names = world.names();
    assert!(names.contains("landfall/travels/web:1.0.0-") && !names.contains("127.0.0.1"), "{names}");
    // The agent ends; the next one has the same port, and the layers that did not change are not stored again.
    let before = size(&world.sandbox.state().join("store"));
    world.sandbox.kill_agent();
    world.sandbox.write("index.html", "two");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "two");
    let again: u16 = fs::read_to_string(store.join("port")).unwrap().trim().parse().unwrap();
    assert_eq!(again, port);
    let cost = size(&world.sandbox.state().join("store")) - before;
    assert!(cost <= 32 * 1024, "{cost} bytes for one line");
}

#[test]
fn an_image_goes_to_the_registry_and_is_pulled_by_digest() {
    let Some(registry) = Registry::start() else { return };
    let line = format!("registry = \"127.0.0.1:{}/team\"", registry.port);
    let Some(world) = World::new("", &line) else { return };
    // Nobody is logged in: it says who must, and nothing serves.
    let fault = world.sandbox.run(&["deploy", "--json"]).code(4).fault();
    assert!(fault.message.contains("answers 401, nobody is logged in there"), "{fault:?}");
    assert!(fault.help.unwrap().contains("docker login 127.0.0.1:"));
    let text = format!("{{\"auths\": {{\"127.0.0.1:{}\": {{\"auth\": \"{LOGIN}\"}}}}}}", registry.port);
    fs::write(world.sandbox.root().join("docker/config.json"), text).unwrap();
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "one");
    let names = world.names();
    let here = format!("127.0.0.1:{}/team/travels/web", registry.port);
    let is_pushed = |line: &&str| line.starts_with(&format!("{here}:1.0.0-")) && line.contains("@sha256:");
    assert_eq!(names.lines().filter(is_pushed).count(), 1, "{names}");
    // Another version of the same image is not pushed again; a registry that is gone does not matter to it.
    drop(registry);
    world.sandbox.edit("landfall.toml", "health = \"/\"", "health = \"/\"\nenv = { MORE = \"1\" }");
    world.sandbox.run(&["deploy"]).ok();
    // To a changed one it does: it fails, and the old release serves.
    world.sandbox.write("index.html", "two");
    let fault = world.sandbox.run(&["deploy", "--json"]).code(4).fault();
    assert!(fault.message.contains("cannot be reached"), "{fault:?}");
    assert_eq!(world.says(), "one");
}

fn size(folder: &std::path::Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|it| if it.path().is_dir() { size(&it.path()) } else { it.metadata().unwrap().len() }).sum()
}

/// Debian's registry with one user.
struct Registry {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    fn start() -> Option<Self> {
        if Command::new("docker-registry").arg("--version").output().is_err() {
            eprintln!("SKIPPED: docker-registry is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = folder.path().display();
        fs::write(folder.path().join("htpasswd"), PASSWORDS).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {at}/data}}}}\n\
             http: {{addr: '127.0.0.1:{port}', secret: s}}\nauth: {{htpasswd: {{realm: test, path: {at}/htpasswd}}}}\n"
        );
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Self { child: command.spawn().unwrap(), port, _folder: folder };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(started);
            }
            thread::park_timeout(Duration::from_millis(50));
        }
        panic!("docker-registry does not start");
    }
}
