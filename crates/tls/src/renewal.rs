//! When a certificate is ordered: pure, from what is there, what went wrong before, and the time.

use std::time::Duration;

use landfall_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_RETRY_AFTER, Pace};

/// The span in which an ACME server would like a certificate to be renewed (RFC 9773).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// When to ask again.
    pub(crate) ask: Timestamp,
}

/// Attempts that came to nothing since the last one that did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failures {
    pub(crate) count: u32,
    /// The reason of the last, for people.
    pub(crate) problem: String,
    /// Not before this.
    pub(crate) next: Timestamp,
}

impl Failures {
    /// One more, at `now`. `after` is how long the server asked to wait; `draw`, 0 to 255, spreads attempts of many
    /// hosts over a tenth of the wait.
    pub(crate) fn again(
        before: Option<&Self>,
        problem: String,
        (now, after): (Timestamp, Option<Duration>),
        pace: &Pace,
        draw: u8,
    ) -> Self {
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        let doubled = pace.first_retry.saturating_mul(1 << (count - 1).min(30)).min(pace.last_retry);
        let spread = doubled / 10 * u32::from(draw) / 255;
        let wait = (doubled + spread).max(after.unwrap_or_default().min(MAX_RETRY_AFTER));
        Self { count, problem, next: now.plus(wait) }
    }
}

/// The validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// When the next order is due: at once without a certificate, else when a third of its life is left or when the server
/// wants it, whichever is earlier; never before what failures allow. `draw`, 0 to 255, chooses the point in the server's
/// window, and without one spreads over a thirtieth of the life. A server whose window is over before the certificate is
/// a day old (or has lived a third of its life) would be asked for ever more of them: it waits until then.
pub(crate) fn due(
    now: Timestamp,
    span: Option<Span>,
    window: Option<Window>,
    failures: Option<&Failures>,
    draw: u8,
) -> Timestamp {
    let wanted = span.map_or(now, |span| {
        let life = span.not_after.since(span.not_before);
        let usual = span.not_before.plus(life * 2 / 3 - life / 30 * u32::from(draw) / 255);
        window.map_or(usual, |window| {
            let width = window.end.since(window.start);
            let soonest = span.not_before.plus((life / 3).min(DAY));
            window.start.plus(width * u32::from(draw) / 255).max(soonest).min(usual)
        })
    });
    failures.map_or(wanted, |failures| wanted.max(failures.next))
}

/// The least age at which a server's word makes a certificate be renewed.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether a certificate of a short life, which is made without asking anyone, is to be replaced: a third is left.
pub(crate) fn is_old(now: Timestamp, span: Span) -> bool {
    now.since(span.not_before) >= span.not_after.since(span.not_before) / 3 * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(DAY * u32::try_from(day).unwrap())
    }

    fn span(from: u64, to: u64) -> Option<Span> {
        Some(Span { not_before: day(from), not_after: day(to) })
    }

    #[test]
    fn a_third_before_the_end_and_earlier_if_the_server_says_so() {
        assert_eq!(due(day(5), None, None, None, 9), day(5));
        assert_eq!(due(day(5), span(0, 90), None, None, 0), day(60));
        assert_eq!(due(day(5), span(0, 90), None, None, 255), day(57));
        let window = |start, end| Some(Window { start: day(start), end: day(end), ask: day(6) });
        assert_eq!(due(day(5), span(0, 90), window(1, 2), None, 0), day(1));
        assert_eq!(due(day(5), span(4, 94), window(1, 2), None, 0), day(5));
        assert_eq!(due(day(5), span(5, 8), window(1, 2), None, 0), day(6));
        assert_eq!(due(day(5), span(0, 90), window(1, 2), None, 255), day(2));
        assert_eq!(due(day(5), span(0, 90), window(80, 85), None, 0), day(60));
    }

    #[test]
    fn failures_hold_it_back() {
        let failures = Failures { count: 1, problem: "down".to_owned(), next: day(70) };
        assert_eq!(due(day(5), span(0, 90), None, Some(&failures), 0), day(70));
        assert_eq!(due(day(5), None, None, Some(&failures), 0), day(70));
        assert_eq!(due(day(80), None, None, Some(&failures), 0), day(80));
    }

    #[test]
    fn waits_double_up_to_a_limit_and_heed_the_server() {
        let pace = Pace::default();
        let now = day(1);
        let mut failures = None;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let next = Failures::again(failures.as_ref(), String::new(), (now, None), &pace, 0);
            waits.push(next.next.since(now).as_secs() / 60);
            failures = Some(next);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
        let asked = |seconds| {
            let after = Some(Duration::from_secs(seconds));
            Failures::again(None, String::new(), (now, after), &pace, 255).next.since(now).as_secs()
        };
        assert_eq!([asked(1), asked(7200), asked(u64::MAX)], [66, 7200, 24 * 3600]);
    }

    #[test]
    fn a_certificate_of_ones_own_is_old_when_a_third_is_left() {
        let span = Span { not_before: day(0), not_after: day(9) };
        let end = Timestamp::from_millis(day(6).millis() - 1);
        assert_eq!([is_old(end, span), is_old(day(6), span), is_old(day(20), span)], [false, true, true]);
    }
}
