//! Which volumes that no release needs go by themselves, as the owner says it by room, number and age. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_model::api::VolumeId;
use landfall_model::{Fault, Timestamp};

use super::most::{Most, VOLUMES};

/// The variable with how many such volumes are kept.
const COUNT: &str = "LANDFALL_VOLUMES_KEEP";

/// The variable with the days that such a volume is kept.
const DAYS: &str = "LANDFALL_VOLUMES_DAYS";

/// None goes by itself that was needed in this time: what was taken out by mistake can be put back.
const LEAST: Duration = DAY;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A volume that no release needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) id: VolumeId,
    /// Since when that is known.
    pub(crate) since: Timestamp,
    pub(crate) bytes: u64,
}

/// How many, how large and how old they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    room: Most,
    count: Option<u64>,
    days: Option<u64>,
}

impl Limits {
    /// Reads the agent's variables; without any of them nothing goes.
    ///
    /// # Errors
    /// A usage fault that names the variable.
    pub(crate) fn read(variables: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let said = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        let number = |name: &str| {
            let wrong = |text: &str| {
                Fault::usage(format!("{name} is `{text}`, which is no number"))
                    .help("write a whole number into the agent's environment, and start it again")
            };
            said(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
        };
        Ok(Self {
            room: said(VOLUMES).map_or(Ok(Most::All), |text| Most::read(VOLUMES, text))?,
            count: number(COUNT)?,
            days: number(DAYS)?,
        })
    }

    /// Whether nothing ever goes.
    pub(crate) fn is_none(&self) -> bool {
        self.room == Most::All && self.count.is_none() && self.days.is_none()
    }

    /// Of `idle`, on a file system of `total` bytes, what goes: those that are too old, then those that were idle the
    /// longest until number and room are as they should be.
    pub(crate) fn over(&self, mut idle: Vec<Idle>, total: u64, now: Timestamp) -> Vec<Idle> {
        idle.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        let most = self.room.bytes(total).unwrap_or(u64::MAX);
        let mut left = idle.len() as u64;
        let mut bytes: u64 = idle.iter().map(|one| one.bytes).sum();
        let mut going = Vec::new();
        for one in idle {
            let age = now.since(one.since);
            let old = self.days.is_some_and(|days| age.as_secs() / DAY.as_secs() >= days);
            let too_many = self.count.is_some_and(|count| left > count);
            if age >= LEAST && (old || too_many || bytes > most) {
                left -= 1;
                bytes -= one.bytes;
                going.push(one);
            }
        }
        going
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume that was idle for so many hours at `NOW`.
    fn idle(name: &str, hours: u64, bytes: u64) -> Idle {
        let id = VolumeId {
            app: "shop".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            service: "web".parse().unwrap(),
            name: name.to_owned(),
        };
        Idle { id, since: Timestamp::from_millis((NOW - hours) * 3_600_000), bytes }
    }

    const NOW: u64 = 1_000_000;

    fn going(variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let limits = Limits::read(&variables.collect()).unwrap();
        let all = vec![idle("new", 2, 50), idle("old", 24 * 40, 10), idle("mid", 24 * 5, 30)];
        let gone = limits.over(all, 1_000, Timestamp::from_millis(NOW * 3_600_000));
        gone.into_iter().map(|one| one.id.name).collect()
    }

    #[test]
    fn nothing_goes_that_nobody_asked_for() {
        assert!(Limits::read(&BTreeMap::new()).unwrap().is_none());
        assert!(going(&[]).is_empty());
        assert!(going(&[("LANDFALL_VOLUMES", "off"), ("LANDFALL_VOLUMES_KEEP", "3")]).is_empty());
    }

    #[test]
    fn by_age_number_or_room_those_go_first_that_were_idle_the_longest() {
        assert_eq!(going(&[("LANDFALL_VOLUMES_DAYS", "30")]), ["old"]);
        assert_eq!(going(&[("LANDFALL_VOLUMES_DAYS", "5")]), ["old", "mid"]);
        assert_eq!(going(&[("LANDFALL_VOLUMES_KEEP", "2")]), ["old"]);
        assert_eq!(going(&[("LANDFALL_VOLUMES", "80")]), ["old"]);
        assert_eq!(going(&[("LANDFALL_VOLUMES", "5%")]), ["old", "mid"]);
        assert_eq!(going(&[("LANDFALL_VOLUMES", "85"), ("LANDFALL_VOLUMES_KEEP", "1")]), ["old", "mid"]);
    }

    #[test]
    fn what_was_needed_within_a_day_never_goes_by_itself() {
        let none =
            [("LANDFALL_VOLUMES", "0"), ("LANDFALL_VOLUMES_KEEP", "0"), ("LANDFALL_VOLUMES_DAYS", "0")];
        assert_eq!(going(&none), ["old", "mid"]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let variables = BTreeMap::from([(DAYS.to_owned(), "30d".to_owned())]);
        assert!(Limits::read(&variables).unwrap_err().message.contains(DAYS));
    }
}
