//! Points in time as an engine writes them.

use landfall_model::Timestamp;

/// Reads an RFC 3339 time in UTC with up to nine digits behind the second; the year 1, which an engine writes for
/// "never", is none.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|time: &Timestamp| time.millis() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_none() {
        assert_eq!(read("0001-01-01T00:00:00Z"), None);
        let shown = read("2026-11-21T07:55:01.123456789Z").map(|time| time.to_string());
        assert_eq!(shown.as_deref(), Some("2026-11-21T07:55:01.123Z"));
    }
}
