//! What only a Caddy can meet: others who use it, a hand that changes it, the move to it and back.

use std::process::{Child, Command, Stdio};

use landfall_testkit::ask::ask;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::wait::wait_until;

use crate::world::{Door, SOON, World, caddy_is_there};

/// Moves an environment with one line and gives how many requests were lost.
fn moved(world: &mut World, to: Door, says: &str) -> u64 {
    let load = Load::start(LoadPlan::new(&world.listen, "echo.localhost", 100));
    world.door = to;
    world.says(says);
    world.write("health = \"/healthz\"", "");
    let receipt = world.deploy();
    assert_eq!(receipt.served.map(|served| served.status), Some(200));
    assert_eq!(world.version(), says);
    load.stop().failed
}

#[test]
fn one_line_moves_an_environment_to_a_caddy_and_back() {
    if !caddy_is_there() {
        return;
    }
    let mut world = World::deployed(Door::Landfall, "health = \"/healthz\"");
    let there = moved(&mut world, Door::Caddy, "two");
    assert_eq!(there, 0, "both listen for a moment");
    // Landfall's own proxy listens where nobody else does: there is a moment without any.
    let back = moved(&mut world, Door::Landfall, "three");
    assert!(back <= 50, "{back} of 100 a second");
    world.says("four");
    world.deploy();
    assert_eq!(world.version(), "four");
}

#[test]
fn what_was_changed_by_hand_is_put_right_by_the_next_deploy() {
    if !caddy_is_there() {
        return;
    }
    let world = World::deployed(Door::Caddy, "");
    let socket = world.sandbox.state().join("caddy/admin.sock");
    let status = Command::new("curl")
        .args(["-sf", "-X", "DELETE", "-H", "Host: landfall", "--unix-socket"])
        .arg(&socket)
        .arg("http://localhost/id/landfall:route:echo.dev.web/handle")
        .status()
        .expect("curl runs");
    assert!(status.success());
    assert!(!world.ask("/").body.starts_with("one"), "a route without a handler answers nothing");
    world.says("two");
    world.deploy();
    assert_eq!(world.version(), "two");
}

/// A Caddy of somebody else's, with a site of its own.
struct Others {
    process: Child,
    admin: String,
    site: String,
}

impl Others {
    fn start(sandbox: &Sandbox) -> Self {
        let (admin, site) = (free_address(), free_address());
        let config = serde_json::json!({
            "admin": { "listen": admin },
            "apps": { "http": { "servers": { "srv0": {
                "listen": [site],
                "automatic_https": { "disable": true },
                "routes": [{ "handle": [{ "handler": "static_response", "body": "mine" }] }],
            } } } },
        });
        sandbox.write("others/caddy.json", &config.to_string());
        let process = Command::new("caddy")
            .args(["run", "--config", "others/caddy.json"])
            .current_dir(sandbox.project())
            .env("HOME", sandbox.root())
            .env("XDG_DATA_HOME", sandbox.root().join("data"))
            .env("XDG_CONFIG_HOME", sandbox.root().join("config"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("caddy runs");
        let others = Self { process, admin, site };
        wait_until("their site answers", SOON, || others.says("a", "mine"));
        others
    }

    fn says(&self, host: &str, what: &str) -> bool {
        ask(&self.site, host, "/").is_ok_and(|answer| answer.body.starts_with(what))
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_caddy_that_others_use_is_used_beside_them() {
    if !caddy_is_there() {
        return;
    }
    let mut world = World::new(Door::Caddy);
    let others = Others::start(&world.sandbox);
    // Their server has the address already: it takes the route, before their own.
    world.listen.clone_from(&others.site);
    let manifest = |world: &World| {
        world.write("", "");
        let admin = format!("proxy = {{ kind = \"caddy\", admin = \"{}\" }}", others.admin);
        world.sandbox.edit("landfall.toml", "proxy = \"caddy\"", &admin);
    };
    manifest(&world);
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.version(), "one");
    assert!(others.says("other.localhost", "mine"), "what is theirs stays");
    world.says("two");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.version(), "two");
    world.sandbox.run(&["down", "--yes"]).ok();
    assert!(others.says("echo.localhost", "mine"), "nothing of ours is left");
}

#[test]
fn a_caddy_that_does_not_answer_is_named() {
    if !caddy_is_there() {
        return;
    }
    let world = World::new(Door::Caddy);
    let admin = free_address();
    world.write("", "");
    let line = format!("proxy = {{ kind = \"caddy\", admin = \"{admin}\" }}");
    world.sandbox.edit("landfall.toml", "proxy = \"caddy\"", &line);
    let _ = world.sandbox.run(&["deploy"]).code(4).says(&format!("no Caddy answers on {admin}"));
}

#[test]
fn a_host_without_caddy_is_refused_in_the_plan() {
    let mut world = World::new(Door::Caddy);
    let folder = world.sandbox.root().join("bin");
    std::fs::create_dir(&folder).expect("a folder");
    for program in ["python3", "sh", "git"] {
        let real = ["/usr/bin", "/bin"].iter().map(|at| std::path::Path::new(at).join(program));
        if let Some(real) = real.into_iter().find(|path| path.exists()) {
            std::os::unix::fs::symlink(real, folder.join(program)).expect("a link");
        }
    }
    world.sandbox.set("PATH", &folder.display().to_string());
    world.write("", "");
    let _ = world.sandbox.run(&["deploy"]).code(3).says("no `caddy` is installed on this host");
}
