//! Sites that are built into an image: their files are copied out through a container that never runs, has a name of its
//! own, and goes. Without an engine the test says that it was skipped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::wait::wait_until;

/// More than an engine takes to tell what it did.
const SOON: Duration = Duration::from_secs(60);

/// What the stranger's container is made of.
const DEBIAN: &str = "debian:bookworm-slim";

/// What an engine says of a container: its labels, its `name`, its `image`.
type Facts = BTreeMap<String, String>;

struct World {
    sandbox: Sandbox,
    app: String,
    listen: String,
    /// `docker events`, which writes down each container that is made for the application, also before it listens.
    events: Child,
    /// The container of somebody else.
    stranger: Option<String>,
}

impl World {
    fn new() -> Option<Self> {
        let sandbox = Sandbox::with_docker(env!("CARGO_BIN_EXE_landfall"), &[DEBIAN])?;
        let app = format!("pages-{}", std::process::id());
        let events = Command::new("docker")
            .args(["events", "--since", "5m", "--filter", "type=container", "--filter", "event=create"])
            .args(["--filter", &format!("label=io.landfall.app={app}")])
            .args(["--format", "{{json .Actor.Attributes}}"])
            .envs(sandbox.docker().variables())
            .stdin(Stdio::null())
            .stdout(File::create(sandbox.root().join("events")).expect("a file in a new folder"))
            .spawn()
            .expect("docker's command line is there where an engine is");
        let world = Self { sandbox, app, listen: free_address(), events, stranger: None };
        let manifest = format!(
            "name = \"{}\"\nversion = \"1.0.0\"\n\n[service.site]\nkind = \"site\"\n\
             build = {{ dockerfile = \"Dockerfile\" }}\n\n[environment.dev]\nruntime = \"docker\"\ndomain = \"pages.localhost\"\nlisten = \"{}\"\n",
            world.app, world.listen
        );
        world.sandbox.write("landfall.toml", &manifest);
        world.sandbox.write("Dockerfile", "FROM scratch\nCOPY public /\n");
        world.sandbox.write("public/etc/motd", "a folder that engines have files of their own in");
        Some(world)
    }

    /// Deploys the site with this page; gives the version.
    #[track_caller]
    fn deploy(&self, says: &str) -> String {
        self.sandbox.write("public/index.html", says);
        let receipt = self.sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!(self.page("/"), says);
        receipt.version.to_string()
    }

    fn page(&self, path: &str) -> String {
        ask(&self.listen, "pages.localhost", path).expect("an answer").body.trim().to_owned()
    }

    /// The containers that were made so far, once there are so many.
    #[track_caller]
    fn made(&self, count: usize) -> Vec<Facts> {
        let read = || fs::read_to_string(self.sandbox.root().join("events")).expect("it is there");
        wait_until("the engine tells what it made", SOON, || read().lines().count() >= count);
        read().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn docker(&self, arguments: &[&str]) -> String {
        self.sandbox.docker().run(arguments)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.events.kill();
        let _ = self.events.wait();
        if let Some(stranger) = &self.stranger {
            self.docker(&["rm", "--force", stranger]);
        }
    }
}

#[test]
fn the_files_of_a_site_are_taken_out_of_its_image_through_a_container_of_its_own() {
    let Some(mut world) = World::new() else { return };
    let first = world.deploy("one");
    assert_eq!(world.page("/etc/motd"), "a folder that engines have files of their own in");
    let release = world.sandbox.state().join(format!("apps/{}/dev/site/releases/{first}", world.app));
    let mut names: Vec<String> = fs::read_dir(&release)
        .expect("the release's folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert_eq!(names, ["etc", "index.html"], "nothing that an engine puts into its containers");
    let [opened] = world.made(1).try_into().expect("one container");
    let what = ["io.landfall.service", "io.landfall.opened"].map(|label| opened[label].as_str());
    assert_eq!(what, ["site", "files"]);
    let none: [String; 0] = [];
    assert_eq!(world.sandbox.docker().containers(None), none, "it stays");

    // An agent that was killed in the middle left one; and somebody else has one with the name that ours had.
    let left = format!("{}-left", world.app);
    let labels = opened.iter().filter(|(label, _)| label.starts_with("io.landfall."));
    let labels: Vec<String> = labels.map(|(label, value)| format!("--label={label}={value}")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    world.docker(&[&["create", "--name", &left], &labels[..], &[&opened["image"], "none"]].concat());
    world.docker(&["create", "--name", &opened["name"], DEBIAN, "none"]);
    world.stranger = Some(opened["name"].clone());
    world.deploy("two");
    let made = world.made(3);
    assert_eq!(made[1]["name"], left);
    assert_ne!(made[2]["name"], opened["name"]);
    assert_eq!(world.sandbox.docker().containers(None), none, "what was left is still there");
    assert_eq!(world.docker(&["inspect", "--format", "{{.State.Status}}", &opened["name"]]), "created");

    // What is not as it was built is not gone back to.
    fs::write(release.join("index.html"), "by hand").expect("a file of the release");
    let ran = world.sandbox.run(&["rollback"]).code(4);
    assert!(ran.stdout.contains("are not the ones that"), "{ran}");
    assert_eq!(world.page("/"), "two");
    fs::write(release.join("index.html"), "one").expect("a file of the release");
    world.sandbox.run(&["rollback"]).ok();
    assert_eq!(world.page("/"), "one");
}
