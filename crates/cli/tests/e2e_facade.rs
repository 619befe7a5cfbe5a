//! The facade register for real, in containers behind Landfall's proxy: ten deploys that keep what was registered, a test
//! that fails, a rollback, and the end of it all. Without an engine it says that it was skipped.

use landfall_model::Outcome;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Sandbox, free_address};
use landfall_testkit::wait::wait_until;
use std::process::Command;
use std::time::Duration;

/// How long what was taken down may take to be gone.
const SETTLED: Duration = Duration::from_secs(60);

const DEPLOYS: u32 = 10;
const HOST: &str = "native.facade.localhost";
const KEY: &str = "signs-sessions-and-nothing-else";

struct Facade {
    sandbox: Sandbox,
    plain: String,
    secure: String,
}

impl Facade {
    fn new() -> Option<Self> {
        let images = ["python:3.13-slim", "caddy:2"];
        let mut sandbox = Sandbox::with_docker(env!("CARGO_BIN_EXE_landfall"), &images)?;
        sandbox.copy_example("facade");
        sandbox.set("SECRET_KEY", KEY);
        let (plain, secure) = (free_address(), free_address());
        let domain = format!("domain  = \"{HOST}\"");
        sandbox.edit("landfall.toml", &domain, &format!("{domain}\nlisten  = \"{plain}\""));
        let tls = format!("tls     = {{ from = \"internal\", listen = \"{secure}\", redirect = false }}");
        sandbox.edit("landfall.toml", "tls     = \"internal\"", &tls);
        Some(Self { sandbox, plain, secure })
    }

    /// Asks over HTTPS, believing the host's authority and nobody else.
    fn ask(&self, path: &str, more: &[&str]) -> String {
        let authority = self.sandbox.run(&["trust", "--path"]).ok().stdout;
        let port = self.secure.rsplit(':').next().expect("a port");
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "20"])
            .args(["--cacert", authority.trim(), "--resolve", &format!("{HOST}:{port}:127.0.0.1")])
            .args(more)
            .arg(format!("https://{HOST}:{port}{path}"))
            .output()
            .expect("curl is there");
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

    /// Changes the title that is the default, and gives both.
    fn retitle(&self, from: &str, to: &str) {
        self.sandbox.edit("facade/__init__.py", &format!("\"{from}\""), &format!("\"{to}\""));
    }
}

#[test]
fn ten_deploys_keep_what_was_registered() {
    let Some(facade) = Facade::new() else { return };
    let sandbox = &facade.sandbox;
    let first = sandbox.run(&["deploy", "native", "--json"]).ok().receipt();
    assert_eq!((first.outcome, first.instances.len()), (Outcome::Done, 1), "{first:?}");
    assert!(first.steps.iter().any(|step| step.name.contains("test")), "the gate ran: {first:?}");
    assert_eq!(facade.title(), "Facades");

    let load = Load::start(LoadPlan::new(&facade.plain, HOST, 30));
    let mut title = "Facades".to_owned();
    for number in 1..=DEPLOYS {
        facade.register(&format!("Market Street {number}"));
        let next = format!("Fronts {number}");
        facade.retitle(&title, &next);
        let receipt = sandbox.run(&["deploy", "native", "--json"]).ok().receipt();
        assert_eq!((receipt.outcome, receipt.requests.failed), (Outcome::Done, 0), "{receipt:?}");
        assert_eq!(facade.title(), next);
        assert_eq!(facade.registered(), number as usize);
        title = next;
    }

    // A test that fails: nothing changes.
    sandbox.edit("facade/fronts.py", "is in the register.", "is nowhere.");
    let failed = sandbox.run(&["deploy", "native"]).code(4);
    let _ = failed.says("test_registering_shows_the_front");
    sandbox.edit("facade/fronts.py", "is nowhere.", "is in the register.");
    assert_eq!(facade.title(), title);

    sandbox.run(&["rollback", "native", "--yes"]).ok();
    assert_eq!((facade.title(), facade.registered()), ("Fronts 9".to_owned(), DEPLOYS as usize));
    eprintln!("{}", load.stop().lost_nothing());
    assert_eq!(sandbox.find_secret(KEY), []);

    // What gunicorn says of requests is in the logs.
    let _ = sandbox.run(&["logs", "native"]).ok().says("GET /api/fronts");
    sandbox.run(&["down", "native", "--volumes", "--yes"]).ok();
    wait_until("all containers are gone", SETTLED, || sandbox.docker().containers(None).is_empty());
    assert!(!sandbox.state().join("apps/facade/native/web/volumes/instance").exists());
}
