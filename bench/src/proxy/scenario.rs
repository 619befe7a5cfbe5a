//! The scenarios of small answers: how clients come.

use super::peer::Peer;
use super::started::Started;
use super::wrk::{Asked, Run};
use super::{Place, Turns};
use crate::stats::median;

/// How clients come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// As the report calls it.
    pub(crate) name: &'static str,
    /// Connections at once.
    pub(crate) connections: u32,
    /// Whether each request has a connection of its own.
    pub(crate) close: bool,
    /// Whether they come with TLS.
    pub(crate) tls: bool,
    /// What ours must reach.
    pub(crate) marks: Marks,
}

/// 64 connections that are kept alive.
const PLAIN: Scenario =
    Scenario { name: "", connections: 64, close: false, tls: false, marks: Marks::NotFarBehind };

/// What ours must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// Rate, latency, processor time and memory.
    All,
    /// Not much fewer requests a second than nginx.
    NotFarBehind,
}

/// What a proxy did in its turns: medians over the rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) peer: Peer,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p99: f64,
    /// Microseconds of processor time for each request.
    pub(crate) cpu: f64,
    /// The largest resident memory, in bytes.
    pub(crate) peak: u64,
    /// Of all rounds.
    pub(crate) errors: u64,
}

impl Scenario {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self { name: "64 connections kept alive", marks: Marks::All, ..PLAIN },
        Self { name: "1,000 connections kept alive", connections: 1000, ..PLAIN },
        Self { name: "64 clients, a new connection each time", close: true, ..PLAIN },
        Self { name: "64 connections kept alive with TLS", tls: true, ..PLAIN },
    ];

    /// Gives each proxy its turn in every round, another one first each time. A scenario with TLS needs the certificate.
    pub(crate) fn run(&self, place: &Place<'_>, turns: Turns) -> Vec<Measured> {
        let Place { binary, peers, back, certificate } = *place;
        let certificate = certificate.filter(|_| self.tls);
        let started: Vec<Started> =
            peers.iter().map(|peer| Started::new(*peer, binary, &back.address, certificate)).collect();
        for proxy in &started {
            // Warms up; what is lazily made is made.
            let _ = self.turn(proxy, 1);
        }
        let mut taken: Vec<Vec<(Run, f64)>> = vec![Vec::new(); peers.len()];
        for round in 0..turns.rounds as usize {
            for place in 0..peers.len() {
                let whose = (round + place) % peers.len();
                taken[whose].push(self.turn(&started[whose], turns.seconds));
            }
        }
        let each = peers.iter().zip(&started).zip(&taken);
        each.map(|((peer, proxy), taken)| summarize(*peer, taken, proxy.usage().peak)).collect()
    }

    /// One turn: the run and the microseconds of processor time for each request.
    fn turn(&self, proxy: &Started, seconds: u32) -> (Run, f64) {
        let before = proxy.usage().cpu;
        let url = proxy.tls.as_deref().map_or_else(
            || format!("http://{}/", proxy.front),
            |tls| format!("https://localhost:{}/", tls.rsplit(':').next().unwrap_or_default()),
        );
        let asked = Asked { url: &url, connections: self.connections, close: self.close, seconds };
        let run = asked.run();
        let used = proxy.usage().cpu.saturating_sub(before);
        (run, used.as_secs_f64() * 1e6 / float(run.requests.max(1)))
    }
}

fn summarize(peer: Peer, taken: &[(Run, f64)], peak: u64) -> Measured {
    let middle = |of: fn(&(Run, f64)) -> f64| median(taken.iter().map(of));
    Measured {
        peer,
        rate: middle(|(run, _)| float(run.requests) / run.lasted.as_secs_f64()),
        p50: middle(|(run, _)| run.p50.as_secs_f64() * 1e6),
        p99: middle(|(run, _)| run.p99.as_secs_f64() * 1e6),
        cpu: middle(|(_, cpu)| *cpu),
        peak,
        errors: taken.iter().map(|(run, _)| run.errors).sum(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "requests of a few seconds")]
fn float(count: u64) -> f64 {
    count as f64
}
