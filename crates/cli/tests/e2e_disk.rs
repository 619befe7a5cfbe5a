//! What takes what, and taking away what nothing needs: only ever what is ours.

use std::time::Duration;

use landfall_model::api::{DiskEntry, DiskKind, DiskView, Pruned, Whose};
use landfall_testkit::app::Tiny;
use landfall_testkit::docker::Docker;
use landfall_testkit::sandbox::{Ran, Sandbox, free_address};
use landfall_testkit::small_engine::SmallEngine;
use landfall_testkit::wait::wait_until;

/// More than what ends in the background takes.
const SOON: Duration = Duration::from_secs(60);

fn view(ran: &Ran) -> DiskView {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

fn of(view: &DiskView, kind: DiskKind, whose: Whose) -> Vec<&DiskEntry> {
    view.entries.iter().filter(|entry| entry.kind == kind && entry.whose == whose).collect()
}

#[test]
fn what_processes_take_is_told_to_people_and_programs() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let mut tiny = Tiny::new("tiny", &free_address(), "blue-green").key(r#"volumes = { data = "/data" }"#);
    for said in ["one", "two"] {
        tiny = tiny.says(said);
        sandbox.write_tiny(&tiny);
        sandbox.run(&["deploy"]).ok();
    }
    let text = sandbox.run(&["disk"]).ok();
    for words in ["tiny in dev", "2 releases", "volume data", "store of sources", "state, journals and logs"]
    {
        assert!(text.stdout.contains(words), "`{words}` is missing: {text}");
    }
    let shown = view(&sandbox.run(&["disk", "--json"]).ok());
    assert_eq!(of(&shown, DiskKind::Release, Whose::Ours).len(), 2);
    assert!(shown.entries.iter().all(|entry| entry.whose == Whose::Ours), "no engine is asked: {shown:?}");
    assert!(shown.filesystems[0].total > shown.filesystems[0].free);
    // A volume's size is what is in it.
    let folder = sandbox.state().join("apps/tiny/dev/web/volumes/data");
    std::fs::write(folder.join("big"), vec![1; 3_000_000]).expect("a file in the volume");
    let shown = view(&sandbox.run(&["disk", "--json"]).ok());
    let volume = of(&shown, DiskKind::Volume, Whose::Ours)[0];
    assert!((3_000_000..3_200_000).contains(&volume.bytes), "{volume:?}");
    assert_eq!(
        (volume.name.as_str(), volume.service.as_ref().map(landfall_model::ServiceName::as_str)),
        ("data", Some("web"))
    );
    sandbox.run(&["disk", "--prune"]).ok();
    assert!(folder.join("big").exists());
    let other = sandbox.run(&["disk", "--all"]).ok();
    assert!(other.stdout.contains("tiny in dev"), "{other}");
}

const BASE: &str = "debian:bookworm-slim";

const MANIFEST: &str = r#"
name = "shelf"
[service.clock]
kind = "worker"
run = "exec sleep 1000"
stop = { grace = "1s" }
[environment.dev]
target = "host"
runtime = "docker"
"#;

/// An archive with an image of one file, made in 2020 and labelled as the agent's with this mark.
fn archive(sandbox: &Sandbox, mark: &str, name: &str) -> String {
    let folder = sandbox.root().join(name);
    std::fs::create_dir(&folder).expect("a folder");
    let script = format!(
        r#"set -e; cd {folder}; echo {name} > file; tar -cf layer.tar file; id=$(sha256sum layer.tar | cut -d' ' -f1)
printf '{{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":{{"Labels":{{"io.landfall.state":"{mark}","io.landfall.app":"{name}"}}}},"rootfs":{{"type":"layers","diff_ids":["sha256:%s"]}},"history":[{{"created":"2020-01-01T00:00:00Z"}}]}}' $id > config.json
echo '[{{"Config":"config.json","RepoTags":["landfall/{name}/web:1"],"Layers":["layer.tar"]}}]' > manifest.json
tar -cf image.tar config.json manifest.json layer.tar"#,
        folder = folder.display(),
    );
    let made = std::process::Command::new("sh").args(["-c", &script]).status().expect("a shell");
    assert!(made.success());
    folder.join("image.tar").display().to_string()
}

#[test]
fn only_images_of_ours_that_nothing_needs_are_taken_away() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let Some(docker) = Docker::of(sandbox.state(), &[BASE]) else { return };
    for (name, value) in docker.variables() {
        sandbox.set(name, &value);
    }
    sandbox.write("landfall.toml", MANIFEST);
    sandbox.write("Dockerfile", &format!("FROM {BASE}\nCOPY note /note\nCMD [\"sleep\", \"1000\"]\n"));
    for note in ["one", "two", "three"] {
        sandbox.write("note", note);
        sandbox.run(&["deploy"]).ok();
    }
    let served = docker.images();
    assert_eq!(served.len(), 3, "the one that serves, and two to go back to");
    let mark = docker.run(&[
        "image",
        "inspect",
        "--format",
        "{{index .Config.Labels \"io.landfall.state\"}}",
        &served[0],
    ]);
    let idle = format!("idle-{mark}");
    docker.run(&["load", "--input", &archive(&sandbox, &mark, &idle)]);
    let stranger = format!("stranger-{mark}");
    docker.run(&["load", "--input", &archive(&sandbox, "another-agent", &stranger)]);

    let shown = view(&sandbox.run(&["disk", "--json"]).ok());
    let images = of(&shown, DiskKind::Image, Whose::Ours);
    let needless: Vec<&str> =
        images.iter().filter(|image| !image.needed).map(|image| image.name.as_str()).collect();
    assert_eq!(needless, [format!("landfall/{idle}/web:1")]);
    let theirs = of(&shown, DiskKind::Image, Whose::Others);
    assert!(theirs.iter().any(|image| image.name.contains(&stranger)), "{theirs:?}");
    let text = sandbox.run(&["disk"]).ok();
    assert!(text.stdout.contains("3 images") && text.stdout.contains("landfall disk --prune"), "{text}");

    let pruned: Pruned =
        serde_json::from_str(&sandbox.run(&["disk", "--prune", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(pruned.removed, [format!("landfall/{idle}/web:1")]);
    assert_eq!(docker.images(), served);
    assert!(docker.has_image(&format!("landfall/{stranger}/web:1")));
    docker.run(&["image", "rm", &format!("landfall/{stranger}/web:1")]);

    // No room at all: what is kept to go back to goes, but for the newest.
    sandbox.run(&["agent", "stop"]).ok();
    sandbox.set("LANDFALL_IMAGES", "0");
    // What still ends in the background is not removed before it has.
    wait_until("an old release is removed for its image's room", SOON, || {
        sandbox.run(&["disk", "--prune"]).ok().stdout.contains("clock@")
    });
    assert_eq!(docker.images().len(), 2);
    sandbox.run(&["rollback"]).ok();
    sandbox.run(&["agent", "stop"]).ok();
    sandbox.set("LANDFALL_IMAGES", "plenty");
    sandbox.run(&["disk", "--prune"]).code(2).says("LANDFALL_IMAGES");
    sandbox.run(&["down", "--volumes", "--yes"]).ok();
    assert!(docker.containers(None).is_empty());
    sandbox.end();
}

/// What each build brings: a file that only the builder's cache has afterwards.
const BUILT: usize = 4 << 20;

/// A site whose image is made with BuildKit, on an engine of the test's own: the cache is others' too.
struct Built {
    sandbox: Sandbox,
    _docker: Docker,
    _engine: SmallEngine,
}

impl Built {
    fn new() -> Option<Self> {
        let engine = SmallEngine::start(200)?;
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let docker = Docker::at(engine.host(), sandbox.state(), &[])?;
        docker.variables().iter().for_each(|(name, value)| sandbox.set(name, value));
        sandbox.set("DOCKER_BUILDKIT", "1");
        sandbox.write(
            "landfall.toml",
            &format!(
                "name = \"built\"\n\n[service.site]\nkind = \"site\"\nbuild = {{ dockerfile = \"Dockerfile\" }}\n\n\
                 [environment.dev]\nruntime = \"docker\"\ndomain = \"built.localhost\"\nlisten = \"{}\"\n",
                free_address()
            ),
        );
        sandbox.write(
            "Dockerfile",
            "FROM scratch AS all\nCOPY . /\n\nFROM scratch\nCOPY --from=all /index.html /\n",
        );
        Some(Self { sandbox, _docker: docker, _engine: engine })
    }

    /// Deploys a new page and a new file beside it.
    fn deploy(&self, says: &str) {
        self.sandbox.write("index.html", says);
        self.sandbox.write("beside", &says.repeat(BUILT / says.len()));
        self.sandbox.run(&["deploy"]).ok();
    }

    fn cache(&self) -> u64 {
        let shown = view(&self.sandbox.run(&["disk", "--json"]).ok());
        shown.entries.iter().find(|entry| entry.kind == DiskKind::BuilderCache).map_or(0, |entry| entry.bytes)
    }

    fn prune(&self) -> Pruned {
        let ran = self.sandbox.run(&["disk", "--prune", "--json"]).ok();
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
    }
}

#[test]
fn the_builders_cache_is_taken_back_to_what_its_owner_allows() {
    let Some(mut built) = Built::new() else { return };
    built.deploy("one");
    built.deploy("two");
    let before = built.cache();
    assert!(before >= 2 * BUILT as u64, "{before}");
    assert!(built.prune().removed.is_empty());
    assert_eq!(built.cache(), before, "nobody said how much it may take");

    let most = before - BUILT as u64;
    built.sandbox.run(&["agent", "stop"]).ok();
    built.sandbox.set("LANDFALL_BUILD_CACHE", &most.to_string());
    let pruned = built.prune();
    let left = built.cache();
    eprintln!("{before} bytes, {left} left of {most}");
    assert!(pruned.removed.contains(&"builder's cache".to_owned()), "{pruned:?}");
    assert!(0 < left && left <= most, "{left} of {most}");
    assert!(pruned.bytes >= before - left, "{pruned:?}");
    assert!(built.prune().removed.is_empty(), "it is as it may be");
    // It costs time and nothing else.
    built.deploy("six");
    built.sandbox.run(&["rollback"]).ok();
    assert_eq!(built.sandbox.end(), [], "before its engine goes");
}

/// An application of one process with a volume, of which only the release that serves and one more are kept.
fn shelf(sandbox: &Sandbox, listen: &str, volumes: &str, says: &str) {
    let tiny = Tiny::new("shelf", listen, "restart").key(volumes).says(says);
    sandbox.write_tiny(&tiny);
    sandbox.edit("landfall.toml", "name =", "keep = 1\nname =");
}

fn idle(sandbox: &Sandbox) -> Vec<String> {
    let shown = view(&sandbox.run(&["disk", "--all", "--json"]).ok());
    let idle = shown.entries.iter().filter(|entry| entry.idle_since.is_some());
    idle.map(|entry| entry.name.clone()).collect()
}

#[test]
fn a_volume_goes_once_no_kept_release_needs_it_and_a_person_says_so() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let listen = free_address();
    shelf(&sandbox, &listen, r#"volumes = { data = "/data" }"#, "one");
    sandbox.run(&["deploy"]).ok();
    let folder = sandbox.state().join("apps/shelf/dev/web/volumes");
    std::fs::write(folder.join("data/precious"), "1").expect("a file in the volume");
    // A release without it serves, and the one before may be gone back to: a rollback finds its data.
    shelf(&sandbox, &listen, r#"volumes = { other = "/other" }"#, "two");
    sandbox.run(&["deploy"]).ok();
    assert!(idle(&sandbox).is_empty());
    sandbox.run(&["disk", "--prune", "--volumes", "--yes"]).ok();
    sandbox.run(&["rollback"]).ok();
    assert!(folder.join("data/precious").exists());
    // Nothing goes back to it any more.
    for says in ["three", "four", "five"] {
        shelf(&sandbox, &listen, r#"volumes = { other = "/other" }"#, says);
        sandbox.run(&["deploy"]).ok();
    }
    wait_until("no release has the volume", SOON, || idle(&sandbox) == ["data"]);
    sandbox.run(&["disk"]).ok().says("no release needs it since 20").says("landfall disk --prune --volumes");
    sandbox.run(&["disk", "--prune"]).ok();
    sandbox.run(&["disk", "--prune", "--volumes"]).code(3).says("volume data of web (shelf in dev)");
    assert!(folder.join("data/precious").exists());
    // Nor does it go while somebody looks at it.
    let open = std::fs::File::open(folder.join("data/precious")).expect("it is there");
    sandbox.run(&["disk", "--prune", "--volumes", "--yes"]).code(3).says("is in use by the process");
    drop(open);
    sandbox.run(&["disk", "--prune", "--volumes", "--yes"]).ok().says("removed volume data of web");
    assert!(!folder.join("data").exists() && folder.join("other").exists());
    wait_until("what it held is gone", SOON, || !sandbox.state().join("going").exists());
}

#[test]
fn what_an_application_leaves_goes_by_itself_only_as_its_owner_says() {
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    shelf(&sandbox, &free_address(), r#"volumes = { data = "/data" }"#, "one");
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["down", "--yes"]).ok();
    assert_eq!(idle(&sandbox), ["data"], "the volume of a service that is gone");
    sandbox.run(&["agent", "stop"]).ok();
    sandbox.set("LANDFALL_VOLUMES_KEEP", "0");
    sandbox.run(&["disk", "--prune"]).ok();
    let folder = sandbox.state().join("apps/shelf/dev/web/volumes/data");
    assert!(folder.exists(), "within a day it can be had back");
    // Two days later.
    sandbox.run(&["agent", "stop"]).ok();
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
        db.execute(\"UPDATE idle_volumes SET since = '2026-01-01T00:00:00.000Z'\"); db.commit()";
    let database = sandbox.state().join("state.db");
    let edited = std::process::Command::new("/usr/bin/python3").args(["-c", script]).arg(database).status();
    assert!(edited.expect("python3 starts").success());
    sandbox.run(&["disk", "--prune"]).ok().says("removed volume data of web (shelf in dev)");
    assert!(!sandbox.state().join("apps/shelf").exists());
}

#[test]
fn a_kill_in_the_middle_leaves_a_volume_whole_or_none() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    shelf(&sandbox, &free_address(), r#"volumes = { data = "/data" }"#, "one");
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["down", "--yes"]).ok();
    let folder = sandbox.state().join("apps/shelf/dev/web/volumes/data");
    for number in 0..2_000 {
        std::fs::write(folder.join(number.to_string()), "x").expect("a file in the volume");
    }
    let pruning = sandbox.spawn(&["disk", "--prune", "--volumes", "--yes"]);
    wait_until("the volume left its place", SOON, || !folder.exists());
    assert!(sandbox.kill_agent());
    drop(pruning);
    let left = std::fs::read_dir(sandbox.state().join("going/1")).map_or(0, Iterator::count);
    eprintln!("killed with {left} files left");
    // What is deployed now has a volume of its own, and what was left goes.
    sandbox.run(&["deploy"]).ok();
    assert_eq!(std::fs::read_dir(&folder).expect("the new volume").count(), 0);
    sandbox.run(&["disk", "--prune"]).ok();
    wait_until("what was left is gone", SOON, || !sandbox.state().join("going").exists());
}
