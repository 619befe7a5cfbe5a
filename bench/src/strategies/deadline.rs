//! Which cuts came too early: before the time that the old release had to finish what was under way.

use std::time::Duration;

use landfall_model::Timestamp;
use landfall_testkit::streams::Cut;

/// A deploy that went well.
#[derive(Debug, Clone)]
pub(super) struct Deployed {
    /// What was deployed.
    pub(super) release: String,
    /// When its command began; the old release's time begins then or later.
    pub(super) begun: Timestamp,
}

/// Cuts, told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Those that came at their deadline or after it.
    pub(super) in_time: u64,
    /// The shortest time from the beginning of a deploy to a cut of what it replaced.
    pub(super) shortest: Option<Duration>,
    /// Those that came before it, and how.
    pub(super) early: Vec<String>,
}

/// Tells the cuts apart. A stream's greeting is its release; it may be cut `drain` after the deploy of the next one began.
/// A release that nothing replaced may not be cut at all.
pub(super) fn judge(cuts: &[Cut], deployed: &[Deployed], drain: Duration) -> Judged {
    let mut judged = Judged::default();
    for cut in cuts {
        let own = deployed.iter().position(|deploy| deploy.release == cut.greeting);
        // What is none of them was there before the first.
        let next = deployed.get(own.map_or(0, |own| own + 1));
        let stayed = next.filter(|next| cut.at >= next.begun).map(|next| cut.at.since(next.begun));
        judged.shortest = match (judged.shortest, stayed) {
            (Some(shortest), Some(stayed)) => Some(shortest.min(stayed)),
            (one, other) => one.or(other),
        };
        if stayed.is_some_and(|stayed| stayed >= drain) {
            judged.in_time += 1;
        } else {
            let when = stayed.map_or_else(
                || "though nothing had replaced it".to_owned(),
                |stayed| format!("{stayed:?} after the deploy that replaced it had begun"),
            );
            judged.early.push(format!("{:?} to {}, cut {when}: {}", cut.kind, cut.greeting, cut.reason));
        }
    }
    judged
}

#[cfg(test)]
mod tests {
    use landfall_testkit::streams::StreamKind;

    use super::*;

    #[test]
    fn a_cut_is_early_before_its_own_release_was_replaced_and_drained() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let deployed = [("r1", 10), ("r2", 20)]
            .map(|(release, begun)| Deployed { release: release.to_owned(), begun: at(begun) });
        let early = |greeting: &str, seconds: u64| {
            let kind = StreamKind::Socket;
            let (greeting, reason) = (greeting.to_owned(), "ended".to_owned());
            let cut = Cut { kind, greeting, since: at(0), at: at(seconds), reason };
            !judge(&[cut], &deployed, Duration::from_secs(2)).early.is_empty()
        };
        let table =
            [("r0", 9, true), ("r0", 11, true), ("r0", 12, false), ("r1", 12, true), ("r1", 22, false)];
        for (greeting, seconds, expected) in table {
            assert_eq!(early(greeting, seconds), expected, "{greeting} at {seconds}");
        }
        assert!(early("r2", 1000), "nothing replaced r2");
    }
}
