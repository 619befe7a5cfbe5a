//! The verbs about the front door: maintenance, pause, and what `status` says of them.

use std::time::Duration;

use landfall_model::api::{RouteView, StatusView};
use landfall_model::{Finding, Grade};
use landfall_testkit::app::{Tiny, TinyFault};
use landfall_testkit::ask::{Answer, ask, ask_for_page};
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::{Ran, Sandbox, free_address};
use landfall_testkit::wait::wait_until;

const SOON: Duration = Duration::from_secs(60);

fn deployed(tiny: impl FnOnce(Tiny) -> Tiny) -> (Sandbox, Tiny) {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let tiny = tiny(Tiny::new("tiny", &free_address(), "blue-green"));
    sandbox.write("maintenance.html", "<h1>Back at noon</h1>");
    sandbox.write_tiny(&tiny);
    sandbox.run(&["deploy"]).ok();
    (sandbox, tiny)
}

fn asked(tiny: &Tiny, path: &str) -> Answer {
    ask(&tiny.listen, &tiny.host(), path).expect("an answer")
}

fn route(sandbox: &Sandbox) -> RouteView {
    let ran = sandbox.run(&["status", "--json"]).ok();
    let status: StatusView = serde_json::from_str(&ran.stdout).expect("a status");
    status.routes.into_iter().next().expect("a route")
}

fn said(ran: &Ran) -> &str {
    ran.stdout.trim_end()
}

