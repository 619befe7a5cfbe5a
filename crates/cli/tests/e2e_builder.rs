//! Images that another machine builds: its engine is reached through a real sshd, and only layers travel that are not
//! here yet.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use landfall_testkit::ask::ask;
use landfall_testkit::docker::engine;
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::ssh::Server;

/// The image that the application is made from.
const BASE: &str = "caddy:2";

/// Bytes of a layer below the line that changes; they do not compress.
const BIG: u64 = 16_000_000;

/// What one changed line may cost on the wire: questions, a context, one layer, and ssh itself.
const ONE_LINE: u64 = 512 * 1024;

/// An application whose images are built at the other end of ssh.
struct World {
    sandbox: Sandbox,
    server: Server,
    listen: String,
    host: String,
}

impl World {
    /// Each test has a name of its own: all of them share an engine.
    fn new(name: &str, sshd: &str) -> Option<Self> {
        let server = Server::start(&engine()?, sshd)?;
        let mut sandbox = Sandbox::with_docker(env!("CARGO_BIN_EXE_landfall"), &[BASE])?;
        sandbox.set("PATH", &server.path(&std::env::var("PATH").unwrap()));
        let listen = free_address();
        // Each test has a layer of its own, which nobody has pushed before.
        let dockerfile = format!(
            "FROM {BASE}\nRUN echo {listen} && head -c {BIG} /dev/urandom > /big\nCOPY index.html /srv/\n\
             CMD [\"caddy\", \"file-server\", \"--root\", \"/srv\", \"--listen\", \":8080\"]\n"
        );
        sandbox.write("Dockerfile", &dockerfile);
        sandbox.write("index.html", "one");
        let manifest = format!(
            "name = \"{name}\"\nversion = \"1.0.0\"\n\n[service.web]\nruntime = \"docker\"\nhealth = \"/\"\nport = 8080\n\
             build = {{ builder = \"{}\" }}\n\n[environment.dev]\ndomain = \"{name}.localhost\"\nlisten = \"{listen}\"\n",
            server.host()
        );
        sandbox.write("landfall.toml", &manifest);
        Some(Self { sandbox, server, listen, host: format!("{name}.localhost") })
    }

    fn says(&self) -> String {
        ask(&self.listen, &self.host, "/").unwrap().body
    }

    /// The names that the engine's images have from a way back.
    fn names_of_the_way(&self) -> Vec<String> {
        let all = self.sandbox.docker().run(&["images", "--format", "{{.Repository}}"]);
        all.lines().filter(|line| line.ends_with("/afar/web")).map(str::to_owned).collect()
    }
}

#[test]
fn of_a_changed_image_only_the_changed_layer_travels() {
    let Some(world) = World::new("afar", "") else { return };
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "one");
    let first = world.server.bytes();
    world.sandbox.write("index.html", "two");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "two");
    let second = world.server.bytes();
    eprintln!("over the wire: {first} bytes at first, {second} for one line");
    assert!(first > BIG, "{first}");
    assert!(second < ONE_LINE, "{second} bytes for one line");
    // What it was pushed as was for the way only.
    let names = world.names_of_the_way();
    assert!(names.iter().all(|name| name == "landfall/afar/web"), "{names:?}");
}

#[test]
fn a_server_that_forwards_nothing_gives_the_whole_image() {
    let Some(mut world) = World::new("aloof", "AllowTcpForwarding no") else { return };
    world.sandbox.run(&["deploy", "-v"]).ok().says("remote port forwarding failed");
    assert_eq!(world.says(), "one");
    assert!(world.server.bytes() > BIG);
    // A shell that means another engine is told that the agent has its own.
    world.sandbox.set("DOCKER_HOST", "unix:///elsewhere/docker.sock");
    let told = world.sandbox.run(&["plan"]).ok().says("unix:///elsewhere/docker.sock here");
    let _ = told.says("the agent works with");
}
