//! Numbers as people read them: counts, sizes, ages, shares.

use std::time::Duration;

use landfall_model::{Millis, Timestamp};

/// `1 step`, `9 steps`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number as u64))
}

/// `1,204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `41 KiB`, `1.2 GiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal at most")]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut amount = number as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1023.5 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if amount < 9.95 {
        format!("{amount:.1} {}", UNITS[unit])
    } else {
        format!("{amount:.0} {}", UNITS[unit])
    }
}

/// `2.1 ms`, `14 ms`, `1.3 s`.
pub(crate) fn latency(ms: f64) -> String {
    if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// A part of a whole: `0 %`, `0.03 %`, `4.7 %`, `12 %`; `0 %` of nothing.
#[expect(clippy::cast_precision_loss, reason = "shown with two decimals at most")]
pub(crate) fn share(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    match percent {
        _ if part == 0 => "0 %".to_owned(),
        0.0..0.01 => "under 0.01 %".to_owned(),
        0.01..0.995 => format!("{percent:.2} %"),
        0.995..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// How long ago: `just now`, `40 s`, `3 min`, `5 h`, `12 d`; the largest unit only.
pub(crate) fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    Millis::from(duration).0
}

/// A length of time, as a step's or a deploy's.
pub(crate) fn length(ms: u64) -> String {
    Millis(ms).to_string()
}

/// `web`, `web and client`, `web, client and worker`.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_readable() {
        assert_eq!([1, 2, 1204].map(|n| count(n, "step")), ["1 step", "2 steps", "1,204 steps"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1023, 1024, 41 * 1024 * 1024, 1_048_575, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "41 MiB", "1.0 MiB", "16384 PiB"]
        );
        assert_eq!([0.04, 2.13, 14.4, 999.9].map(latency), ["0.0 ms", "2.1 ms", "14 ms", "1.0 s"]);
        let shares = [(0, 0), (0, 9), (1, 20_113), (3, 1_000), (47, 1_000), (1, 3), (9, 9)];
        assert_eq!(
            shares.map(|(part, whole)| share(part, whole)),
            ["0 %", "0 %", "under 0.01 %", "0.30 %", "4.7 %", "33 %", "100 %"]
        );
        let ages = [0, 59, 60, 7_200, 172_800]
            .map(|s| age(Timestamp::from_millis(s * 1000), Timestamp::from_millis(0)));
        assert_eq!(ages, ["0 s", "59 s", "1 min", "2 h", "2 d"]);
        assert_eq!(age(Timestamp::from_millis(0), Timestamp::from_millis(9)), "0 s");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
