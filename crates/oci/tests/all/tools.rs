//! The programs that the tests call, and images made by hand.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use landfall_oci::{Descriptor, Manifest, Sha256, media};
use serde_json::json;

/// Runs a program to its end and gives what it printed.
pub(crate) async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    });
    String::from_utf8(output.await.unwrap().stdout).unwrap()
}

/// A program with these arguments.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// Whether a program is there; says so loudly when not.
pub(crate) fn have(name: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    if !found {
        eprintln!("SKIPPED: {name} is not installed");
    }
    found
}

/// The engine of the tests, as `DOCKER_HOST` names it; says so loudly when there is none.
pub(crate) fn engine() -> Option<String> {
    let engine =
        std::env::var("LANDFALL_TEST_DOCKER").ok().filter(|engine| !engine.is_empty() && have("docker"));
    if engine.is_none() {
        eprintln!("SKIPPED: no Docker engine for tests, LANDFALL_TEST_DOCKER names none");
    }
    engine
}

/// The docker client with that engine and the configuration in `config`.
pub(crate) fn docker(engine: &str, config: &Path, arguments: &[&str]) -> Command {
    let mut command = program("docker", arguments);
    command.env("DOCKER_HOST", engine).env("DOCKER_CONFIG", config);
    command
}

/// Writes what `docker login` would for a registry.
pub(crate) fn log_in(config: &Path, registry: &str, user: &str, password: &str) {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    fs::write(config.join("config.json"), json!({"auths": {registry: {"auth": auth}}}).to_string()).unwrap();
}

/// A layer with one file.
pub(crate) fn layer(path: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, content).unwrap();
    tar.into_inner().unwrap()
}

/// The configuration of an image of these layers for this machine.
pub(crate) fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let diff_ids: Vec<_> = layers.iter().map(|layer| Sha256::of(layer)).collect();
    let history: Vec<_> = layers.iter().map(|_| json!({"created_by": "a test"})).collect();
    json!({"architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/true"]}, "history": history,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string()
    .into_bytes()
}

/// Writes an OCI image layout with one image of these layers; gives the manifest.
pub(crate) fn oci_layout(folder: &Path, layers: &[Vec<u8>]) -> Vec<u8> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest = Sha256::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        Descriptor::new(kind, digest, bytes.len() as u64)
    };
    let config = put(media::CONFIG, &config(layers));
    let layers: Vec<_> = layers.iter().map(|layer| put(media::LAYER, layer)).collect();
    let manifest = Manifest::image(&config, &layers);
    let index = json!({"schemaVersion": 2, "manifests": [put(media::MANIFEST, &manifest)]});
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    manifest
}
