//! Versions that are never used twice, whatever the clock says.

use std::time::Duration;

use landfall_model::{Timestamp, Version};

use super::Source;

/// Stamps a source. The version's moment is `now`, or one second after `newest_moment` (the newest that any version of
/// the place carries, 14 digits) when the clock is not beyond it.
#[must_use]
pub fn stamp(source: &Source, now: Timestamp, newest_moment: Option<&str>) -> Version {
    let next = newest_moment.and_then(parse).map(|moment| moment.plus(Duration::from_secs(1)));
    let moment = next.map_or(now, |next| now.max(next));
    Version::stamp(&source.semver, moment, source.commit.as_deref(), source.dirty)
}

/// Reads `20261120131502`; `None` when it is no moment.
fn parse(moment: &str) -> Option<Timestamp> {
    if moment.len() != 14 || !moment.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (date, time) = moment.split_at(8);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source() -> Source {
        Source { semver: semver::Version::new(1, 4, 0), commit: Some("3f2a1c9".to_owned()), dirty: false }
    }

    #[test]
    fn a_stamp_is_readable() {
        let now = "2026-11-20T13:15:02.900Z".parse().unwrap();
        assert_eq!(stamp(&source(), now, None).to_string(), "1.4.0-20261120131502-3f2a1c9");
        let next = stamp(&source(), now, Some("20261120131502"));
        assert_eq!(next.to_string(), "1.4.0-20261120131503-3f2a1c9");
        let over = stamp(&source(), now, Some("20261231235959"));
        assert_eq!(over.to_string(), "1.4.0-20270101000000-3f2a1c9");
        assert_eq!(stamp(&source(), now, Some("99999999999999")).moment(), "20261120131502");
    }

    proptest! {
        /// However the clock jumps, each version is newer than all before it.
        #[test]
        fn moments_only_rise(clock in proptest::collection::vec(0u64..4_102_444_800_000, 1..50)) {
            let mut newest: Option<Version> = None;
            for now in clock {
                let moment = newest.as_ref().map(|version| version.moment().to_owned());
                let version = stamp(&source(), Timestamp::from_millis(now), moment.as_deref());
                if let Some(newest) = newest {
                    prop_assert!(version > newest, "{version} after {newest}");
                    prop_assert!(version.moment() > newest.moment());
                }
                newest = Some(version);
            }
        }
    }
}
