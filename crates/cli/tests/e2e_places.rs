//! Places of containers in networks: an engine that starts again, networks that are removed, addresses that somebody
//! takes, networks of an earlier version. Whatever happens, requests come to no stranger.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::docker::{Docker, engine};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Sandbox, free_address, signal};
use landfall_testkit::small_engine::SmallEngine;
use landfall_testkit::wait::wait_until;
use rustix::process::Signal;

const BASE: &str = "debian:bookworm-slim";

/// How long it may take until all is well again.
const SETTLED: Duration = Duration::from_secs(180);

/// How long a process may take to be back while an engine is waited for, which is for two minutes.
const UNHELD: Duration = Duration::from_secs(60);

/// All that this image has for it is Perl. A worker says that it is one.
const SERVE: &str = r#"
use IO::Socket::INET;
$SIG{TERM} = sub { exit };
my $says = shift // "web";
my $door = IO::Socket::INET->new(LocalPort => 8080, Listen => 128, ReuseAddr => 1) or die $!;
while (my $one = $door->accept) {
    while (<$one>) { last if /^\r?$/ }
    print $one "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\n$says\n";
    close $one;
}
"#;

/// Dropped in this order: what is in the engine goes before it does.
struct World {
    sandbox: Sandbox,
    docker: Docker,
    engine: SmallEngine,
    listen: String,
}

impl World {
    /// An application with a web service and workers, deployed in an engine of its own.
    fn new() -> Option<Self> {
        let other = engine()?;
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let engine = SmallEngine::start(300)?;
        engine.copy_image(&other, BASE);
        let docker = Docker::at(engine.host(), sandbox.state(), &[BASE])?;
        docker.variables().iter().for_each(|(name, value)| sandbox.set(name, value));
        let listen = free_address();
        sandbox.write(
            "Dockerfile",
            &format!("FROM {BASE}\nCOPY serve.pl /\nEXPOSE 8080\nCMD [\"perl\", \"/serve.pl\"]\n"),
        );
        sandbox.write("serve.pl", SERVE);
        let manifest = format!(
            "name = \"places\"\nversion = \"1.0.0\"\n\n[service.web]\nruntime = \"docker\"\nhealth = \"/\"\n\n\
             [service.work]\nkind = \"worker\"\nruntime = \"docker\"\nreplicas = 4\n\
             run = [\"perl\", \"/serve.pl\", \"NOT\"]\n\n[environment.dev]\n\
             domain = \"places.localhost\"\nlisten = \"{listen}\"\n"
        );
        sandbox.write("landfall.toml", &manifest);
        sandbox.run(&["deploy"]).ok();
        Some(Self { sandbox, docker, engine, listen })
    }

    /// Waits until the web service answers, and has no worker answer meanwhile.
    #[track_caller]
    fn comes_back(&self) {
        let deadline = Instant::now() + SETTLED;
        loop {
            let said = ask(&self.listen, "places.localhost", "/").ok().filter(|answer| answer.status == 200);
            match said.as_ref().map(|answer| answer.body.trim()) {
                Some("web") => return,
                Some(other) => panic!("`{other}` answered"),
                None => assert!(Instant::now() < deadline, "it never answers again"),
            }
        }
    }

    /// The web service's container, what the engine calls it, and a network of it with the address there.
    fn web(&self) -> (String, String, [(String, String); 2]) {
        let [name] = self.docker.containers(Some("web")).try_into().expect("one container");
        let id = self.docker.run(&["inspect", "--format", "{{.Id}}", &name]);
        let format = "{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.IPAddress}}\n{{end}}";
        let mut networks: Vec<(String, String)> = self
            .docker
            .run(&["inspect", "--format", format, &name])
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, address)| (name.to_owned(), address.to_owned()))
            .collect();
        networks.sort();
        (name, id, networks.try_into().expect("two networks: that of addresses and that of names"))
    }

    /// Stops everything and takes the networks away: every container's place is lost.
    fn lose_places(&self, networks: [&str; 2]) {
        let all = self.docker.containers(None);
        let stop = ["stop", "--time", "1"].into_iter().chain(all.iter().map(String::as_str));
        self.docker.run(&stop.collect::<Vec<_>>());
        self.docker.run(&["network", "rm", networks[0], networks[1]]);
    }

    /// Ends the agent, which would look after what happens next.
    #[track_caller]
    fn without_agent(&self, meanwhile: impl FnOnce()) {
        assert!(self.sandbox.kill_agent());
        meanwhile();
        self.sandbox.run(&["status"]).ok();
    }
}

