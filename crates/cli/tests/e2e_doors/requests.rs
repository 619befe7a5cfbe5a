//! Single requests: where they lead, what instances are told of them, what comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use landfall_testkit::ask::{ask, ask_for_page};
use landfall_testkit::sandbox::free_address;
use landfall_testkit::wait::wait_until;

use crate::world::{Door, SOON, World};

pub(crate) fn hosts_and_prefixes_lead_to_their_service(door: Door) {
    let world = World::new(door);
    let service = |name: &str, route: &str| {
        format!(
            "\n[service.{name}]\nrun = [\"python3\", \"-S\", \"-E\", \"echo.py\"]\nstrategy = \"blue-green\"\n\
             env = {{ NAME = \"{name}\" }}\nroute = {route}\n"
        )
    };
    let more = service("api", "{ path = \"/api\", strip = true }") + &service("kept", "{ path = \"/kept\" }");
    world.write("", &more);
    world.sandbox.run(&["deploy"]).ok();
    let line = |path: &str| {
        let answer = world.ask(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body.lines().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(line("/"), "GET /");
    assert_eq!(line("/apis"), "GET /apis");
    assert_eq!(line("/api"), "GET /");
    assert_eq!(line("/api/"), "GET /");
    assert_eq!(line("/api/x/y?z=1&z=%20"), "GET /x/y?z=1&z=%20");
    assert_eq!(line("/api/a%2Fb"), "GET /a%2Fb");
    assert_eq!(line("/kept/x"), "GET /kept/x");
    assert!(world.ask("/api/x").body.contains("x-forwarded-prefix: /api"));
    let other = ask(&world.listen, "other.localhost", "/").expect("an answer");
    assert_eq!(other.status, 404, "{other:?}");
    let capital = ask(&world.listen, "ECHO.localhost:80", "/").expect("an answer");
    assert_eq!(capital.status, 200, "{capital:?}");
}

pub(crate) fn what_instances_are_told_of_a_request(door: Door) {
    let world = World::deployed(door, "");
    let forged = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
                  X-Forwarded-Prefix: /evil\r\nForwarded: for=1.2.3.4\r\nX-Landfall-Probe: guess\r\n";
    let answer = world.ask_with("/", forged);
    assert!(!answer.head.to_lowercase().contains("x-landfall-pool"), "{answer:?}");
    let body = answer.body;
    assert!(body.contains("host: echo.localhost\n"), "{body}");
    assert!(body.contains("x-forwarded-for: 127.0.0.1\n"), "{body}");
    assert!(body.contains("x-forwarded-proto: http\n"), "{body}");
    assert!(body.contains("x-forwarded-host: echo.localhost\n"), "{body}");
    assert!(body.contains("x-request-id: "), "{body}");
    assert!(!body.contains("1.2.3.4") && !body.contains("evil"), "{body}");
    let own = world.ask_with("/", "X-Request-Id: mine\r\n").body;
    assert!(own.contains("x-request-id: mine\n"), "{own}");
    let fail = world.ask("/fail");
    assert_eq!((fail.status, fail.body.as_str()), (502, "the application's own failure\n"));
}

fn upload(world: &World, length: usize) -> String {
    let mut stream = TcpStream::connect(&world.listen).expect("the door is open");
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: echo.localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head is taken");
    let chunk = vec![b'y'; 1 << 16];
    let mut left = length;
    while left > 0 {
        let part = left.min(chunk.len());
        // Who says no early closes early.
        if stream.write_all(&chunk[..part]).is_err() {
            break;
        }
        left -= part;
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

pub(crate) fn large_bodies_pass_and_too_large_ones_do_not(door: Door) {
    let world = World::deployed(door, "http = { body = \"40MiB\" }");
    let answer = upload(&world, 32 << 20);
    assert!(answer.contains(&format!("{} ", 32 << 20)), "{answer}");
    let mut stream = TcpStream::connect(&world.listen).expect("the door is open");
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: echo.localhost\r\nConnection: close\r\n\r\n")
        .expect("asked");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the whole answer");
    assert!(all.len() > 64 << 20, "{}", all.len());
    let answer = upload(&world, 41 << 20);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

pub(crate) fn a_site_and_what_is_missing_in_it(door: Door) {
    let world = World::new(door);
    let site = |word: &str| {
        world.sandbox.write("site/index.html", &format!("<h1>{word}</h1>"));
        world.sandbox.write("site/docs/index.html", "<h1>docs</h1>");
        world.sandbox.write("site/404.html", "<h1>not here</h1>");
        let service = "\n[service.pages]\nkind = \"site\"\npath = \"site\"\nroute = { path = \"/pages\", strip = true }\n";
        world.write("", service);
        world.sandbox.run(&["deploy"]).ok();
    };
    site("first");
    let page = world.ask("/pages/");
    assert!(page.status == 200 && page.body.contains("first"), "{page:?}");
    assert!(page.head.to_lowercase().contains("content-type: text/html"), "{page:?}");
    let tag = page
        .head
        .lines()
        .find_map(|line| line.to_lowercase().starts_with("etag: ").then(|| line[6..].to_owned()));
    let tag = tag.expect("a tag");
    assert_eq!(world.ask_with("/pages/", &format!("If-None-Match: {tag}\r\n")).status, 304);
    assert!(world.ask("/pages/docs/").body.contains("docs"));
    assert!(matches!(world.ask("/pages/docs").status, 301 | 302 | 307 | 308));
    let missing = world.ask("/pages/nothing");
    assert!(missing.status == 404 && missing.body.contains("not here"), "{missing:?}");
    for path in ["/pages/../../landfall.toml", "/pages/%2e%2e/landfall.toml", "/pages/..%2flandfall.toml"] {
        let answer = world.ask(path);
        assert!(!answer.body.contains("[service.web]"), "{path}: {answer:?}");
    }
    site("other");
    let page = world.ask_with("/pages/", &format!("If-None-Match: {tag}\r\n"));
    assert!(page.status == 200 && page.body.contains("other"), "a stale copy is no good: {page:?}");
}

pub(crate) fn https_with_the_hosts_own_authority(door: Door) {
    let world = World::new(door);
    let secure = free_address();
    let tls =
        format!("tls = {{ from = \"internal\", listen = \"{secure}\", redirect = true, hsts = \"30d\" }}");
    world.write("", &tls);
    world.deploy();
    let redirected = world.ask("/x?y=1");
    let port = secure.rsplit(':').next().expect("a port");
    assert!(matches!(redirected.status, 301 | 308), "{redirected:?}");
    assert!(redirected.head.contains(&format!("https://echo.localhost:{port}/x?y=1")), "{redirected:?}");
    let asked = Command::new("curl")
        .args(["-sk", "--max-time", "20", "-D", "-", "--resolve"])
        .arg(format!("echo.localhost:{port}:127.0.0.1"))
        .arg(format!("https://echo.localhost:{port}/x"))
        .output()
        .expect("curl runs");
    let text = String::from_utf8_lossy(&asked.stdout).to_lowercase();
    assert!(text.contains(" 200") && text.contains("x-forwarded-proto: https"), "{text}");
    assert!(text.contains("strict-transport-security: max-age=2592000"), "{text}");
    world.says("two");
    world.deploy();
}

pub(crate) fn maintenance_and_pause(door: Door) {
    let world = World::new(door);
    world.sandbox.write("sorry.html", "<h1>Back at noon</h1>");
    world.write("http = { maintenance = \"sorry.html\" }", "");
    world.deploy();
    world.sandbox.run(&["maintenance", "on"]).ok();
    let page = ask_for_page(&world.listen, "echo.localhost", "/").expect("an answer");
    assert!(page.status == 503 && page.body.contains("Back at noon"), "{page:?}");
    world.says("two");
    world.deploy();
    assert_eq!(world.ask("/").status, 503);
    world.sandbox.run(&["maintenance", "off"]).ok();
    assert_eq!(world.version(), "two");

    world.sandbox.run(&["pause"]).ok();
    let listen = world.listen.clone();
    let waiting = std::thread::spawn(move || ask(&listen, "echo.localhost", "/").expect("an answer"));
    wait_until("the request waits", SOON, || {
        let status = world.sandbox.run(&["status", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_str(&status).expect("a status");
        status["routes"][0]["held_now"] == 1
    });
    world.says("three");
    world.deploy();
    assert!(!waiting.is_finished(), "a deploy does not end a pause");
    world.sandbox.run(&["unpause"]).ok();
    let answer = waiting.join().expect("the request is answered");
    assert!(answer.status == 200 && answer.body.starts_with("three"), "{answer:?}");
    assert_eq!(world.version(), "three");
}

pub(crate) fn a_route_of_another_application_is_refused(door: Door) {
    let world = World::deployed(door, "");
    let text = std::fs::read_to_string(world.sandbox.project().join("landfall.toml")).expect("a manifest");
    world.sandbox.write("landfall.toml", &text.replace("name = \"echo\"", "name = \"other\""));
    let _ = world.sandbox.run(&["deploy"]).code(3);
    // The other door cannot have the address either: one address has one proxy.
    let word = if door == Door::Caddy { "landfall" } else { "caddy" };
    let other = text
        .replace("name = \"echo\"", "name = \"other\"")
        .replace("echo.localhost", "other.localhost")
        .replace(&format!("proxy = \"{}\"", door.word()), &format!("proxy = \"{word}\""));
    if word == "landfall" || crate::world::caddy_is_there() {
        world.sandbox.write("landfall.toml", &other);
        let ran = world.sandbox.run(&["deploy"]);
        assert!(matches!(ran.code, Some(3 | 4)), "{ran}");
    }
    assert_eq!(world.version(), "one");
}
