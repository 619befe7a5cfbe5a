//! What takes what, and taking away what nothing needs: only ever what is ours.

use std::time::Duration;

use landfall_model::api::{DiskEntry, DiskKind, DiskView, Pruned, Whose};
use landfall_testkit::app::Tiny;
use landfall_testkit::docker::Docker;
use landfall_testkit::sandbox::{Ran, Sandbox, free_address};
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
printf '{{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":{{"Labels":{{"io.landfall.state":"{mark}"}}}},"rootfs":{{"type":"layers","diff_ids":["sha256:%s"]}},"history":[{{"created":"2020-01-01T00:00:00Z"}}]}}' $id > config.json
echo '[{{"Config":"config.json","RepoTags":["landfall-test/{name}:1"],"Layers":["layer.tar"]}}]' > manifest.json
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
    assert_eq!(needless, [format!("landfall-test/{idle}:1")]);
    let theirs = of(&shown, DiskKind::Image, Whose::Others);
    assert!(theirs.iter().any(|image| image.name.contains(&stranger)), "{theirs:?}");
    let text = sandbox.run(&["disk"]).ok();
    assert!(text.stdout.contains("3 images") && text.stdout.contains("landfall disk --prune"), "{text}");

    let pruned: Pruned =
        serde_json::from_str(&sandbox.run(&["disk", "--prune", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(pruned.removed, [format!("landfall-test/{idle}:1")]);
    assert_eq!(docker.images(), served);
    assert!(docker.has_image(&format!("landfall-test/{stranger}:1")));
    docker.run(&["image", "rm", &format!("landfall-test/{stranger}:1")]);

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
