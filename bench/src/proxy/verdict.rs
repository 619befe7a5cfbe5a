//! What the figures of a scenario are held against: ratios of medians, ours over a peer's.

use std::fmt::Write as _;

use super::Turns;
use super::peer::Peer;
use super::scenario::{Marks, Measured, Scenario};
use crate::report::Section;

/// Resident memory that ours may have, in bytes.
const MEMORY: u64 = 20 << 20;

/// Adds the figures of a scenario.
pub(crate) fn tell(scenario: &Scenario, measured: &[Measured], turns: Turns, section: &mut Section) {
    let Some(ours) = measured.iter().find(|measured| measured.peer == Peer::Landfall) else { return };
    let name = scenario.name;
    let whole = scenario.marks == Marks::All;
    let rate = Ratio { what: "requests a second", of: |measured| measured.rate };
    let p99 = Ratio { what: "99th percentile of latency", of: |measured| measured.p99 };
    let cpu = Ratio { what: "processor time for a request", of: |measured| measured.cpu };
    let least: &[(Peer, f64)] = if whole {
        &[(Peer::Nginx, 1.0), (Peer::HaProxy, 1.0), (Peer::Caddy, 4.0)]
    } else {
        &[(Peer::Nginx, 0.8)]
    };
    let most: &[(Peer, f64)] = if whole { &[(Peer::Nginx, 1.2)] } else { &[] };
    rate.tell(name, measured, &Bound::AtLeast(least), &table(measured, turns), section);
    p99.tell(name, measured, &Bound::AtMost(most), "", section);
    cpu.tell(name, measured, &Bound::AtMost(most), "", section);
    let memory = format!("{name}: resident memory");
    let peers = measured.iter().filter(|measured| measured.peer != Peer::Landfall);
    let peaks: Vec<String> = peers.map(|peer| format!("{} {}", peer.peer, mebibytes(peer.peak))).collect();
    let shown = format!("{} ({})", mebibytes(ours.peak), peaks.join(", "));
    if whole {
        section.bounded(
            &memory,
            &shown,
            "20 MiB",
            ours.peak <= MEMORY,
            "the peak after all rounds, of all its processes",
        );
    } else {
        section.compared(&memory, &shown, "");
    }
    if ours.errors > 0 {
        section.bounded(&format!("{name}: errors"), &ours.errors.to_string(), "0", false, "counted by wrk");
    }
}

/// A figure that is compared with the peers' same figure.
struct Ratio {
    what: &'static str,
    of: fn(&Measured) -> f64,
}

/// What a ratio must be, by peer; nothing for a ratio that is only shown.
enum Bound<'a> {
    AtLeast(&'a [(Peer, f64)]),
    AtMost(&'a [(Peer, f64)]),
}

impl Bound<'_> {
    fn reached(&self, peer: Peer, ratio: f64) -> bool {
        let mark = |marks: &[(Peer, f64)]| marks.iter().find(|(of, _)| *of == peer).map(|(_, mark)| *mark);
        match self {
            Self::AtLeast(marks) => mark(marks).is_none_or(|mark| ratio >= mark),
            Self::AtMost(marks) => mark(marks).is_none_or(|mark| ratio <= mark),
        }
    }

    fn shown(&self) -> Option<String> {
        let (words, marks) = match self {
            Self::AtLeast(marks) => ("at least", marks),
            Self::AtMost(marks) => ("at most", marks),
        };
        let each: Vec<String> = marks.iter().map(|(peer, mark)| format!("×{mark:.1} of {peer}")).collect();
        (!each.is_empty()).then(|| format!("{words} {}", each.join(", ")))
    }
}

impl Ratio {
    fn tell(
        &self,
        name: &str,
        measured: &[Measured],
        bound: &Bound<'_>,
        rests_on: &str,
        section: &mut Section,
    ) {
        let own = |peer: Peer| measured.iter().find(|measured| measured.peer == peer).map(self.of);
        let ours = own(Peer::Landfall).unwrap_or_default();
        let ratios = |ours: f64| {
            let peers = measured.iter().filter(|measured| !measured.peer.is_ours());
            peers.map(move |peer| (peer.peer, ours / (self.of)(peer).max(f64::MIN_POSITIVE)))
        };
        let list = |ours: f64| {
            let each: Vec<String> =
                ratios(ours).map(|(peer, ratio)| format!("×{ratio:.2} of {peer}")).collect();
            each.join(", ")
        };
        let reached = ratios(ours).all(|(peer, ratio)| bound.reached(peer, ratio));
        let unlogged = own(Peer::Unlogged).map(|ours| format!("; without its access log {}", list(ours)));
        let shown = list(ours) + &unlogged.unwrap_or_default();
        let what = format!("{name}: {}", self.what);
        match bound.shown() {
            Some(bound) => section.bounded(&what, &shown, &bound, reached, rests_on),
            None => section.compared(&what, &shown, rests_on),
        }
    }
}

/// All that was measured, in a line.
fn table(measured: &[Measured], turns: Turns) -> String {
    let mut text = format!("medians of {} rounds of {} s each, in turn", turns.rounds, turns.seconds);
    for Measured { peer, rate, p50, p99, cpu, peak, errors } in measured {
        let _ = write!(
            text,
            "; {peer} {rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {cpu:.1} µs of processor time a request, {}",
            p50 / 1000.0,
            p99 / 1000.0,
            mebibytes(*peak)
        );
        if *errors > 0 {
            let _ = write!(text, ", {errors} errors");
        }
    }
    text
}

/// Bytes as `18.5 MiB`.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & ((1 << 20) - 1)) * 10) >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_for_the_peer_that_it_names() {
        let least = Bound::AtLeast(&[(Peer::Nginx, 1.0), (Peer::Caddy, 4.0)]);
        assert!(least.reached(Peer::Nginx, 1.0) && !least.reached(Peer::Nginx, 0.99));
        assert!(!least.reached(Peer::Caddy, 3.9) && least.reached(Peer::HaProxy, 0.1));
        assert_eq!(least.shown().unwrap(), "at least ×1.0 of nginx, ×4.0 of Caddy");
        let most = Bound::AtMost(&[(Peer::Nginx, 1.2)]);
        assert!(most.reached(Peer::Nginx, 1.2) && !most.reached(Peer::Nginx, 1.21));
        assert_eq!(Bound::AtMost(&[]).shown(), None);
    }
}
