//! What an image costs in the host's image store when only a layer of 10 KB of it is new.

use std::process::{Command, Stdio};

use landfall_artifact::Store;
use landfall_oci::archive::{Imported, import};
use landfall_oci::{Images, Repository};
use landfall_testkit::docker::Docker;

use super::image::{self, Deployed};
use crate::report::Section;

const BOUND: u64 = 32 * 1024;
/// The new layer.
const LAYER: usize = 10 * 1024;

pub(super) fn measure(ours: &Deployed, section: &mut Section) {
    let docker = ours.sandbox.docker();
    let folder = ours.sandbox.root().join("layers");
    let name = format!("landfall-bench-layer-{}", std::process::id());
    let images = ours.sandbox.root().join("images");
    let store =
        Images::open(&images, Store::open(&images.join("chunks")).expect("a store")).expect("a store");
    let put = |content: &[u8]| {
        image::write(&folder, "layer");
        std::fs::write(folder.join("tiny.py"), content).expect("a file");
        let _ = docker.run(&["build", "--quiet", "--tag", &name, &folder.display().to_string()]);
        put(docker, &name, &store)
    };
    let first = put(&noise(1));
    let second = put(&noise(2));
    let _ = docker.run(&["image", "rm", "--force", &name]);
    section.bounded(
        &format!("bytes into the store for an image of {} MB with one new layer of 10 KB", second.size / 1_000_000),
        &format!("{} bytes", second.new),
        "32 KiB",
        second.new <= BOUND,
        &format!(
            "`docker save` into the agent's image store, the layer's file random; the first image took {} bytes",
            first.new
        ),
    );
}

/// Puts the engine's image into the store.
fn put(docker: &Docker, name: &str, store: &Images) -> Imported {
    let mut save = Command::new("docker");
    save.args(["save", name]).envs(docker.variables()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut save = save.spawn().expect("docker is there");
    let mut archive = save.stdout.take().expect("it is piped");
    let repository: Repository = "bench/web".parse().expect("a name");
    let imported = import(store, &repository, &mut archive, None).expect("an archive of one image");
    let _ = save.wait();
    imported
}

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        // Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..LAYER).map(step).collect()
}
