//! Rules: the port it should listen on, and what it does instead.

use std::net::{IpAddr, SocketAddr};

use landfall_model::{Evidence, HealthAnswer, Millis};

use super::{Finding, newest};

/// The port is somebody else's.
pub(super) fn port_in_use(evidence: &Evidence) -> Option<Finding> {
    let line = newest(evidence, |line| {
        let lower = line.to_lowercase();
        let said =
            ["address already in use", "eaddrinuse", "connection in use", "is in use by another program"];
        said.iter().any(|phrase| lower.contains(phrase)).then(|| line.to_owned())
    })?;
    let wanted = port_of(&line)
        .or_else(|| newest(evidence, |line| line.contains(" in use").then(|| port_of(line))?));
    match (wanted, expected(evidence)) {
        (Some(port), Some(given)) if port != given.port() => Finding::new(
            format!("it wants port {port}, which another program has, and not the one it is given, $PORT"),
            binding_advice(evidence),
        ),
        (port, given) => {
            let port =
                port.or(given.map(|given| given.port())).map_or_else(String::new, |port| format!(" {port}"));
            Finding::new(
                format!("the port{port} is in use by another program"),
                "deploy again: another port is given then; if the command names a port of its own, use $PORT instead",
            )
        }
    }
}

/// It listens, but not where it is asked.
pub(super) fn listens_elsewhere(evidence: &Evidence) -> Option<Finding> {
    let given = expected(evidence)?;
    if !matches!(evidence.health, None | Some(HealthAnswer::Refused)) {
        return None;
    }
    let found: Vec<SocketAddr> = evidence.listeners.iter().filter_map(|l| l.address.parse().ok()).collect();
    if found.is_empty() || found.iter().any(|found| reaches(*found, given)) {
        return None;
    }
    if let Some(found) = found.iter().find(|found| found.port() == given.port()) {
        let cause = format!("it listens on {found}, but not on $HOST, {}", given.ip());
        return Finding::new(cause, binding_advice(evidence));
    }
    // All that keeps requests from it is the port's number, which is the owner's to say of a container.
    let other_port = |found: &&SocketAddr| reaches(**found, SocketAddr::new(given.ip(), found.port()));
    let reached = found.iter().find(other_port).filter(|_| evidence.container);
    let cause = format!("it listens on {}, not on $PORT, {given}", reached.or(found.first())?);
    match reached {
        Some(found) => Finding::new(
            cause,
            format!(
                "say so in the service's part of landfall.toml: `port = {}`; or {}",
                found.port(),
                binding_advice(evidence)
            ),
        ),
        None => Finding::new(cause, binding_advice(evidence)),
    }
}

/// It runs and listens on nothing.
pub(super) fn never_bound(evidence: &Evidence) -> Option<Finding> {
    let given = expected(evidence)?;
    let refused = matches!(evidence.health, None | Some(HealthAnswer::Refused));
    if evidence.exit.is_some() || !evidence.listeners.is_empty() || !refused {
        return None;
    }
    // Without a look at the health nothing is known of the port.
    evidence.health.as_ref()?;
    Finding::new(
        format!(
            "it runs, but after {} it still listens on no port; it should on {given}",
            Millis(evidence.waited_ms)
        ),
        format!("{}; if it only boots slowly, raise `start_period` of `health`", binding_advice(evidence)),
    )
}

/// How the program that is run is told where to listen.
fn binding_advice(evidence: &Evidence) -> String {
    let known: &[(&str, &str)] = &[
        ("gunicorn", "gunicorn --bind $HOST:$PORT …"),
        ("uvicorn", "uvicorn --host $HOST --port $PORT …"),
        ("hypercorn", "hypercorn --bind $HOST:$PORT …"),
        ("flask", "flask run --host $HOST --port $PORT"),
        ("manage.py", "python manage.py runserver $HOST:$PORT"),
        ("next", "next start -H $HOST -p $PORT"),
        ("vite", "vite preview --host $HOST --port $PORT"),
        ("http.server", "python3 -m http.server --bind $HOST $PORT"),
        ("node", "in Node: server.listen(process.env.PORT, process.env.HOST)"),
    ];
    let example = known.iter().find(|(name, _)| evidence.command.contains(name));
    let example = example.map_or_else(String::new, |(_, example)| format!(": `{example}`"));
    format!("let it listen on $HOST:$PORT, which it finds in its environment{example}")
}

fn expected(evidence: &Evidence) -> Option<SocketAddr> {
    evidence.expected.as_deref()?.parse().ok()
}

