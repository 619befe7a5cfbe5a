//! The same changed line under load, by Landfall, by `docker compose up -d --build`, and by a script that builds, pushes,
//! pulls, stops and runs.

use std::time::Instant;

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::docker::Docker;
use landfall_testkit::load::{Load, LoadPlan, LoadReport};
use landfall_testkit::sandbox::free_address;

use super::image::{self, BETWEEN, Deployed, HOST, INSIDE, RATE};
use super::registry::Registry;
use crate::report::Section;
use crate::stats::{Times, ms, spread};

pub(super) fn measure(ours: &Deployed, runs: u32, section: &mut Section) {
    let (load, times) = under_load(&ours.address, runs, |turn| {
        ours.change(&format!("ours under load {turn}"));
        let _ = ours.sandbox.time(&["deploy", "-q"]);
    });
    section.bounded(
        &format!("{runs} blue-green deploys of a changed line in containers under {RATE} requests a second"),
        &format!("{} failed of {}", load.failed, load.failed + load.served),
        "0 failed",
        load.failed == 0,
        &told(&load, &times, "from the command to verified serving"),
    );
    let docker = ours.sandbox.docker();
    let folder = ours.sandbox.root().join("peer").display().to_string();
    compose(docker, &folder, runs, section);
    match Registry::start() {
        Some(registry) => script(docker, &folder, &registry, runs, section),
        None => {
            section.skipped("a build, push, pull, stop and run script: docker-registry does not start here");
        }
    }
}

fn compose(docker: &Docker, folder: &str, runs: u32, section: &mut Section) {
    if !docker.has_plugin("compose") {
        return section.skipped("`docker compose up -d --build`: docker has no compose plugin");
    }
    let address = free_address();
    let project = format!("landfall-bench-{}", std::process::id());
    image::write(folder.as_ref(), "compose");
    let file = format!("{folder}/compose.yaml");
    let text = format!("services:\n  web:\n    build: .\n    ports: [\"{address}:{INSIDE}\"]\n");
    std::fs::write(&file, text).expect("a file");
    let base = ["compose", "--project-name", &project, "--file", &file];
    let up = || docker.run(&[&base[..], &["up", "--detach", "--build"]].concat());
    let _ = up();
    image::wait(&address);
    let (load, times) = under_load(&address, runs, |turn| {
        image::write(folder.as_ref(), &format!("compose {turn}"));
        let _ = up();
        image::wait(&address);
    });
    let _ = docker.run(&[&base[..], &["down", "--volumes", "--rmi", "local"]].concat());
    compared("`docker compose up -d --build`", runs, &load, &times, section);
}

fn script(docker: &Docker, folder: &str, registry: &Registry, runs: u32, section: &mut Section) {
    let address = free_address();
    let name = format!("landfall-bench-script-{}", std::process::id());
    let publish = format!("{address}:{INSIDE}");
    let deploy = |version: &str| {
        let reference = format!("{}/bench:{version}", registry.address);
        image::write(folder.as_ref(), &format!("script {version}"));
        let _ = docker.run(&["build", "--quiet", "--tag", &reference, folder]);
        let _ = docker.run(&["push", "--quiet", &reference]);
        let _ = docker.run(&["pull", "--quiet", &reference]);
        // Nothing to stop the first time.
        if version != "first" {
            let _ = docker.run(&["stop", &name]);
            let _ = docker.run(&["rm", &name]);
        }
        let _ = docker.run(&["run", "--detach", "--name", &name, "--publish", &publish, &reference]);
        image::wait(&address);
    };
    deploy("first");
    let (load, times) = under_load(&address, runs, |turn| deploy(&turn.to_string()));
    let _ = docker.run(&["rm", "--force", &name]);
    let pattern = format!("{}/bench", registry.address);
    for image in docker.run(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &pattern]).lines() {
        let _ = docker.run(&["image", "rm", "--force", image]);
    }
    compared(
        "a script: build, push, pull, stop, run, with a registry on loopback",
        runs,
        &load,
        &times,
        section,
    );
}

/// Deploys again and again while somebody asks.
fn under_load(address: &str, runs: u32, mut deploy: impl FnMut(u32)) -> (LoadReport, Times) {
    let load = Load::start(LoadPlan::new(address, HOST, RATE));
    let mut times = Times::default();
    for turn in 0..runs {
        SystemClock::new().sleep(BETWEEN);
        let begun = Instant::now();
        deploy(turn);
        times.add(begun.elapsed());
    }
    SystemClock::new().sleep(BETWEEN);
    (load.stop(), times)
}

fn compared(what: &str, runs: u32, load: &LoadReport, times: &Times, section: &mut Section) {
    section.compared(
        &format!("the same with {what}, {runs} times under {RATE} requests a second"),
        &format!("{} failed of {}", load.failed, load.failed + load.served),
        &told(load, times, "until it answers, without tests or proof"),
    );
}

fn told(load: &LoadReport, times: &Times, until: &str) -> String {
    format!(
        "the changed line, {until}, {}; longest wait of a request {}; longest time without an answer {}",
        spread(times),
        ms(load.longest_wait()),
        ms(load.longest_gap)
    )
}