#[test]
fn requests_come_to_no_stranger_whatever_becomes_of_the_engine_and_its_networks() {
    let Some(mut world) = World::new() else { return };
    world.comes_back();
    let before = world.web();
    world.engine.restart();
    world.comes_back();
    let running = || world.docker.ours(&["ps", "--quiet"]).len();
    wait_until("all of them run", SETTLED, || running() == 5);
    assert_eq!(world.web(), before, "it came back by itself, where it was");

    // Networks go with what runs in them; the container keeps their old ids.
    let (name, _, [(network, _), (names, _)]) = before.clone();
    world.without_agent(|| world.lose_places([&network, &names]));
    world.comes_back();
    wait_until("all of them run", SETTLED, || running() == 5);
    wait_until("it has its name again", SETTLED, || {
        let format = format!("{{{{(index .NetworkSettings.Networks \"{names}\").Aliases}}}}");
        world.docker.run(&["inspect", "--format", &format, &name]).contains("web")
    });

    // Somebody's container is where it was.
    let address = world.web().2[0].1.clone();
    world.without_agent(|| {
        world.docker.run(&["stop", "--time", "1", &name]);
        let run = [
            "run",
            "-d",
            "--name",
            "lf-thief",
            "--network",
            &network,
            "--ip",
            &address,
            BASE,
            "sleep",
            "600",
        ];
        world.docker.run(&run);
    });
    world.comes_back();
    assert_ne!(world.web().2[0].1, address);
    assert_eq!(world.docker.run(&["inspect", "--format", "{{.State.Running}}", "lf-thief"]), "true");
    world.docker.run(&["rm", "-f", "lf-thief"]);
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(world.sandbox.end(), []);
}

#[test]
fn a_container_that_the_engine_cannot_remove_is_in_nobodys_way() {
    let Some(world) = World::new() else { return };
    world.comes_back();
    let (name, id, [(network, _), (names, _)]) = world.web();
    let files = world.docker.run(&["inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", &name]);
    let held = Path::new(&files).join("held");
    std::fs::write(&held, "").expect("tests of engines run as root");
    let attribute = |change: &str| {
        Command::new("chattr").arg(change).arg(&held).status().is_ok_and(|status| status.success())
    };
    if !attribute("+i") {
        eprintln!("SKIPPED: nothing on a file system in memory can be made immutable before Linux 6.6");
        return;
    }
    world.without_agent(|| world.lose_places([&network, &names]));
    world.comes_back();
    assert_ne!(world.docker.run(&["inspect", "--format", "{{.Id}}", &name]), id, "another has its name");
    let aside = || world.docker.ours(&["ps", "--all", "--filter", "name=landfall_aside_", "--quiet"]);
    assert_eq!(aside().len(), 1);
    world.sandbox.run(&["disk", "--prune"]).ok();
    assert_eq!(aside().len(), 1, "it still cannot be removed");
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(aside().len(), 1);
    world.sandbox.run(&["deploy"]).ok();
    assert!(attribute("-i"));
    world.sandbox.run(&["disk", "--prune"]).ok().says("landfall_aside_");
    assert!(aside().is_empty());
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(world.sandbox.end(), []);
}

