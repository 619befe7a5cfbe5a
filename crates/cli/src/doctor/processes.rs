//! What is thought of the agent and of the proxy: whether they run, as which build, what they listen on, what they say.

use landfall_model::api::Info;
use landfall_model::{CertificateSource, CertificateStatus, Finding, Millis, Timestamp};

use super::{Proxy, Seen};

/// Files that a proxy under load needs: two for each connection that is passed on, and room.
const FILES: u64 = 4_096;

pub(super) fn findings(seen: &Seen) -> Vec<Finding> {
    let mut findings = vec![agent(seen)];
    match (&seen.proxy, seen.proxy_wanted) {
        (Some(proxy), _) => {
            findings.push(build(seen, proxy));
            findings.extend(files(proxy));
            findings.extend(proxy.status.listeners.iter().map(|listener| {
                let subject = listener.address.to_string();
                match &listener.problem {
                    None => Finding::good(subject, "open"),
                    Some(problem) => Finding::bad(subject, problem, who_may(listener.address.port())),
                }
            }));
        }
        (None, true) => findings.push(Finding::bad(
            "proxy",
            "it does not run, and nothing is served",
            "`landfall status` starts the agent, which starts it; proxy.log in the state folder says why it ended",
        )),
        (None, false) => findings.push(Finding::good("proxy", "not running: there is no route yet")),
    }
    let certificates = seen.proxy.iter().flat_map(|proxy| &proxy.certificates);
    findings.extend(certificates.map(|known| certificate(known, seen.now)));
    findings.extend(notes(seen));
    findings
}

/// How long a certificate is good for, and what keeps it from being renewed.
fn certificate(known: &CertificateStatus, now: Timestamp) -> Finding {
    let subject = known.host.as_str();
    if known.is_to_come() {
        return Finding::good(subject, "its certificate is made with the first handshake");
    }
    let issuer = known.issuer.as_deref().map(|issuer| format!(", by {issuer}")).unwrap_or_default();
    let problem = known.problem.as_deref().map(|problem| format!("; {problem}")).unwrap_or_default();
    let days = known.days_left(now);
    let seen = match days {
        None => format!("no certificate yet{problem}"),
        Some(days) if days < 0 => format!("its certificate has expired{issuer}{problem}"),
        Some(days) => format!("certificate good for {days} days{issuer}{problem}"),
    };
    let again = match known.next_try {
        Some(next) => format!("it is tried again by itself at {next}"),
        None => "nothing is tried again by itself".to_owned(),
    };
    let help = match &known.source {
        CertificateSource::Internal => format!("proxy.log in the state folder says more; {again}"),
        CertificateSource::Files { certificate } => {
            format!("put a new one into {certificate}: a change of the file is noticed")
        }
        CertificateSource::Acme { directory, .. } => {
            format!("{subject} must reach this machine from the outside, for {directory} to see it; {again}")
        }
    };
    match days {
        Some(days) if days >= 0 && !known.expires_soon(now) && known.problem.is_none() => {
            Finding::good(subject, seen)
        }
        Some(days) if days >= 0 => Finding::doubtful(subject, seen, help),
        _ => Finding::bad(subject, seen, help),
    }
}

fn agent(seen: &Seen) -> Finding {
    match &seen.agent {
        None if seen.proxy_wanted => Finding::doubtful(
            "agent",
            "it does not run: instances that end are supervised, and nobody drains, deploys or starts a proxy again",
            "`landfall status`, as any command that needs it, starts it",
        ),
        None => Finding::good("agent", "not running: the next command that needs it starts it"),
        Some(Err(why)) => Finding::bad(
            "agent",
            why,
            "`landfall agent stop` ends it; agent.log in the state folder says more",
        ),
        Some(Ok(info)) if info.build != seen.build => Finding::doubtful(
            "agent",
            format!("it runs another build than this command, {}", facts(info, seen)),
            "`landfall agent stop` ends it, and the next command starts this build; instances and proxy go on",
        ),
        Some(Ok(info)) => Finding::good("agent", facts(info, seen)),
    }
}

fn facts(info: &Info, seen: &Seen) -> String {
    let up = Millis(Millis::from(seen.now.since(info.started)).0 / 1000 * 1000);
    format!("pid {}, up {up}", info.pid)
}

fn build(seen: &Seen, proxy: &Proxy) -> Finding {
    let status = &proxy.status;
    let memory = status.memory.map(|bytes| format!(", {} MiB", bytes >> 20)).unwrap_or_default();
    let facts = format!("pid {}{memory}", status.pid);
    if status.build == seen.build {
        return Finding::good("proxy", facts);
    }
    let help = "an agent of this build replaces it without closing a socket: `landfall agent stop`, then any command";
    Finding::doubtful("proxy", format!("it runs another build than this command, {facts}"), help)
}

fn files(proxy: &Proxy) -> Option<Finding> {
    let (most, open) = proxy.files?;
    let seen = format!("the proxy has {open} open, and may have {most}");
    let help = "raise the limit (`ulimit -n`, `LimitNOFILE` of systemd) where the agent is started";
    Some(if most < FILES {
        Finding::doubtful("files", seen, help)
    } else if open > most / 10 * 9 {
        Finding::bad("files", seen, help)
    } else {
        Finding::good("files", seen)
    })
}

fn notes(seen: &Seen) -> Vec<Finding> {
    let agents = seen.agent.iter().flatten().flat_map(|info| &info.notes).map(|note| ("agent", note));
    let proxies = seen.proxy.iter().flat_map(|proxy| &proxy.status.notes).map(|note| ("proxy", note));
    let help = "agent.log and proxy.log in the state folder have more";
    agents.chain(proxies).map(|(who, note)| Finding::doubtful(who, note, help)).collect()
}

fn who_may(port: u16) -> &'static str {
    if port < 1024 {
        "free it, or give `listen` another address; ports below 1024 need CAP_NET_BIND_SERVICE or \
         `sysctl net.ipv4.ip_unprivileged_port_start`"
    } else {
        "free it, or give `listen` another address"
    }
}
