//! The `Range` field: one range of bytes (RFC 9110, section 14). Several, or nonsense, mean the whole.

/// What part of a file to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// From the first to the last byte, both included.
    Of(u64, u64),
    /// Nothing of the file is in the range.
    Outside,
}

/// Reads the field for a file of `length` bytes.
pub(crate) fn part(field: &str, length: u64) -> Part {
    let read = || {
        let (unit, range) = field.split_once('=')?;
        let (first, last) = range.trim().split_once('-')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
            return None;
        }
        let digits = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
        };
        match (digits(first), digits(last)) {
            (Some(first), Some(last)) if first <= last => Some((first, last)),
            (Some(first), None) if last.is_empty() => Some((first, u64::MAX)),
            (None, Some(0)) if first.is_empty() => Some((u64::MAX, u64::MAX)),
            (None, Some(count)) if first.is_empty() => Some((length.saturating_sub(count), u64::MAX)),
            _ => None,
        }
    };
    match read() {
        None => Part::Whole,
        Some((first, _)) if first >= length => Part::Outside,
        Some((first, last)) => Part::Of(first, last.min(length - 1)),
    }
}

/// A position in bytes that are in memory.
pub(crate) fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let cases = [
            ("bytes=0-0", Part::Of(0, 0)),
            ("bytes=2-5", Part::Of(2, 5)),
            ("Bytes = 2-5", Part::Of(2, 5)),
            ("bytes=2-", Part::Of(2, 9)),
            ("bytes=2-500", Part::Of(2, 9)),
            ("bytes=-3", Part::Of(7, 9)),
            ("bytes=-300", Part::Of(0, 9)),
            ("bytes=-0", Part::Outside),
            ("bytes=10-", Part::Outside),
            ("bytes=99999999999999999999999-", Part::Outside),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("nonsense", Part::Whole),
        ];
        for (field, want) in cases {
            assert_eq!(part(field, 10), want, "{field}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Outside);
    }
}
