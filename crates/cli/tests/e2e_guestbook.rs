//! The story of the README with the real guestbook: Flask, gunicorn, SQLite, pytest, under a load that writes as well.
//! One sandbox for all of it, because preparing its dependencies asks the package index.

use landfall_model::Outcome;
use landfall_testkit::ask::{ask, post_json};
use landfall_testkit::load::{Load, LoadPlan, LoadReport};
use landfall_testkit::sandbox::{Sandbox, free_address};

const HOST: &str = "guestbook.localhost";

struct Story {
    sandbox: Sandbox,
    address: String,
}

impl Story {
    fn title(&self) -> String {
        let page = ask(&self.address, HOST, "/").expect("somebody answers");
        assert_eq!(page.status, 200, "{page:?}");
        let title = page.body.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next());
        title.unwrap_or_else(|| panic!("no title: {page:?}")).to_owned()
    }

    fn retitle(&self, from: &str, to: &str) {
        self.sandbox.edit("guestbook.py", &format!("\"TITLE\", \"{from}\""), &format!("\"TITLE\", \"{to}\""));
    }

    fn sign(&self, name: &str) {
        let body = format!(r#"{{"name": "{name}", "message": "was here"}}"#);
        let answer = post_json(&self.address, HOST, "/api/entries", &body).expect("somebody answers");
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn entries(&self) -> usize {
        ask(&self.address, HOST, "/api/entries").expect("somebody answers").body.matches("\"id\"").count()
    }

    /// Requests to the page over kept and new connections while `work` is done; none may be lost.
    fn under_load(&self, work: impl FnOnce()) -> LoadReport {
        let load = Load::start(LoadPlan::new(&self.address, HOST, 60));
        work();
        load.stop().lost_nothing()
    }

    fn break_and_mend(&self, from: &str, to: &str, words: &[&str]) {
        self.sandbox.edit("guestbook.py", from, to);
        let ran = self.sandbox.run(&["deploy"]).code(4);
        for word in words {
            assert!(ran.stderr.contains(word) || ran.stdout.contains(word), "`{word}` is missing: {ran}");
        }
        self.sandbox.edit("guestbook.py", to, from);
    }
}

#[test]
fn the_guestbook_from_its_first_deploy_to_its_last() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    sandbox.copy_example("guestbook");
    let address = free_address();
    sandbox.edit("landfall.toml", "[environment.dev]", &format!("[environment.dev]\nlisten = \"{address}\""));
    // So that what never becomes healthy is not waited for the minute that is the default.
    let health = "health   = { path = \"/healthz\", start_period = \"8s\" }";
    sandbox.edit("landfall.toml", "health   = \"/healthz\"", health);
    let story = Story { sandbox, address };
    let sandbox = &story.sandbox;

    let first = sandbox.run(&["deploy", "--json"]).ok().receipt();
    assert_eq!((first.outcome, first.instances.len()), (Outcome::Done, 1), "{first:?}");
    assert!(first.version.to_string().starts_with("1.4.0-"), "{}", first.version);
    assert!(first.steps.iter().any(|step| step.name.contains("test")), "the gate ran: {first:?}");
    assert_eq!(
        first.url.as_deref(),
        Some(format!("http://{HOST}:{}", story.address.rsplit(':').next().unwrap()).as_str())
    );
    assert_eq!(story.title(), "Guestbook");
    story.sign("Ada");

    // A changed line, with requests held and then without a pause.
    let report = story.under_load(|| {
        story.retitle("Guestbook", "Visitors");
        let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!((receipt.requests.failed, receipt.previous_version), (0, Some(first.version.clone())));
        assert_eq!(story.title(), "Visitors");
        story.sign("Grace");
        sandbox.edit("landfall.toml", "strategy = \"restart\" ", "strategy = \"blue-green\" ");
        story.retitle("Visitors", "Friends");
        let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
        assert_eq!((receipt.requests.failed, receipt.requests.held), (0, 0), "{receipt:?}");
        assert_eq!(story.title(), "Friends");
        story.sign("Barbara");
    });
    eprintln!("{report}");
    assert_eq!(story.entries(), 3, "what was written is there, whichever release wrote it");

    // Releases that are no good.
    let _ = story.under_load(|| {
        story.break_and_mend("def index():", "def index(:", &["SyntaxError"]);
        sandbox.edit("landfall.toml", "test     = [\"pytest -q\"]", "# test   = [\"pytest -q\"]");
        story.break_and_mend("return {\"status\": \"ok\"", "return 1/0 or {\"status\": \"ok\"", &["500"]);
        story.break_and_mend("os.environ[\"SECRET_KEY\"]", "os.environ[\"SECRET_KEYS\"]", &["SECRET_KEYS"]);
        sandbox.edit("landfall.toml", "# test   = [\"pytest -q\"]", "test     = [\"pytest -q\"]");
        story.break_and_mend("Thank you", "Go away", &["test_signing_shows_the_entry_and_says_thanks"]);
        assert_eq!(story.title(), "Friends");
    });

    // Back, and down; what people wrote stays.
    let _ = story.under_load(|| {
        sandbox.run(&["rollback", "--yes"]).ok();
        assert_eq!(story.title(), "Visitors");
    });
    assert_eq!(story.entries(), 3);
    let found = sandbox.find_secret("development-only-not-a-secret");
    assert!(found.is_empty(), "{found:?}");
    sandbox.run(&["down", "--yes"]).ok();
    assert!(sandbox.state().join("apps/guestbook/dev/web/volumes/data/guestbook.db").is_file());
}
