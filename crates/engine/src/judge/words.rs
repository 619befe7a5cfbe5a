//! Numbers as people read them.

use landfall_model::Millis;

use super::exact::float;

/// `20 113`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `3.3 %`; `0 %` where there is none.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    let percent = float(part) * 100.0 / float(whole);
    if percent < 0.1 { "under 0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

/// `7 of 212 requests failed (3.3 %)`.
pub(super) fn failed(errors: u64, requests: u64) -> String {
    format!("{} of {} requests failed ({})", grouped(errors), grouped(requests), percent(errors, requests))
}

/// `18.4 ms`.
pub(super) fn micros(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{:.1} ms", float(micros) / 1000.0),
        10_000..1_000_000 => format!("{:.0} ms", float(micros) / 1000.0),
        _ => Millis(micros / 1000).to_string(),
    }
}

/// `1 in 40 million`, two digits of it.
pub(super) fn odds(probability: f64) -> String {
    let against = 1.0 / probability.max(f64::MIN_POSITIVE);
    if against >= 1e15 {
        return "less than 1 in a million billion".to_owned();
    }
    let (size, name) = match against {
        1e12.. => (1e12, " thousand billion"),
        1e9.. => (1e9, " billion"),
        1e6.. => (1e6, " million"),
        _ => (1.0, ""),
    };
    let scaled = against / size;
    let unit = 10_f64.powf((scaled.log10().floor() - 1.0).max(0.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a million")]
    let rounded = ((scaled / unit).round() * unit) as u64;
    format!("1 in {}{name}", grouped(rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([7, 212, 20_113, 1_000_000].map(grouped), ["7", "212", "20 113", "1 000 000"]);
        assert_eq!(failed(7, 212), "7 of 212 requests failed (3.3 %)");
        assert_eq!(failed(0, 20_113), "0 of 20 113 requests failed (0 %)");
        assert_eq!(percent(1, 20_113), "under 0.1 %");
        assert_eq!([840, 18_400, 2_400_000].map(micros), ["0.8 ms", "18 ms", "2.4 s"]);
    }

    #[test]
    fn odds_have_two_digits() {
        let shown = [0.5, 0.013, 1.0 / 3_141.0, 2.5e-8, 1.3e-14, 1e-20].map(odds);
        assert_eq!(
            shown,
            [
                "1 in 2",
                "1 in 77",
                "1 in 3 100",
                "1 in 40 million",
                "1 in 77 thousand billion",
                "less than 1 in a million billion"
            ]
        );
    }
}
