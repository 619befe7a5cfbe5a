//! Which image a release is: what was built from its very sources, never one that only looks like it. Without an engine each
//! test says that it was skipped.

use landfall_testkit::app::Tiny;
use landfall_testkit::ask::ask;
use landfall_testkit::docker::Docker;
use landfall_testkit::sandbox::{Sandbox, free_address};

const DOCKERFILE: &str = "FROM python:3.13-slim\nWORKDIR /app\nCOPY tiny.py .\n\
                          CMD [\"python3\", \"-S\", \"-E\", \"tiny.py\"]\n";

struct World {
    sandbox: Sandbox,
    tiny: Tiny,
    docker: Docker,
}

impl World {
    fn new(name: &str) -> Option<Self> {
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let docker = Docker::of(sandbox.state(), &["python:3.13-slim"])?;
        for (name, value) in docker.variables() {
            sandbox.set(name, &value);
        }
        let tiny = Tiny::new(name, &free_address(), "restart");
        sandbox.write("Dockerfile", DOCKERFILE);
        Some(Self { sandbox, tiny, docker })
    }

    fn write(&self, tiny: &Tiny) {
        self.sandbox.write_tiny(tiny);
        self.sandbox.edit("landfall.toml", "[environment.dev]", "[environment.dev]\nruntime = \"docker\"");
    }

    /// Deploys what says `says`; gives the tag and the image.
    fn deploy(&self, says: &str) -> (String, String) {
        self.write(&self.tiny.clone().says(says));
        let receipt = self.sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!(self.says(), says);
        let tag = format!("landfall/{}/web:{}", self.tiny.name, receipt.version);
        (tag, receipt.instances[0].digest.to_string())
    }

    fn says(&self) -> String {
        ask(&self.tiny.listen, &self.tiny.host(), "/").expect("an answer").body.trim_end().to_owned()
    }
}

#[test]
fn an_image_that_somebody_built_upon_ours_is_never_taken_for_ours() {
    let Some(world) = World::new("upon") else { return };
    let (tag, image) = world.deploy("one");
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = folder.path().join("Dockerfile");
    std::fs::write(&dockerfile, format!("FROM {tag}\nRUN echo a developer was here > /app/note\n")).unwrap();
    let own = format!("upon-{}:1", std::process::id());
    world.docker.run(&["build", "--quiet", "--tag", &own, folder.path().to_str().unwrap()]);
    world.deploy("two");
    // Of the same sources again: the same image, and not the newest with our labels.
    let (_, again) = world.deploy("one");
    assert_eq!(again, image);
    let disk = world.sandbox.run(&["disk", "--prune", "--yes"]).ok();
    assert!(!disk.stdout.contains("upon-"), "{}", disk.stdout);
    assert!(world.docker.has_image(&own));
    world.docker.run(&["image", "rm", &own]);
}

#[test]
fn a_version_whose_image_is_gone_is_not_made_of_another_one() {
    let Some(world) = World::new("gone") else { return };
    let (tag, image) = world.deploy("one");
    world.deploy("two");
    world.docker.run(&["image", "rm", &tag]);
    assert!(!world.docker.has_image(&image));
    let ran = world.sandbox.run(&["rollback"]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.stdout.contains("is gone from the engine"), "{}", ran.stdout);
    assert!(ran.stdout.contains("deploy again"), "{}", ran.stdout);
    assert_eq!(world.says(), "two");
    // The same sources are a new version, of a new image.
    world.deploy("one");
}

#[test]
fn data_that_would_go_with_a_container_is_asked_for() {
    let Some(world) = World::new("keeps") else { return };
    world.sandbox.write("Dockerfile", &DOCKERFILE.replace("CMD", "VOLUME /var/lib/db /var/cache/db\nCMD"));
    world.write(&world.tiny.clone().key(r#"tmpfs = ["/var/cache"]"#));
    let ran = world.sandbox.run(&["deploy"]).code(4);
    assert!(ran.stdout.contains("the image keeps data in /var/lib/db"), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#"volumes = { data = "/var/lib/db" }"#), "{}", ran.stdout);
    world.write(&world.tiny.clone().key("tmpfs = [\"/var/cache\"]\nvolumes = { data = \"/var/lib/db\" }"));
    world.sandbox.run(&["deploy"]).ok();
}

#[test]
fn files_in_images_are_dated_by_their_content() {
    let Some(world) = World::new("dated") else { return };
    world.sandbox.write("Dockerfile", &DOCKERFILE.replace("COPY tiny.py", "COPY tiny.py kept"));
    world.sandbox.write("kept", "as it is");
    let dates = || -> Vec<i64> {
        let ran = world.sandbox.run(&["exec", "web", "--", "stat", "-c", "%Y", "kept", "tiny.py"]).ok();
        ran.stdout.lines().map(|line| line.parse().expect("seconds")).collect()
    };
    world.deploy("one");
    let first = dates();
    // Later than this was written: a date that was made up would be anywhere.
    assert!(first.iter().all(|date| *date > 1_750_000_000), "{first:?}");
    world.deploy("two");
    let second = dates();
    assert_eq!(first[0], second[0], "nothing has changed");
    assert!(first[1] < second[1], "{first:?} {second:?}");
    // What was there before is newer than what came between.
    world.deploy("six");
    world.sandbox.write("kept", "another");
    world.deploy("ten");
    let third = dates();
    assert!(third[0] > second[0] && third[1] > second[1], "{second:?} {third:?}");
}
