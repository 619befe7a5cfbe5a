//! "Did you mean": the known word that is nearest to one that is not known.

/// The likest of `known`, when one is like enough for a slip of the hand.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (likeness(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// "did you mean `health`?", else "known: `a`, `b`".
pub(crate) fn help<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(nearest) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    let list = list(known);
    (!list.is_empty()).then(|| format!("there are {list}"))
}

/// "`a`, `b` and `c`".
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    let last = quoted.pop().unwrap_or_default();
    if quoted.is_empty() { last } else { format!("{} and {last}", quoted.join(", ")) }
}

fn likeness(word: &str, candidate: &str) -> f64 {
    let (short, long) = if word.len() < candidate.len() { (word, candidate) } else { (candidate, word) };
    if short.len() >= 3 && long.contains(short) {
        return 0.8;
    }
    let alphabet = |text: &str| text.replace(['_', '-'], "");
    if alphabet(word) == alphabet(candidate) {
        return 0.99;
    }
    strsim::jaro_winkler(word, candidate).min(0.98) - penalty(word, candidate)
}

/// Jaro-Winkler likes short words with a common start too much.
#[expect(clippy::cast_precision_loss, reason = "lengths of words")]
fn penalty(word: &str, candidate: &str) -> f64 {
    let distance = strsim::osa_distance(word, candidate) as f64;
    if distance > (candidate.len() as f64 / 2.0).max(1.0) { 0.5 } else { 0.0 }
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
