//! Points in time and lengths of time, as they are stored and shown.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A point in UTC with millisecond resolution; stored as RFC 3339 (`2026-11-20T13:15:02.120Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(u64);

crate::schema::string_schema!(Timestamp, "Timestamp", "2026-11-20T13:15:02.120Z");

impl Timestamp {
    /// The point `millis` milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }

    /// This point, `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `13:15 UTC`.
    #[must_use]
    pub fn minute(self) -> String {
        let minute: String = self.to_string().chars().skip(11).take(5).collect();
        format!("{minute} UTC")
    }

    /// `20261120131502`: UTC to the second, as versions carry it.
    #[must_use]
    pub fn compact(self) -> String {
        self.to_string().chars().take(19).filter(char::is_ascii_digit).collect()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // humantime formats up to the year 9999; later points are shown as its last millisecond.
        let millis = self.0.min(253_402_300_799_999);
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        fmt::Display::fmt(&humantime::format_rfc3339_millis(time), f)
    }
}

impl FromStr for Timestamp {
    type Err = humantime::TimestampError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_rfc3339(text).map(Self::from)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = humantime::TimestampError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

/// A length of time in whole milliseconds; stored as a number.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The same length as a `Duration`.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Whether it is no time at all.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// Whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Millis {
    /// `850 ms`, `2.4 s`, `3 min 20 s`, `1 h 5 min`: the form people read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let text = match self.0 {
            ms @ 0..1_000 => format!("{ms} ms"),
            ms @ 1_000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
            ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
            ms @ 3_600_000.. => format!("{} h {} min", ms / 3_600_000, (ms / 60_000) % 60),
            ms if (ms / 1000) % 60 == 0 => format!("{} min", ms / 60_000),
            ms => format!("{} min {} s", ms / 60_000, (ms / 1000) % 60),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc3339() {
        let time: Timestamp = "2026-11-20T13:15:02.120Z".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-20T13:15:02.120Z");
        assert_eq!(time.compact(), "20261120131502");
        assert_eq!(time.minute(), "13:15 UTC");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn lengths_are_readable() {
        let shown = [0, 850, 2_400, 60_000, 200_000, 3_600_000, 86_400_000, 3_930_000]
            .map(|ms| Millis(ms).to_string());
        assert_eq!(shown, ["0 ms", "850 ms", "2.4 s", "1 min", "3 min 20 s", "1 h", "24 h", "1 h 5 min"]);
    }
}
