//! A changed line by Landfall, beside `docker build` of such a line and the boot of a container of it by hand, in turn.

use std::time::{Duration, Instant};

use landfall_testkit::docker::Docker;

use super::image::{self, Deployed, INSIDE};
use crate::report::Section;
use crate::stats::{Times, ms, spread};

const BOUND: Duration = Duration::from_millis(300);

pub(super) fn measure(ours: &Deployed, runs: u32, section: &mut Section) {
    let docker = ours.sandbox.docker();
    let alone = Alone::new(docker, ours.sandbox.root().join("alone").display().to_string());
    let (mut builds, mut boots) = (Times::default(), Times::default());
    let mut deploys = Times::default();
    for turn in 0..runs {
        let build = alone.build(&format!("alone {turn}"));
        let boot = alone.boot();
        ours.change(&format!("ours {turn}"));
        let deploy = ours.sandbox.time(&["deploy", "-q"]);
        builds.add(build);
        boots.add(boot);
        deploys.add(deploy);
    }
    let size = docker.run(&["image", "inspect", "--format", "{{.Size}}", &alone.image]);
    let megabytes = size.trim().parse::<u64>().unwrap_or_default() / 1_000_000;
    section.bounded(
        &format!("blue-green deploy of a changed line in an image of {megabytes} MB, beyond `docker build` and the container's own boot"),
        &beyond(deploys.median(), builds.median() + boots.median()),
        "300 ms",
        deploys.median() <= builds.median() + boots.median() + BOUND,
        &format!(
            "from `landfall deploy` to verified serving {}; `docker build` of such a line {}; from `docker run -d` to the first \
             answer {}; taken in turn, the difference is that of the medians; both of the latter begin with docker's own \
             command line",
            spread(&deploys),
            spread(&builds),
            spread(&boots)
        ),
    );
}

/// How much longer the first is than the second; with a minus when it is shorter.
fn beyond(whole: Duration, parts: Duration) -> String {
    let sign = if whole < parts { "-" } else { "" };
    format!("{sign}{}", ms(whole.abs_diff(parts)))
}

/// The application by hand, in a network of its own where its address is known before it boots.
struct Alone<'a> {
    docker: &'a Docker,
    folder: String,
    image: String,
    network: String,
    address: String,
}

impl<'a> Alone<'a> {
    fn new(docker: &'a Docker, folder: String) -> Self {
        let image = format!("landfall-bench-{}", std::process::id());
        let network = format!("{image}-network");
        let _ = docker.run(&["network", "create", &network]);
        let subnet =
            docker.run(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &network]);
        // Only one whose addresses were asked for takes a fixed one.
        let _ = docker.run(&["network", "rm", &network]);
        let _ = docker.run(&["network", "create", "--subnet", &subnet, &network]);
        let start = subnet.rsplit_once('.').expect("an IPv4 network").0;
        let alone = Self { docker, folder, image, address: format!("{start}.9"), network };
        let _ = alone.build("first");
        alone
    }

    fn build(&self, version: &str) -> Duration {
        image::write(self.folder.as_ref(), version);
        let begun = Instant::now();
        let _ = self.docker.run(&["build", "--quiet", "--tag", &self.image, &self.folder]);
        begun.elapsed()
    }

    fn boot(&self) -> Duration {
        let begun = Instant::now();
        let started =
            ["run", "--detach", "--name", &self.image, "--network", &self.network, "--ip", &self.address];
        let _ = self.docker.run(&[&started[..], &[&self.image]].concat());
        image::wait(&format!("{}:{INSIDE}", self.address));
        let boot = begun.elapsed();
        let _ = self.docker.run(&["rm", "--force", &self.image]);
        boot
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let _ = self.docker.run(&["network", "rm", &self.network]);
        let _ = self.docker.run(&["image", "rm", "--force", &self.image]);
    }
}
