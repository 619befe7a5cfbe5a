//! A test's own corner of the engine: names and a label that nothing else has, and everything removed at the end.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use landfall_docker::{Build, Builder, ContainerSpec, Engine};

/// The image that the tests' own are made from.
pub(crate) const BASE: &str = "debian:bookworm-slim";

/// How often images are gone through that were built upon each other, at most.
const ROUNDS: usize = 10;

/// The label of everything that a test makes.
const LABEL: &str = "io.landfall.test";

/// A test's corner of the engine.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    /// Begins the names of what the test makes.
    pub(crate) name: String,
}

impl Bench {
    /// Connects to the test engine; `None`, said loudly, without one.
    pub(crate) async fn set_up() -> Option<Self> {
        let Ok(host) = std::env::var("LANDFALL_TEST_DOCKER") else {
            eprintln!("SKIPPED: no Docker engine for tests (LANDFALL_TEST_DOCKER is not set)");
            return None;
        };
        let engine = Engine::connect(Some(&host), None).await.expect("the engine that is named answers");
        if engine.image(BASE).await.unwrap().is_none() {
            eprintln!("SKIPPED: the test engine has no image {BASE}");
            return None;
        }
        let name = format!("lf-{:08x}", getrandom::u32().unwrap());
        Some(Self { engine, name })
    }

    /// The label that marks what this test makes.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(LABEL.to_owned(), self.name.clone())])
    }

    /// The same, to search by.
    pub(crate) fn filter(&self) -> Vec<String> {
        vec![format!("{LABEL}={}", self.name)]
    }

    /// A container of the base image that runs a shell line.
    pub(crate) fn shell(&self, name: &str, line: &str) -> ContainerSpec {
        ContainerSpec {
            name: format!("{}-{name}", self.name),
            image: BASE.to_owned(),
            command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
            labels: self.labels(),
            ..ContainerSpec::default()
        }
    }

    /// A build of these files.
    pub(crate) fn build(&self, dockerfile: &str, files: &[(&str, &str)]) -> Build {
        Build {
            context: archive(files),
            dockerfile: dockerfile.to_owned(),
            written: false,
            tags: vec![format!("landfall-test/{}:1", self.name)],
            labels: self.labels(),
            args: BTreeMap::new(),
            target: None,
            platform: None,
            secrets: BTreeMap::new(),
            network: Some("none".to_owned()),
            builder: Builder::Best,
            name: self.name.clone(),
            logins: BTreeMap::new(),
        }
    }

    /// Removes what the test made. Called at a test's end; a test that fails leaves it to be looked at.
    pub(crate) async fn tear_down(self) {
        for container in self.engine.containers(&self.filter()).await.unwrap() {
            self.engine.remove(&container.id).await.unwrap();
        }
        for network in self.engine.networks(&self.filter()).await.unwrap() {
            self.engine.remove_network(&network.name).await.unwrap();
        }
        // Images of the same second are listed in any order, and one that another was built upon goes after that one.
        let mut refused = None;
        for _ in 0..ROUNDS {
            refused = None;
            for image in self.engine.images(&self.filter()).await.unwrap() {
                refused = self.engine.remove_image(image.id.as_str()).await.err().or(refused);
            }
            if refused.is_none() {
                break;
            }
        }
        assert!(refused.is_none(), "{refused:?}");
    }
}

/// An archive of regular files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Box<dyn Read + Send> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    Box::new(Cursor::new(builder.into_inner().unwrap()))
}