#[test]
fn an_engine_that_hangs_keeps_no_process_from_coming_back() {
    let Some(world) = World::new() else { return };
    world.sandbox.edit(
        "landfall.toml",
        "[environment.dev]",
        "[service.tick]\nkind = \"worker\"\nrun = [\"sleep\", \"600\"]\n\n[environment.dev]",
    );
    world.sandbox.run(&["deploy"]).ok();
    let shim = || world.sandbox.process(&["shim"]);
    let ticks = || world.sandbox.process(&["600"]);
    let (before, ticking) = (shim().expect("a supervisor"), ticks().expect("its instance"));
    let hanging = world.engine.hang();
    signal(before.pid, Signal::KILL);
    signal(ticking.pid, Signal::KILL);
    wait_until("it runs again", UNHELD, || ticks().is_some_and(|now| now.pid != ticking.pid));
    drop(hanging);
    world.comes_back();
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(world.sandbox.end(), []);
}

#[test]
fn what_runs_in_networks_of_an_earlier_version_goes_on() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let Some(docker) = Docker::of(sandbox.state(), &["python:3.13-slim"]) else { return };
    docker.variables().iter().for_each(|(name, value)| sandbox.set(name, value));
    let tiny = Tiny::new("older", &free_address(), "blue-green");
    let write = |says: &str| {
        sandbox
            .write("Dockerfile", "FROM python:3.13-slim\nCOPY tiny.py .\nCMD [\"python3\", \"tiny.py\"]\n");
        sandbox.write_tiny(&tiny.clone().says(says));
        sandbox.edit("landfall.toml", "[environment.dev]", "[environment.dev]\nruntime = \"docker\"");
    };
    let networks = || {
        let mut names = docker.ours(&["network", "ls", "--format", "{{.Name}}"]);
        names.sort();
        names
    };
    write("one");
    sandbox.run(&["deploy"]).ok();
    let [name] = docker.containers(None).try_into().expect("one container");
    let [network, names] = networks().try_into().expect("two networks");
    let inspect = |what: &str, format: &str| docker.run(&["inspect", "--format", format, what]);
    let mark = inspect(&name, "{{index .Config.Labels \"io.landfall.state\"}}");
    let old = format!("landfall-older-dev-{mark}");
    let (subnet, address) = (
        inspect(&network, "{{(index .IPAM.Config 0).Subnet}}"),
        inspect(&name, &format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}")),
    );

    // The same as an earlier version made it: other names, and the engine gives out all addresses.
    assert!(sandbox.kill_agent());
    let old_names = format!("{old}-names");
    for (from, to, more) in
        [(&network, &old, vec!["--subnet", &subnet]), (&names, &old_names, vec!["--internal"])]
    {
        docker.run(&["network", "disconnect", from, &name]);
        docker.run(&["network", "rm", from]);
        let labels = ["app=older", "environment=dev"].map(|label| format!("--label=io.landfall.{label}"));
        let state = format!("--label=io.landfall.state={mark}");
        let mut create = vec!["network", "create", &labels[0], &labels[1], &state];
        create.extend(more);
        create.push(to);
        docker.run(&create);
    }
    docker.run(&["network", "connect", "--ip", &address, &old, &name]);
    docker.run(&["network", "connect", "--alias", "web", &old_names, &name]);

    let says = || ask(&tiny.listen, &tiny.host(), "/").map(|answer| answer.body.trim().to_owned()).ok();
    wait_until("it answers at its old place", SETTLED, || says().as_deref() == Some("one"));
    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 50));
    sandbox.run(&["deploy"]).ok();
    wait_until("it has an address of its own as well", SETTLED, || {
        inspect(&name, "{{json .NetworkSettings.Networks}}").contains(&format!("{network}\""))
    });
    assert_eq!(docker.containers(None), std::slice::from_ref(&name), "it runs on");
    write("two");
    sandbox.run(&["deploy"]).ok();
    assert_eq!(says().as_deref(), Some("two"));
    wait_until("the old container is gone", SETTLED, || docker.containers(None).len() == 1);
    write("three");
    sandbox.run(&["deploy"]).ok();
    drop(load.stop().lost_nothing());
    assert_eq!(networks(), [old_names, network], "the one of addresses went when nobody was in it");
    wait_until("the old container is gone", SETTLED, || docker.containers(None).len() == 1);
    sandbox.run(&["down", "--volumes", "--yes"]).ok();
    wait_until("no network is left", SETTLED, || networks().is_empty());
    assert_eq!(sandbox.end(), []);
}
