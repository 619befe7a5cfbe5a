//! The guestbook, unchanged but for one line: it moves from processes into containers and back, under a load, with what
//! people wrote. Without an engine it says that it was skipped.

use landfall_model::{Digest, Outcome, Receipt};
use landfall_testkit::ask::{ask, post_json};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::wait::wait_until;
use std::time::Duration;

/// How long what was taken down may take to be gone.
const SETTLED: Duration = Duration::from_secs(180);

const HOST: &str = "guestbook.localhost";

struct Guestbook {
    sandbox: Sandbox,
    address: String,
}

impl Guestbook {
    fn new() -> Option<Self> {
        let sandbox = Sandbox::with_docker(env!("CARGO_BIN_EXE_landfall"), &["python:3.13-slim"])?;
        sandbox.copy_example("guestbook");
        let address = free_address();
        let listen = format!("domain  = \"{HOST}\"\nlisten  = \"{address}\"");
        sandbox.edit("landfall.toml", &format!("domain  = \"{HOST}\""), &listen);
        Some(Self { sandbox, address })
    }

    fn deploy(&self) -> Receipt {
        let receipt = self.sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!((receipt.outcome, receipt.requests.failed), (Outcome::Done, 0), "{receipt:?}");
        receipt
    }

    /// The one line.
    fn move_to(&self, from: &str, to: &str) {
        let [from, to] = [from, to]
            .map(|runtime| format!("[environment.dev]\ntarget  = \"host\"\nruntime = \"{runtime}\"\n"));
        self.sandbox.edit("landfall.toml", &from, &to);
    }

    fn sign(&self, name: &str) {
        let body = format!(r#"{{"name": "{name}", "message": "was here"}}"#);
        let answer = post_json(&self.address, HOST, "/api/entries", &body).expect("somebody answers");
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn entries(&self) -> usize {
        ask(&self.address, HOST, "/api/entries").expect("somebody answers").body.matches("\"id\"").count()
    }
}

#[test]
fn one_line_moves_the_guestbook_into_containers() {
    let Some(book) = Guestbook::new() else { return };
    let docker = book.sandbox.docker();
    let process = book.deploy();
    assert!(matches!(process.instances[0].digest, Digest::Blake3(_)), "{process:?}");
    assert!(docker.containers(None).is_empty());
    book.sign("Ada");
    let load = Load::start(LoadPlan::new(&book.address, HOST, 60));

    book.move_to("process", "docker");
    let container = book.deploy();
    assert!(container.steps.iter().any(|step| step.name.contains("test")), "the gate ran: {container:?}");
    assert_eq!(container.artifact_digest, process.artifact_digest, "the same sources");
    assert!(matches!(container.instances[0].digest, Digest::Sha256(_)), "{container:?}");
    assert_eq!(docker.containers(Some("web")).len(), 1);
    book.sign("Grace");
    assert_eq!(book.entries(), 2);

    // A configuration that changes builds nothing.
    let images = docker.images();
    book.sandbox.edit("landfall.toml", "LOG_LEVEL = \"info\"", "LOG_LEVEL = \"debug\"");
    let _ = book.deploy();
    assert_eq!(docker.images(), images);
    book.sandbox.edit("guestbook.py", "\"TITLE\", \"Guestbook\"", "\"TITLE\", \"Visitors\"");
    let _ = book.deploy();
    assert!(ask(&book.address, HOST, "/").expect("an answer").body.contains("<h1>Visitors</h1>"));
    assert_eq!(docker.images().len(), images.len() + 1);

    book.move_to("docker", "process");
    let back = book.deploy();
    assert!(matches!(back.instances[0].digest, Digest::Blake3(_)), "{back:?}");
    wait_until("the containers are gone", SETTLED, || docker.containers(None).is_empty());
    book.sign("Barbara");
    assert_eq!(book.entries(), 3);
    eprintln!("{}", load.stop().lost_nothing());
    let found = book.sandbox.find_secret("development-only-not-a-secret");
    assert!(found.is_empty(), "{found:?}");
    book.sandbox.run(&["down", "--yes"]).ok();
}
