//! Disks that fill while an image travels: the store's while it takes one in, the engine's while it pulls it. The old
//! release serves on, nothing of the image stays, and with room again the same deploy goes through.

use landfall_model::Blame;
use landfall_testkit::ask::ask;
use landfall_testkit::docker::{Docker, engine};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Disk, Sandbox, free_address};
use landfall_testkit::small_engine::SmallEngine;

const BASE: &str = "debian:bookworm-slim";

/// All that this image has for it is Perl.
const SERVE: &str = r#"
use IO::Socket::INET;
$SIG{TERM} = sub { exit };
my $door = IO::Socket::INET->new(LocalPort => 8080, Listen => 128, ReuseAddr => 1) or die $!;
while (my $one = $door->accept) {
    while (<$one>) { last if /^\r?$/ }
    print $one "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nSAYS\n";
    close $one;
}
"#;

/// Bytes of the new release's layer, which cannot be made smaller; and what is left of each disk for it.
const LAYER: u32 = 24 << 20;
const LEFT: usize = 6 << 20;

/// Dropped in this order: what is in the engine goes before it does.
struct World {
    sandbox: Sandbox,
    small: Docker,
    big: Docker,
    engine: SmallEngine,
    store: Disk,
    listen: String,
}

impl World {
    fn new() -> Option<Self> {
        let other = engine()?;
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let folder = sandbox.root().join("small");
        let store = Disk::mount(&folder, 256)?;
        sandbox.set_state(&folder);
        let engine = SmallEngine::start(300)?;
        engine.copy_image(&other, BASE);
        let small = Docker::at(engine.host(), sandbox.state(), &[BASE])?;
        let big = Docker::at(other, sandbox.state(), &[BASE])?;
        small.variables().iter().for_each(|(name, value)| sandbox.set(name, value));
        Some(Self { sandbox, small, big, engine, store, listen: free_address() })
    }

    /// A version of the application; one with a layer of its own is built on the other engine and carried.
    fn write(&self, says: &str, carried: bool) {
        let (layer, builder) = if carried {
            let [(_, host), ..] = &self.big.variables()[..] else { panic!("an engine has a host") };
            let layer = format!("RUN head -c {LAYER} /dev/urandom >/layer\n");
            (layer, format!("build = {{ builder = \"{host}\" }}\n"))
        } else {
            (String::new(), String::new())
        };
        let dockerfile =
            format!("FROM {BASE}\n{layer}COPY serve.pl /\nEXPOSE 8080\nCMD [\"perl\", \"/serve.pl\"]\n");
        self.sandbox.write("Dockerfile", &dockerfile);
        self.sandbox.write("serve.pl", &SERVE.replace("SAYS", says));
        let manifest = format!(
            "name = \"fills\"\nversion = \"1.0.0\"\n\n[service.web]\nruntime = \"docker\"\nhealth = \"/\"\n\
             strategy = \"blue-green\"\n{builder}\n[environment.dev]\n\
             domain = \"fills.localhost\"\nlisten = \"{}\"\n",
            self.listen
        );
        self.sandbox.write("landfall.toml", &manifest);
    }

    fn says(&self) -> String {
        ask(&self.listen, "fills.localhost", "/").expect("an answer").body.trim().to_owned()
    }

    /// What the engine has: images, also such without a name, and containers.
    fn inside(&self) -> [String; 2] {
        [&["images", "--all", "--quiet", "--no-trunc"][..], &["ps", "--all", "--quiet"]]
            .map(|list| self.small.run(list))
    }

    /// Deploys with a disk that is nearly full, which must fail and say of which disk it is.
    #[track_caller]
    fn fails_without_room(&self, disk: &Disk, whose: &str) {
        let before = self.inside();
        disk.fill(LEFT);
        let fault = self.sandbox.run(&["deploy", "--json"]).code(4).fault();
        assert_eq!(self.says(), "one", "{fault:?}");
        disk.empty();
        let told = format!("{} {}", fault.message, fault.help.as_deref().unwrap_or_default());
        let told = told.replace("No space", "no space");
        for words in ["no space left on device", whose, "landfall disk"] {
            assert!(told.contains(words), "`{words}` is missing: {told}");
        }
        assert_eq!(fault.blame, Blame::Machine, "{fault:?}");
        assert_eq!(self.inside(), before, "half an image stayed");
    }
}

#[test]
fn a_disk_that_fills_while_an_image_travels_costs_nothing_but_the_deploy() {
    let Some(world) = World::new() else { return };
    world.write("one", false);
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "one");
    let load = Load::start(LoadPlan::new(&world.listen, "fills.localhost", 50));
    world.write("two", true);
    world.fails_without_room(&world.store, &world.sandbox.state().display().to_string());
    assert!(!world.sandbox.state().join("images/repositories/fills/web/_manifests").exists());
    world.fails_without_room(world.engine.disk(), "engine");
    world.sandbox.run(&["deploy"]).ok();
    assert_eq!(world.says(), "two");
    drop(load.stop().lost_nothing());
    world.sandbox.run(&["down", "--volumes", "--yes"]).ok();
    // Before the disk goes away under them.
    assert_eq!(world.sandbox.end(), []);
}
