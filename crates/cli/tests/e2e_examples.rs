//! The small examples deploy as they are; the guestbook has a file of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use landfall_model::{Outcome, Strategy};
use landfall_testkit::ask::ask;
use landfall_testkit::sandbox::{Sandbox, free_address};

fn example(name: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    sandbox.copy_example(name);
    let address = free_address();
    let listen = format!("[environment.dev]\nlisten = \"{address}\"");
    sandbox.edit("landfall.toml", "[environment.dev]", &listen);
    (sandbox, address)
}

#[test]
fn a_site_is_served_by_the_proxy_and_rolled_back() {
    let (sandbox, address) = example("site");
    sandbox.run(&["deploy"]).ok();
    let page = |path: &str| ask(&address, "hello-site.localhost", path).unwrap();
    assert!(page("/").body.contains("Served by Landfall's proxy itself."));
    assert!(
        page("/style.css").head.to_lowercase().contains("content-type: text/css"),
        "{:?}",
        page("/style.css")
    );
    assert_eq!(page("/nothing-here").status, 404);
    assert_eq!(page("/../../../../../../etc/passwd").status / 100, 4);
    assert!(!sandbox.processes().iter().any(|process| process.is_role(&["shim"])));
    sandbox.edit("public/index.html", "A page", "Another page");
    sandbox.run(&["deploy"]).ok();
    assert!(page("/").body.contains("Another page"));
    sandbox.run(&["rollback", "--yes"]).ok();
    assert!(!page("/").body.contains("Another page"));
}

#[test]
fn a_page_is_built_with_the_address_of_its_api_and_both_change_together() {
    let (sandbox, address) = example("pair");
    let receipts = sandbox.run(&["deploy", "--json"]).ok().receipts();
    assert_eq!(receipts.len(), 2, "{receipts:?}");
    let port = address.rsplit(':').next().unwrap();
    let page = ask(&address, "pair.localhost", "/").unwrap();
    assert!(page.body.contains(&format!("http://api.pair.localhost:{port}/time")), "{page:?}");
    assert!(ask(&address, "api.pair.localhost", "/time").unwrap().body.contains("\"time\""));

    // One of the two is no good: neither changes.
    sandbox.edit("client/index.html", "What time is it?", "What time is it now?");
    sandbox.edit("api/api.py", "\"/healthz\"", "\"/helthz\"");
    sandbox.edit(
        "landfall.toml",
        "health   = \"/healthz\"",
        "health   = { path = \"/healthz\", start_period = \"1s\" }",
    );
    let _ = sandbox.run(&["deploy"]).code(4);
    let page = ask(&address, "pair.localhost", "/").unwrap();
    assert!(!page.body.contains("What time is it now?"), "{page:?}");
    sandbox.edit("api/api.py", "\"/helthz\"", "\"/healthz\"");
    sandbox.run(&["deploy"]).ok();
    assert!(ask(&address, "pair.localhost", "/").unwrap().body.contains("What time is it now?"));
}

#[test]
fn a_new_api_is_a_canary_in_staging_and_a_bad_one_goes_back() {
    let (sandbox, _) = example("pair");
    let (plain, secure) = (free_address(), free_address());
    let listen = format!("domain  = \"staging.pair.localhost\"\nlisten = \"{plain}\"");
    sandbox.edit("landfall.toml", "domain  = \"staging.pair.localhost\"", &listen);
    let tls = format!("tls     = {{ from = \"internal\", listen = \"{secure}\", redirect = false }}");
    sandbox.edit("landfall.toml", "tls     = \"internal\"", &tls);
    sandbox.edit("landfall.toml", "hold = \"10s\"", "hold = \"1s\"");
    sandbox.run(&["deploy", "staging"]).ok();
    let page = ask(&plain, "staging.pair.localhost", "/").unwrap();
    assert!(page.body.contains("https://api.staging.pair.localhost:"), "{page:?}");

    // Somebody asks all the while.
    let (done, address) = (Arc::new(AtomicBool::new(false)), plain.clone());
    let (end, host) = (Arc::clone(&done), "api.staging.pair.localhost");
    let asking = std::thread::spawn(move || {
        while !end.load(Ordering::Relaxed) {
            let _ = ask(&address, host, "/time");
        }
    });
    sandbox.edit("api/api.py", "status, body = 200, {\"time\"", "status, body = 200, {\"now\"");
    let good = sandbox.run(&["deploy", "staging", "--json"]);
    sandbox.edit("api/api.py", "status, body = 200, {\"now\"", "status, body = 500, {\"now\"");
    let bad = sandbox.run(&["deploy", "staging", "--json"]);
    done.store(true, Ordering::Relaxed);
    asking.join().unwrap();

    let good = good.ok().receipts().into_iter().find(|receipt| receipt.service.as_str() == "api").unwrap();
    assert_eq!((good.strategy, good.judged.len()), (Strategy::Canary, 2), "{good:?}");
    assert_eq!(good.traffic.get(&good.version.to_string()), Some(&100), "{good:?}");
    let bad = bad.code(4).receipts().into_iter().find(|receipt| receipt.service.as_str() == "api").unwrap();
    assert_eq!((bad.outcome, bad.judged.len()), (Outcome::RolledBack, 1), "{bad:?}");
    assert_eq!(ask(&plain, host, "/time").unwrap().status, 200);
}

#[test]
fn a_node_server_deploys_with_the_version_of_its_package() {
    let has = |program: &str| std::process::Command::new(program).arg("--version").output().is_ok();
    if !has("node") || !has("npm") {
        eprintln!("SKIPPED: node or npm is not installed");
        return;
    }
    let (sandbox, address) = example("node");
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    assert_eq!(receipt.version.semver().to_string(), "0.3.0");
    let answer = ask(&address, "hello-node.localhost", "/").unwrap();
    assert!(answer.body.contains("Hello from process"), "{answer:?}");
    sandbox.edit("landfall.toml", "\"Hello\"", "\"Good day\"");
    sandbox.run(&["deploy"]).ok();
    assert!(ask(&address, "hello-node.localhost", "/").unwrap().body.contains("Good day from process"));
}
