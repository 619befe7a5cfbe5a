//! The proxy beside nginx, `HAProxy` and Caddy: the same back end, the same load generator, taken in turn in one run.
//!
//! All have two workers or threads, keep connections to the back end alive and set the usual `X-Forwarded-*` fields. The
//! peers write no access log; ours does, as it does for every user, and is measured without it too. Every proxy is started
//! afresh for each scenario, so that its peak of memory is that scenario's.

mod back;
mod certificate;
mod configuration;
mod download;
mod peer;
mod scenario;
mod started;
mod stream;
mod usage;
mod verdict;
mod wrk;

use std::path::Path;
use std::process::{Command, Stdio};

use back::Back;
use certificate::Certificate;
use peer::Peer;
use scenario::Scenario;

use crate::report::Section;
use crate::settings::Settings;

/// Rounds in which each proxy has its turn.
const ROUNDS: u32 = 5;
/// Seconds of one turn.
const SECONDS: u32 = 5;

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
}

/// What every scenario shares.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Our binary.
    pub(crate) binary: &'a Path,
    /// The proxies that are installed.
    pub(crate) peers: &'a [Peer],
    pub(crate) back: &'a Back,
    pub(crate) certificate: Option<&'a Certificate>,
}

/// Measures every scenario; says loudly what is missing here.
pub(crate) fn measure(binary: &Path, settings: &Settings, section: &mut Section) {
    let turns =
        Turns { rounds: settings.runs.unwrap_or(ROUNDS), seconds: settings.seconds.unwrap_or(SECONDS) };
    let needed = ["nginx", "wrk"].into_iter().filter(|program| !is_installed(program));
    let missing: Vec<&str> = needed.collect();
    if !missing.is_empty() {
        return section
            .skipped(&format!("the proxy beside its peers: {} not installed", missing.join(" and ")));
    }
    let peers: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| is_installed(peer.program())).collect();
    for peer in Peer::ALL.into_iter().filter(|peer| !peers.contains(peer)) {
        section.skipped(&format!("{}: not installed", peer.name()));
    }
    let (back, certificate) = (Back::start(), Certificate::make());
    let place = Place { binary, peers: &peers, back: &back, certificate: certificate.as_ref() };
    for scenario in &Scenario::ALL {
        if scenario.tls && certificate.is_none() {
            section.skipped(&format!("{}: openssl is not installed", scenario.name));
            continue;
        }
        let measured = scenario.run(&place, turns);
        verdict::tell(scenario, &measured, turns, section);
    }
    let measured = stream::run(&place, turns);
    stream::tell(&measured, turns, section);
}

/// Whether a program can be started. Ours is always there, as the bench builds it.
fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program.is_empty() || command.status().is_ok()
}