#[test]
fn maintenance_has_a_page_and_outlives_a_deploy_and_the_proxy() {
    let (sandbox, tiny) = deployed(|tiny| tiny.key(r#"http = { maintenance = "maintenance.html" }"#));
    assert_eq!(asked(&tiny, "/").status, 200);
    let ran = sandbox.run(&["maintenance", "on"]).ok();
    assert_eq!(
        said(&ran),
        format!("web is under maintenance: http://{}:{} answers 503 with its page", tiny.host(), port(&tiny))
    );
    let page = ask_for_page(&tiny.listen, &tiny.host(), "/").expect("an answer");
    assert_eq!(page.status, 503);
    assert!(page.body.contains("Back at noon"), "{page:?}");
    let line = asked(&tiny, "/");
    assert!(line.status == 503 && !line.body.contains('<'), "a program gets no page: {line:?}");
    assert!(route(&sandbox).maintenance);

    // A deploy proves its release behind the page, and leaves it up.
    sandbox.write_tiny(&tiny.clone().says("two"));
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    assert_eq!(receipt.served.map(|served| served.status), Some(200));
    assert_eq!(asked(&tiny, "/").status, 503);

    let proxy = sandbox.process(&["proxy", "run"]).expect("the proxy runs");
    landfall_testkit::sandbox::signal(proxy.pid, rustix::process::Signal::KILL);
    wait_until("the proxy is back", SOON, || {
        sandbox.process(&["proxy", "run"]).is_some_and(|now| now.pid != proxy.pid)
            && ask(&tiny.listen, &tiny.host(), "/").is_ok_and(|answer| answer.status == 503)
    });
    sandbox.run(&["status"]).ok().says("under maintenance");

    sandbox.run(&["maintenance", "off", "web"]).ok().says("web serves again at http://");
    assert!(asked(&tiny, "/").body.contains("two"));
    assert!(!route(&sandbox).maintenance);
}

#[test]
fn a_pause_holds_requests_until_it_is_over() {
    let (sandbox, tiny) = deployed(|tiny| tiny.key(r#"hold = { requests = 100, time = "30s" }"#));
    let ran = sandbox.run(&["pause"]).ok();
    assert_eq!(said(&ran), "web is paused: up to 100 requests wait, each at most 30.0 s");
    let waiting = {
        let tiny = tiny.clone();
        std::thread::spawn(move || asked(&tiny, "/"))
    };
    wait_until("the request waits", SOON, || route(&sandbox).held_now == 1);
    assert!(route(&sandbox).paused && !waiting.is_finished());
    sandbox.run(&["status"]).ok().says("paused: 1 request waits");
    // `resume` is about transactions, and there is none.
    sandbox.run(&["resume"]).ok().says("nothing is open");
    assert!(!waiting.is_finished());

    let ran = sandbox.run(&["unpause", "--json"]).ok();
    let now: RouteView = serde_json::from_str(said(&ran)).expect("a route");
    assert!(!now.paused);
    let answer = waiting.join().expect("the request came back");
    assert_eq!((answer.status, answer.body.contains("one")), (200, true));
}

#[test]
fn a_release_is_proved_through_a_door_that_is_told_who_connects() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let tiny = Tiny::new("tiny", &free_address(), "blue-green");
    sandbox.write_tiny(&tiny);
    let manifest = tiny.manifest() + "proxy = { trusted = [\"127.0.0.0/8\"], proxy_protocol = true }\n";
    sandbox.write("landfall.toml", &manifest);
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    assert_eq!(receipt.served.map(|served| served.status), Some(200));
    // From here, too, a connection begins with who it is of.
    assert!(ask(&tiny.listen, &tiny.host(), "/").is_err());
}

#[test]
fn requests_are_logged_and_counted() {
    let (sandbox, tiny) = deployed(|tiny| tiny);
    assert_eq!(asked(&tiny, "/?first").status, 200);
    let follow = sandbox.spawn(&["logs", "--access", "-f"]);
    follow.wait_for_text("GET /?first", SOON);
    assert_eq!(asked(&tiny, "/slow?second").status, 200);
    follow.wait_for_text("GET /slow?second", SOON);
    follow.signal(rustix::process::Signal::INT);
    let ran = follow.wait(SOON);
    assert!(matches!(ran.code, None | Some(0 | 130)), "{ran}");
    let lines = sandbox.run(&["logs", "--access", "--json", "web"]).ok().lines_of_json();
    let line = lines.iter().find(|line| line["path"] == "/?first").expect("the request is there");
    assert_eq!((line["status"].as_u64(), line["route"].as_str()), (Some(200), Some("tiny/dev/web")));

    let text = sandbox.run(&["metrics"]).ok().stdout;
    let counted = text.lines().find(|line| {
        line.starts_with("landfall_proxy_requests_total{route=\"tiny/dev/web\"") && line.contains("2xx")
    });
    let count: u64 = counted.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a count");
    assert!(count >= 2, "{text}");

    // The reference knows all that there is.
    let page = include_str!("../../../docs/reference/proxy.md");
    let metrics = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let fields = line.as_object().expect("an object").keys().map(String::as_str);
    let missing: Vec<&str> =
        metrics.chain(fields).filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/reference/proxy.md has nothing on {missing:?}");
}

/// The grade of a subject, and what was seen.
fn found(ran: &Ran, subject: &str) -> (Grade, String) {
    let findings = ran.lines_of_json().into_iter().map(serde_json::from_value::<Finding>);
    let findings: Vec<Finding> = findings.collect::<Result<_, _>>().expect("findings");
    let finding = findings.into_iter().find(|finding| finding.subject == subject);
    let finding = finding.unwrap_or_else(|| panic!("nothing on {subject}: {ran}"));
    (finding.grade, finding.seen)
}

#[test]
fn doctor_finds_what_is_wrong_and_starts_nothing() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    sandbox.run(&["doctor"]).ok().says("all is well");
    assert!(sandbox.processes().is_empty(), "it started something");

    let tiny = Tiny::new("tiny", &free_address(), "blue-green");
    sandbox.write_tiny(&tiny);
    sandbox.run(&["deploy"]).ok();
    let well = sandbox.run(&["doctor", "--json"]).ok();
    for subject in ["state folder", "disk", "agent", "proxy", tiny.listen.as_str(), "tiny/dev/web"] {
        assert_eq!(found(&well, subject).0, Grade::Good, "{subject}: {well}");
    }
    sandbox.run(&["pause"]).ok();
    let paused = sandbox.run(&["doctor", "--json"]).ok();
    assert_eq!(found(&paused, "tiny/dev/web").0, Grade::Doubtful, "{paused}");
    sandbox.run(&["unpause"]).ok();

    // With the agent gone nobody starts the proxy again.
    assert!(sandbox.kill_agent());
    let proxy = sandbox.process(&["proxy", "run"]).expect("the proxy runs");
    landfall_testkit::sandbox::signal(proxy.pid, rustix::process::Signal::KILL);
    wait_until("the proxy is gone", SOON, || sandbox.process(&["proxy", "run"]).is_none());
    let down = sandbox.run(&["doctor", "--json"]).code(5);
    assert_eq!(found(&down, "proxy").0, Grade::Bad, "{down}");
    assert_eq!(found(&down, "agent").0, Grade::Doubtful, "{down}");

    // Meanwhile somebody else takes the address.
    let taken = std::net::TcpListener::bind(&tiny.listen).expect("the address is free");
    sandbox.run(&["status"]).ok();
    wait_until("the address is missed", SOON, || {
        let ran = sandbox.run(&["doctor", "--json"]);
        let finding = format!(r#"{{"subject":"{}","grade":"bad""#, tiny.listen);
        ran.code == Some(5) && ran.stdout.contains(&finding)
    });
    drop(taken);
    wait_until("all is well again", SOON, || sandbox.run(&["doctor", "--json"]).code == Some(0));
}

#[test]
fn doctor_finds_what_was_interrupted_and_what_is_ill() {
    let (sandbox, tiny) = deployed(|tiny| tiny);
    sandbox.write_tiny(&tiny.clone().says("two").fault(TinyFault::SlowBoot).start_period("600s"));
    let deploy = sandbox.spawn(&["deploy"]);
    wait_until("the deploy waits for the boot", SOON, || {
        let ran = sandbox.run(&["history", "--json"]);
        ran.stdout.contains("\"outcome\":null")
    });
    assert!(sandbox.kill_agent());
    drop(deploy);
    sandbox.run(&["status"]).ok();
    let ran = sandbox.run(&["doctor", "--json"]).code(5);
    assert_eq!(found(&ran, "tiny/dev").0, Grade::Bad, "{ran}");
    sandbox.run(&["undo"]).says("#2");
    sandbox.run(&["doctor"]).ok().says("all is well");
}

/// What curl gets, with more arguments; the status is the last line.
fn curl(arguments: &[&str]) -> String {
    let output = std::process::Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"])
        .args(arguments)
        .output()
        .expect("curl is there");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

#[test]
fn an_internal_certificate_is_believed_by_who_is_told_to() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let tiny = Tiny::new("tiny", &free_address(), "blue-green");
    let secure = free_address();
    sandbox.write_tiny(&tiny);
    let tls = format!("[environment.dev]\ntls = {{ from = \"internal\", listen = \"{secure}\" }}");
    sandbox.edit("landfall.toml", "[environment.dev]", &tls);
    sandbox.run(&["plan"]).ok().says("a certificate of the host's own authority");
    let receipt = sandbox.run(&["deploy", "--json"]).ok().receipt();
    let url = format!("https://{}:{}", tiny.host(), secure.rsplit_once(':').expect("a port").1);
    assert_eq!(receipt.url.as_deref(), Some(url.as_str()));

    let authority = sandbox.run(&["trust", "--path"]).ok();
    let resolve = format!("{}:{}:127.0.0.1", tiny.host(), secure.rsplit_once(':').expect("a port").1);
    let got = curl(&["--cacert", said(&authority), "--resolve", &resolve, &url]);
    assert!(got.contains("one") && got.ends_with("200"), "{got}");
    // Who was not told believes nothing; plain HTTP is sent on.
    let stranger = std::process::Command::new("curl").args(["-s", "--resolve", &resolve, &url]).status();
    assert!(!stranger.expect("curl is there").success());
    let plain = asked(&tiny, "/x?y=1");
    assert_eq!(plain.status, 301, "{plain:?}");
    assert!(plain.head.to_lowercase().contains(&format!("location: {url}/x?y=1")), "{plain:?}");

    let certificate = route(&sandbox).certificate.expect("the status has the certificate");
    assert!(certificate.days_left(certificate.not_before.expect("a begin")) >= Some(1));
    sandbox.run(&["status"]).ok().says("certificate good for");
    let ran = sandbox.run(&["doctor", "--json"]).ok();
    assert_eq!(found(&ran, &tiny.host()).0, Grade::Good, "{ran}");
}

#[test]
fn trust_is_given_and_taken_back_in_a_file_system_of_its_own() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let root = sandbox.root().join("root");
    for folder in [
        "usr/local/share/ca-certificates",
        "usr/share/ca-certificates",
        "etc/ssl/certs",
        "etc/ca-certificates/update.d",
        "tmp",
    ] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    std::fs::write(root.join("etc/ca-certificates.conf"), "").expect("a file");
    // The system's tool writes no list without any authority: another host's is there too.
    let other = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let pem = other.run(&["trust", "--path"]).ok();
    std::fs::copy(said(&pem), root.join("usr/local/share/ca-certificates/other.crt")).expect("a file");
    let root = root.display().to_string();
    // To forget an authority is no reason to make one.
    sandbox.run(&["trust", "--root", &root, "--remove"]).ok().says("there is no authority to forget");
    assert!(!sandbox.state().join("tls/authority").exists());
    let first = sandbox.run(&["trust", "--root", &root, "--json"]);
    let outcome = |ran: &Ran| ran.lines_of_json()[0]["outcome"].as_str().map(str::to_owned);
    match first.code {
        Some(0) => {
            assert_eq!(outcome(&first).as_deref(), Some("changed"), "{first}");
            let again = sandbox.run(&["trust", "--root", &root, "--json"]).ok();
            assert_eq!(outcome(&again).as_deref(), Some("unchanged"), "{again}");
            sandbox.run(&["trust", "--root", &root, "--remove"]).ok().says("has forgotten the authority");
        }
        // Where the system's tool is missing, a person is told what to run.
        _ => assert_eq!((first.code, outcome(&first).as_deref()), (Some(5), Some("needs-person")), "{first}"),
    }
    assert!(sandbox.processes().is_empty(), "it started something");
}

#[test]
fn what_has_no_route_is_told() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
    let tiny = Tiny::new("tiny", &free_address(), "blue-green");
    sandbox.write_tiny(&tiny);
    sandbox.run(&["metrics"]).code(3).says("the proxy counts nothing");
    sandbox.run(&["pause"]).code(3).says("no service of tiny in dev has a route").says("landfall deploy");
    sandbox.run(&["maintenance", "on", "web"]).code(2).says("`web` does not run here");
    sandbox.run(&["maintenance", "on", "wbe"]).code(2).says("neither an environment nor a service");
    sandbox.run(&["promote"]).code(3).says("no canary is under way in dev");
    sandbox.run(&["abort"]).code(3).says("landfall rollback");

    let worker = "[service.mailer]\nkind = \"worker\"\nrun = [\"sleep\", \"1000\"]\n[environment.dev]";
    sandbox.edit("landfall.toml", "[environment.dev]", worker);
    sandbox.run(&["deploy"]).ok();
    sandbox.run(&["pause", "mailer"]).code(2).says("no requests come to `mailer`, which has no route");
    let ran = sandbox.run(&["pause"]).ok();
    assert_eq!(ran.stdout.lines().count(), 1, "the worker is left out: {ran}");
}

fn port(tiny: &Tiny) -> &str {
    tiny.listen.rsplit_once(':').map_or("", |(_, port)| port)
}

#[test]
fn a_proxy_that_is_killed_answers_again() {
    use rustix::process::Signal;
    let (sandbox, tiny) = deployed(|tiny| tiny);
    for signal in [Signal::KILL, Signal::KILL, Signal::TERM, Signal::TERM] {
        let before = sandbox.process(&["proxy", "run"]).expect("the proxy runs");
        landfall_testkit::sandbox::signal(before.pid, signal);
        // Its sockets are gone with it: whoever answers is the next one.
        wait_until("the proxy is back", SOON, || {
            ask(&tiny.listen, &tiny.host(), "/").is_ok_and(|answer| answer.status == 200)
        });
        wait_until("the agent sees the new one", SOON, || {
            sandbox.info().proxy_pid.is_some_and(|pid| pid != before.pid)
        });
    }
}

#[test]
fn an_agent_of_another_build_replaces_the_proxy_under_load() {
    let (mut sandbox, tiny) = deployed(|tiny| tiny);
    let before = sandbox.info();
    // The same program as another build: a copy has another age.
    let other = sandbox.root().join("landfall-next");
    std::fs::copy(sandbox.binary(), &other).expect("a copy");
    let load = Load::start(LoadPlan::new(&tiny.listen, &tiny.host(), 100));
    sandbox.run(&["agent", "stop"]).ok();
    sandbox.set_binary(&other);
    sandbox.run(&["status"]).ok();
    wait_until("the proxy is of the agent's build", SOON, || {
        let now = sandbox.info();
        now.proxy_pid != before.proxy_pid && now.proxy_build.as_deref() == Some(&now.build)
    });
    let _ = load.stop().lost_nothing();
    assert_ne!(sandbox.info().build, before.build);
    wait_until("the one of before ends", SOON, || {
        !sandbox.processes().iter().any(|process| Some(process.pid) == before.proxy_pid)
    });
    sandbox.run(&["deploy"]).ok().says("nothing changed");
}
