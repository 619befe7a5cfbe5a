//! "Did you mean": the known word that is nearest to one that is not known.

/// The likest of `known`, when one is like enough for a slip of the hand. Capitals count as small letters, and `-` and `_`
/// as nothing.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (likeness(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// "did you mean `health`?", else "there are `a` and `b`".
pub(crate) fn help<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(nearest) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    let count = known.clone().into_iter().count();
    let list = list(known);
    match count {
        0 => None,
        1 => Some(format!("there is only {list}")),
        _ => Some(format!("there are {list}")),
    }
}

/// "`a`, `b` and `c`".
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    let last = quoted.pop().unwrap_or_default();
    if quoted.is_empty() { last } else { format!("{} and {last}", quoted.join(", ")) }
}

/// From 0 to 1. A slip is a letter or two wrong, left out, added or changed round; or a longer form of the same word.
#[expect(clippy::cast_precision_loss, reason = "lengths of words")]
fn likeness(word: &str, candidate: &str) -> f64 {
    let bare = |text: &str| text.replace(['_', '-'], "");
    if bare(word) == bare(candidate) {
        return 1.0;
    }
    let length = word.chars().count().max(candidate.chars().count());
    let distance = strsim::osa_distance(word, candidate);
    let similar = strsim::jaro_winkler(word, candidate);
    let contained =
        word.len().min(candidate.len()) >= 3 && (word.contains(candidate) || candidate.contains(word));
    if distance <= (length / 3) || (similar >= 0.85 && distance <= length / 2) {
        1.0 - distance as f64 / (2 * length) as f64
    } else if contained {
        0.75
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let keys = ["health", "path", "replicas", "env", "env_file", "secrets", "TERM"];
        for (slip, meant) in [
            ("helth", Some("health")),
            ("Path", Some("path")),
            ("replica", Some("replicas")),
            ("envfile", Some("env_file")),
            ("secert", Some("secrets")),
            ("SIGTERM", Some("TERM")),
            ("evn", Some("env")),
            ("banana", None),
            ("x", None),
        ] {
            assert_eq!(nearest(slip, keys), meant, "{slip}");
        }
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(list([]), "");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
