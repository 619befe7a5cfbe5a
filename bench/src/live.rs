//! The bench's own application, deployed in a sandbox: releases with a name, of any strategy and with any flaws.

use std::path::{Path, PathBuf};

use landfall_testkit::load::LoadPlan;
use landfall_testkit::sandbox::{Ran, Sandbox, free_address};
use landfall_testkit::streams::StreamPlan;

use crate::application::{FLAWS, Flaws, RELEASE, ROLE, TALLIES};

/// Its host name.
const HOST: &str = "bench.localhost";

/// How it is released.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// What stands behind `strategy = `.
    pub(crate) strategy: String,
    /// Instances.
    pub(crate) replicas: u32,
    /// How long an old release may finish what is under way, as manifests write it.
    pub(crate) drain: String,
}

/// A deployment of it.
pub(crate) struct Live {
    pub(crate) sandbox: Sandbox,
    /// Where the proxy listens.
    pub(crate) address: String,
    manner: Manner,
}

impl Live {
    /// Deploys a first release.
    ///
    /// # Panics
    /// When that fails.
    pub(crate) fn new(binary: &Path, manner: Manner, release: &str, flaws: &Flaws) -> Self {
        let live = Self { sandbox: Sandbox::new(binary), address: free_address(), manner };
        std::fs::create_dir(live.tallies()).expect("a folder in the sandbox");
        let _ = live.deploy(release, flaws).ok();
        live
    }

    /// Deploys a release, whatever comes of it.
    pub(crate) fn deploy(&self, release: &str, flaws: &Flaws) -> Ran {
        self.sandbox.write("landfall.toml", &self.manifest(release, flaws));
        self.sandbox.run(&["deploy", "--json"])
    }

    /// The folder in which each release counts its requests.
    pub(crate) fn tallies(&self) -> PathBuf {
        self.sandbox.root().join("tallies")
    }

    /// Requests at a rate.
    pub(crate) fn load(&self, rate: u32) -> LoadPlan {
        LoadPlan::new(&self.address, HOST, rate)
    }

    /// As many websockets as feeds.
    pub(crate) fn streams(&self, each: usize) -> StreamPlan {
        StreamPlan::new(&self.address, HOST, each, each)
    }

    fn manifest(&self, release: &str, flaws: &Flaws) -> String {
        let program = std::env::current_exe().expect("this program has a path");
        let Manner { strategy, replicas, drain } = &self.manner;
        format!(
            r#"name = "bench"
version = "1.0.0"

[service.web]
run      = ["{}", "{ROLE}"]
health   = "/healthz"
replicas = {replicas}
strategy = {strategy}
drain    = "{drain}"
env      = {{ {RELEASE} = "{release}", {FLAWS} = "{flaws}", {TALLIES} = "{}" }}

[environment.dev]
domain = "{HOST}"
listen = "{}"
"#,
            program.display(),
            self.tallies().display(),
            self.address,
        )
    }
}
