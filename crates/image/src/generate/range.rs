//! Ranges of versions as `requires-python`, Poetry and `engines` write them, and whether the newest version of a series is
//! in one.

/// A version; what is not said is 0.
type Version = [u32; 3];

/// More than any number of a version.
const MOST: u32 = u32::MAX;

/// Whether the newest version that begins with `series` (`[3, 12]`, `[22]`) is in the range; `None` when the range cannot
/// be read.
pub(super) fn allows(range: &str, series: &[u32]) -> Option<bool> {
    let mut newest = [MOST; 3];
    newest[..series.len()].copy_from_slice(series);
    let mut any = false;
    for alternative in range.split("||") {
        let mut all = true;
        for (from, to) in comparators(alternative)? {
            all &= from <= newest && newest < to;
        }
        any |= all;
    }
    Some(any)
}

/// The only version that a range means: `3.12`, `==3.12.4`, `~22.1`.
pub(super) fn exact(range: &str) -> Option<String> {
    let version = range
        .trim()
        .trim_start_matches(['=', '~', '^', 'v', ' '])
        .trim_end_matches(".*")
        .trim_end_matches(".x");
    let parts = version.split('.').count();
    let plain = version.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    (plain && (2..=3).contains(&parts)).then(|| version.to_owned())
}

/// What stands between `||`: comparators that all hold, each as a range that excludes its end.
fn comparators(text: &str) -> Option<Vec<(Version, Version)>> {
    // `>= 18` is one comparator, `18 - 20` is two.
    let text = text.replace(',', " ");
    let mut words = text.split_whitespace().peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let bare = word.chars().all(|c| "<>=~^!".contains(c));
        let word = if bare { format!("{word}{}", words.next()?) } else { word.to_owned() };
        if words.next_if_eq(&"-").is_some() {
            found.push(comparator(&format!(">={word}"))?);
            found.push(comparator(&format!("<={}", words.next()?))?);
        } else if !word.starts_with("!=") {
            found.push(comparator(&word)?);
        }
    }
    Some(found)
}

fn comparator(word: &str) -> Option<(Version, Version)> {
    let at = word.find(|c| !"<>=~^".contains(c)).unwrap_or(word.len());
    let (operator, version) = word.split_at(at);
    let (version, said) = parse(version)?;
    let zero = [0; 3];
    let end = [MOST; 3];
    // The first version behind all that begin with the first `parts` numbers.
    let behind = |parts: usize| {
        if parts == 0 {
            return end;
        }
        let mut next = zero;
        next[..parts].copy_from_slice(&version[..parts]);
        next[parts - 1] += 1;
        next
    };
    Some(match operator {
        "" | "=" | "==" | "===" => (version, behind(said)),
        // Python's `~=3.11` leaves the last number that is said free, Node's and Poetry's `~3.11` the one behind it.
        "~=" => (version, behind(said.saturating_sub(1).max(1))),
        "~" => (version, behind(said.clamp(1, 2))),
        "^" => (version, behind(if version[0] == 0 { 2 } else { 1 })),
        ">=" => (version, [MOST, MOST, MOST]),
        ">" => (behind(said), [MOST, MOST, MOST]),
        // What is newer in the same series is more than a version without further numbers is to Python; Node means the series.
        "<=" => (zero, behind(said)),
        "<" => (zero, version),
        _ => return None,
    })
}

/// Reads `3`, `3.12`, `v22.1.0`, `3.12.*`, `22.x`; gives how many numbers are said.
fn parse(text: &str) -> Option<(Version, usize)> {
    let text = text.trim_start_matches('v');
    let text = text.split(['-', '+']).next()?;
    let mut version = [0; 3];
    for (at, part) in text.split('.').enumerate() {
        if matches!(part, "*" | "x" | "X" | "") {
            return (at > 0 || !part.is_empty()).then_some((version, at));
        }
        *version.get_mut(at)? = part.parse().ok()?;
        if at == 2 {
            return Some((version, 3));
        }
    }
    Some((version, text.split('.').count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_their_tools_do() {
        for (range, allowed, refused) in [
            (">=3.9", vec![[3, 9], [3, 13]], vec![[3, 8]]),
            (">=3.9,<3.12", vec![[3, 11]], vec![[3, 12], [3, 8]]),
            (">= 3.9, < 3.12", vec![[3, 11]], vec![[3, 12]]),
            ("==3.10.*", vec![[3, 10]], vec![[3, 11]]),
            ("==3.10", vec![[3, 10]], vec![[3, 11]]),
            ("~=3.11", vec![[3, 11], [3, 13]], vec![[4, 0]]),
            ("~=3.11.2", vec![[3, 11]], vec![[3, 12]]),
            ("^3.10", vec![[3, 10], [3, 14]], vec![[4, 0], [3, 9]]),
            ("~3.10", vec![[3, 10]], vec![[3, 11]]),
            ("<=3.11", vec![[3, 11]], vec![[3, 12]]),
            (">3.11", vec![[3, 12]], vec![[3, 11]]),
            (">=3.9,!=3.12.*", vec![[3, 13]], vec![[3, 8]]),
            ("*", vec![[3, 13]], vec![]),
            ("", vec![[3, 13]], vec![]),
        ] {
            allowed
                .iter()
                .for_each(|series| assert_eq!(allows(range, series), Some(true), "{range} {series:?}"));
            refused
                .iter()
                .for_each(|series| assert_eq!(allows(range, series), Some(false), "{range} {series:?}"));
        }
        for (range, allowed, refused) in [
            (">=18", vec![18, 22], vec![16]),
            ("^20.1.0 || >=22", vec![20, 22, 24], vec![21, 18]),
            ("18.x", vec![18], vec![20]),
            ("20", vec![20], vec![22]),
            (">=18.17.0 <21", vec![18, 20], vec![21, 22]),
            ("18 - 20", vec![18, 19, 20], vec![21]),
            ("v22.1.0", vec![], vec![22]),
        ] {
            allowed
                .iter()
                .for_each(|series| assert_eq!(allows(range, &[*series]), Some(true), "{range} {series}"));
            refused
                .iter()
                .for_each(|series| assert_eq!(allows(range, &[*series]), Some(false), "{range} {series}"));
        }
        assert_eq!(allows("lts/*", &[22]), None);
        assert_eq!(allows(">=three", &[22]), None);
        assert_eq!(exact("==3.12.4").as_deref(), Some("3.12.4"));
        assert_eq!(exact("v22.1.0").as_deref(), Some("22.1.0"));
        assert_eq!(exact(">=3.12"), None);
        assert_eq!(exact("22"), None);
    }
}
