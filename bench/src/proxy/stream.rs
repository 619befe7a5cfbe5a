//! The scenario of one large answer, streamed.

use super::back::{LARGE, LARGE_PATH};
use super::download::download;
use super::peer::Peer;
use super::started::Started;
use super::verdict::mebibytes;
use super::{Place, Turns};
use crate::report::Section;
use crate::stats::median;

/// Of nginx's speed, the least that ours must have.
const MARK: f64 = 0.9;

/// What a proxy did: medians over the rounds.
pub(crate) struct Streamed {
    peer: Peer,
    /// Bytes a second.
    rate: f64,
    /// Seconds of processor time for the whole.
    cpu: f64,
    /// The largest resident memory, in bytes.
    peak: u64,
}

/// Gives each proxy its turn in every round, another one first each time.
///
/// # Panics
/// When an answer does not arrive whole.
pub(crate) fn run(place: &Place<'_>, turns: Turns) -> Vec<Streamed> {
    let Place { binary, peers, back, .. } = *place;
    let started: Vec<Started> =
        peers.iter().map(|peer| Started::new(*peer, binary, &back.address, None)).collect();
    let mut taken: Vec<Vec<(f64, f64)>> = vec![Vec::new(); peers.len()];
    for round in 0..=turns.rounds as usize {
        for place in 0..peers.len() {
            let whose = (round + place) % peers.len();
            let one = turn(peers[whose], &started[whose]);
            // The first round reads the file into memory.
            if round > 0 {
                taken[whose].push(one);
            }
        }
    }
    let each = peers.iter().zip(&started).zip(&taken);
    each.map(|((peer, proxy), taken)| Streamed {
        peer: *peer,
        rate: median(taken.iter().map(|(rate, _)| *rate)),
        cpu: median(taken.iter().map(|(_, cpu)| *cpu)),
        peak: proxy.usage().peak,
    })
    .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a gigabyte")]
fn turn(peer: Peer, proxy: &Started) -> (f64, f64) {
    let before = proxy.usage().cpu;
    let (length, took) =
        download(&proxy.front, LARGE_PATH).unwrap_or_else(|error| panic!("{peer} does not stream: {error}"));
    assert_eq!(length, LARGE, "{peer} cut the answer short");
    let used = proxy.usage().cpu.saturating_sub(before);
    (length as f64 / took.as_secs_f64(), used.as_secs_f64())
}

/// Adds the figure.
pub(crate) fn tell(measured: &[Streamed], turns: Turns, section: &mut Section) {
    let of = |peer: Peer| measured.iter().find(|measured| measured.peer == peer);
    let Some(ours) = of(Peer::Landfall) else { return };
    let peers = measured.iter().filter(|measured| !measured.peer.is_ours());
    let ratios: Vec<String> =
        peers.map(|peer| format!("×{:.2} of {}", ours.rate / peer.rate, peer.peer)).collect();
    let each: Vec<String> = measured
        .iter()
        .map(|Streamed { peer, rate, cpu, peak }| {
            format!(
                "{peer} {:.2} GB/s with {cpu:.2} s of processor time and {}",
                rate / 1e9,
                mebibytes(*peak)
            )
        })
        .collect();
    section.bounded(
        "1 GB streamed over one connection",
        &ratios.join(", "),
        &format!("at least ×{MARK} of nginx"),
        of(Peer::Nginx).is_none_or(|nginx| ours.rate >= MARK * nginx.rate),
        &format!("medians of {} rounds, in turn; {}", turns.rounds, each.join("; ")),
    );
}