/// Whether who connects to `given` reaches a socket that listens on `found`.
fn reaches(found: SocketAddr, given: SocketAddr) -> bool {
    let any = match found.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && given.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    found.port() == given.port() && (any || found.ip().to_canonical() == given.ip().to_canonical())
}

/// The port in a line: the last number behind a colon, a comma or the word itself.
fn port_of(line: &str) -> Option<u16> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let starts = [":", ", ", "Port ", "port "]
        .iter()
        .flat_map(|before| line.match_indices(before).map(|(at, b)| at + b.len()));
    let mut found: Vec<(usize, u16)> = starts
        .filter_map(|at| Some((at, digits(&line[at..]).parse().ok().filter(|port| *port > 0)?)))
        .collect();
    found.sort_unstable();
    found.last().map(|(_, port)| *port)
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;
    use landfall_model::HealthAnswer;

    #[test]
    fn ports_in_use() {
        let gunicorn = "[2026-11-21 02:31:12 +0000] [21775] [ERROR] connection to ('127.0.0.1', 41873) failed: [Errno 98] Address already in use
[2026-11-21 02:31:13 +0000] [21775] [ERROR] Can't connect to ('127.0.0.1', 41873)";
        Case::exited(1, gunicorn).cause("the port 41873 is in use by another program").advice("deploy again");
        Case::exited(
            1,
            "Error: listen EADDRINUSE: address already in use :::3000\n  code: 'EADDRINUSE',\n  port: 3000",
        )
        .with(|evidence| evidence.command = "node server.js".to_owned())
        .cause("it wants port 3000, which another program has, and not the one it is given, $PORT")
        .advice("process.env.PORT");
        let flask = "Address already in use\nPort 5000 is in use by another program. Either identify and stop that program, or start the server with a different port.";
        Case::exited(1, flask)
            .with(|evidence| evidence.command = "flask run".to_owned())
            .cause("it wants port 5000, which another program has, and not the one it is given, $PORT")
            .advice("flask run --host $HOST --port $PORT");
        Case::exited(1, "OSError: [Errno 98] Address already in use")
            .cause("the port 41873 is in use by another program");
    }

    #[test]
    fn listening_elsewhere() {
        let gunicorn = || {
            Case::running("").with(|e| {
                e.command = "gunicorn guestbook:app".to_owned();
                e.health = Some(HealthAnswer::Refused);
            })
        };
        gunicorn()
            .listening(&["127.0.0.1:8000"])
            .cause("it listens on 127.0.0.1:8000, not on $PORT, 127.0.0.1:41873")
            .advice("gunicorn --bind $HOST:$PORT");
        gunicorn()
            .listening(&["127.0.0.1:9999", "10.0.0.7:41873"])
            .cause("it listens on 10.0.0.7:41873, but not on $HOST, 127.0.0.1");
        gunicorn()
            .listening(&["[::1]:41873"])
            .cause("it listens on [::1]:41873, but not on $HOST, 127.0.0.1");
        for reached in ["127.0.0.1:41873", "0.0.0.0:41873", "[::]:41873"] {
            gunicorn().listening(&[reached]).cause("nothing accepted connections on 127.0.0.1:41873");
        }
    }

    #[test]
    fn a_container_that_listens_on_another_port_can_have_it_named() {
        let own = |addresses: &[&str]| {
            Case::running("").listening(addresses).with(|e| {
                e.command = "python -m http.server 8123".to_owned();
                e.health = Some(HealthAnswer::Refused);
                e.expected = Some("10.213.236.2:8080".to_owned());
                e.container = true;
            })
        };
        own(&["127.0.0.1:9000", "0.0.0.0:8123"])
            .cause("it listens on 0.0.0.0:8123, not on $PORT, 10.213.236.2:8080")
            .advice("`port = 8123`");
        own(&["[::]:8123"]).advice("`port = 8123`");
        // Its own loopback is reached by nobody, whatever the port is called.
        own(&["127.0.0.1:8123"]).advice("let it listen on $HOST:$PORT");
        assert!(!own(&["127.0.0.1:8123"]).advised().contains("port ="));
        // A process has another port each time.
        assert!(!own(&["0.0.0.0:8123"]).with(|e| e.container = false).advised().contains("port ="));
    }

    #[test]
    fn never_listening() {
        Case::running("loading model")
            .with(|evidence| evidence.health = Some(HealthAnswer::Refused))
            .cause("it runs, but after 1 min it still listens on no port; it should on 127.0.0.1:41873")
            .advice("start_period");
    }
}
