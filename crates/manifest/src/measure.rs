//! Lengths of time and sizes as the manifest writes them: `"10s"`, `"1m30s"`, `"256M"`.

use landfall_model::Millis;

/// How a length of time looks, as a regular expression.
pub(crate) const DURATION: &str = "^([0-9]{1,9}(ms|s|m|h|d) ?)+$";
/// How a size looks, as a regular expression.
pub(crate) const SIZE: &str = "^[0-9]{1,12} ?([KMGT](iB|B)?|B)?$";

/// A length of time: numbers with `ms`, `s`, `m`, `h` or `d`, added up; `None` when it is none.
pub(crate) fn duration(text: &str) -> Option<Millis> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = number(rest, 9)?;
        let unit_length = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_length);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Some(Millis(total))
}

/// A size in bytes: a number with `K`, `M`, `G` or `T` (powers of 1024; `iB` or `B` may follow); `None` when it is none.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = number(text, 12)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor: u64 = match unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B')).unwrap_or(unit) {
        "" if unit != "iB" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A percentage in hundredths of a percent: a number with two decimals at most and `%`; `None` when it is none.
pub(crate) fn percent(text: &str) -> Option<u32> {
    let text = text.strip_suffix('%')?;
    let (whole, decimals) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |text: &str, most: usize| text.len() <= most && text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole, 5) || !digits(decimals, 2) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let hundredths: u32 = format!("{decimals:0<2}").parse().ok()?;
    Some(whole * 100 + hundredths)
}

/// The size in the largest unit that divides it.
pub(crate) fn show_size(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let unit = units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

fn number(text: &str, digits: usize) -> Option<(u64, &str)> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if length > digits {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("1m30s", Some(90_000)),
            ("1h 5m", Some(3_900_000)),
            ("2d", Some(172_800_000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("10 s", None),
            ("10S", None),
            ("9999999999s", None),
        ] {
            assert_eq!(duration(text).map(|m| m.0), ms, "{text}");
        }
    }

    #[test]
    fn percentages() {
        for (text, hundredths) in [
            ("25%", Some(2_500)),
            ("0.1%", Some(10)),
            ("0.05%", Some(5)),
            ("100%", Some(10_000)),
            ("25", None),
            ("%", None),
            ("0.%", None),
            (".5%", None),
            ("0.001%", None),
            ("-1%", None),
            ("999999%", None),
        ] {
            assert_eq!(percent(text), hundredths, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1024", Some(1024)),
            ("256M", Some(256 << 20)),
            ("1 GiB", Some(1 << 30)),
            ("4KB", Some(4096)),
            ("10B", Some(10)),
            ("10iB", None),
            ("", None),
            ("M", None),
            ("1.5G", None),
            ("999999999999T", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
        assert_eq!([0, 1000, 4096, 10 << 20].map(show_size), ["0", "1000", "4K", "10M"]);
    }
}
