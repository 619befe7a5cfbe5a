//! The facade register for real, as the compose project that it is and in a container behind Landfall's proxy: ten deploys
//! that keep what was registered, a test that fails, a rollback, and the end of it all. Without an engine it says that it was
//! skipped.

use landfall_model::{Outcome, Receipt};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::wait::wait_until;
use std::process::Command;
use std::time::Duration;

/// How long what was taken down may take to be gone.
const SETTLED: Duration = Duration::from_secs(180);

const DEPLOYS: u32 = 10;
const NATIVE: &str = "native.facade.localhost";
const COMPOSE: &str = "facade.localhost";
const KEY: &str = "signs-sessions-and-nothing-else";

struct Facade {
    sandbox: Sandbox,
    /// The application's name, of this run alone: others may deploy it on the same engine.
    app: String,
    environment: &'static str,
    host: &'static str,
    /// Where HTTPS is taken.
    secure: String,
    /// Whose certificates are believed: a file, or everybody's.
    authority: Option<String>,
}

impl Facade {
    fn new(environment: &'static str, host: &'static str) -> Option<Self> {
        let images = ["python:3.13-slim", "caddy:2"];
        let mut sandbox = Sandbox::with_docker(env!("CARGO_BIN_EXE_landfall"), &images)?;
        sandbox.copy_example("facade");
        let app = format!("facade-{}", std::process::id());
        sandbox.edit("landfall.toml", "name = \"facade\"", &format!("name = \"{app}\""));
        sandbox.set("SECRET_KEY", KEY);
        Some(Self { sandbox, app, environment, host, secure: free_address(), authority: None })
    }

    fn deploy(&self) -> Receipt {
        let receipt = self.sandbox.run(&["deploy", self.environment, "--json"]).ok().receipt();
        assert_eq!((receipt.outcome, receipt.requests.failed), (Outcome::Done, 0), "{receipt:?}");
        receipt
    }

    /// Asks over HTTPS.
    fn ask(&self, path: &str, more: &[&str]) -> String {
        let port = self.secure.rsplit(':').next().expect("a port");
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--max-time", "20"]);
        match &self.authority {
            Some(file) => command.args(["--cacert", file]),
            None => command.arg("--insecure"),
        };
        let host = self.host;
        command.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]).args(more);
        let output = command.arg(format!("https://{host}:{port}{path}")).output().expect("curl is there");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn title(&self) -> String {
        let page = self.ask("/", &[]);
        let title = page.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next());
        title.unwrap_or_else(|| panic!("no title: {page}")).to_owned()
    }

    fn register(&self, address: &str) {
        let front = format!(r##"{{"address": "{address}", "colour": "#e8c547", "painted": 1911}}"##);
        let _ = self.ask("/api/fronts", &["--json", &front]);
    }

    fn registered(&self) -> usize {
        self.ask("/api/fronts", &[]).matches("\"id\"").count()
    }

    /// Changes the title that is the default.
    fn retitle(&self, from: &str, to: &str) {
        self.sandbox.edit("facade/__init__.py", &format!("\"{from}\""), &format!("\"{to}\""));
    }
}

/// Deploys, changes, breaks and takes back; the title and all that was registered tell what serves.
fn ten_deploys(facade: &Facade) {
    let sandbox = &facade.sandbox;
    let mut title = "Facades".to_owned();
    for number in 1..=DEPLOYS {
        facade.register(&format!("Market Street {number}"));
        let next = format!("Fronts {number}");
        facade.retitle(&title, &next);
        let _ = facade.deploy();
        assert_eq!((facade.title(), facade.registered()), (next.clone(), number as usize));
        title = next;
    }

    // A test that fails: nothing changes.
    sandbox.edit("facade/fronts.py", "is in the register.", "is nowhere.");
    let failed = sandbox.run(&["deploy", facade.environment]).code(4);
    let _ = failed.says("test_registering_shows_the_front");
    sandbox.edit("facade/fronts.py", "is nowhere.", "is in the register.");
    assert_eq!(facade.title(), title);

    sandbox.run(&["rollback", facade.environment, "--yes"]).ok();
    assert_eq!((facade.title(), facade.registered()), ("Fronts 9".to_owned(), DEPLOYS as usize));
}

/// The key is nowhere, and at the end nothing is left.
fn ends(facade: &Facade) {
    let sandbox = &facade.sandbox;
    assert_eq!(sandbox.find_secret(KEY), []);
    sandbox.run(&["down", facade.environment, "--volumes", "--yes"]).ok();
    wait_until("all containers are gone", SETTLED, || sandbox.docker().containers(None).is_empty());
    let kept = format!("apps/{}/native/web/volumes/instance", facade.app);
    assert!(!sandbox.state().join(kept).exists());
}

#[test]
fn a_native_service_keeps_what_was_registered_and_loses_no_request() {
    let Some(mut facade) = Facade::new("native", NATIVE) else { return };
    let plain = free_address();
    let domain = format!("domain  = \"{NATIVE}\"");
    facade.sandbox.edit("landfall.toml", &domain, &format!("{domain}\nlisten  = \"{plain}\""));
    let tls =
        format!("tls     = {{ from = \"internal\", listen = \"{}\", redirect = false }}", facade.secure);
    facade.sandbox.edit(
        "landfall.toml",
        "tls     = { from = \"internal\", listen = \"127.0.0.1:8444\" }",
        &tls,
    );
    let authority = facade.sandbox.run(&["trust", "--path"]).ok().stdout;
    facade.authority = Some(authority.trim().to_owned());

    let first = facade.deploy();
    assert!(first.steps.iter().any(|step| step.name.contains("test")), "the gate ran: {first:?}");
    assert_eq!(facade.title(), "Facades");
    let load = Load::start(LoadPlan::new(&plain, NATIVE, 30));
    ten_deploys(&facade);
    eprintln!("{}", load.stop().lost_nothing());
    // What gunicorn says of requests is in the logs.
    let _ = facade.sandbox.run(&["logs", "native"]).ok().says("GET /api/fronts");
    ends(&facade);
}

#[test]
fn a_compose_project_deploys_as_it_stands_and_keeps_what_was_registered() {
    let Some(facade) = Facade::new("dev", COMPOSE) else { return };
    if !facade.sandbox.docker().has_plugin("compose") {
        eprintln!("SKIPPED: docker has no compose plugin");
        return;
    }
    facade.sandbox.edit("compose.yaml", "127.0.0.1:8443", &facade.secure);
    let first = facade.deploy();
    assert!(first.steps.iter().any(|step| step.name.contains("test")), "the gate ran: {first:?}");
    assert_eq!(facade.title(), "Facades");
    ten_deploys(&facade);
    ends(&facade);
    let volumes = facade.sandbox.docker().run(&["volume", "ls", "--quiet"]);
    assert!(!volumes.contains(&format!("{}_dev_web", facade.app)), "{volumes}");
}
