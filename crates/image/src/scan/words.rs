//! Words of an instruction: flags, quotes, variables.

use std::collections::BTreeMap;

/// The `--name=value` words that an instruction opens with, and what stands behind them.
pub(super) fn flags(rest: &str) -> (Vec<&str>, &str) {
    let mut flags = Vec::new();
    let mut rest = rest.trim_start();
    while rest.starts_with("--") {
        let (flag, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        flags.push(flag);
        rest = behind.trim_start();
    }
    (flags, rest)
}

/// Takes one pair of quotes off.
pub(super) fn stripped(word: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| word.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(word)
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`; what is not known stays as it is.
pub(super) fn expand(word: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, behind)) = rest.split_once('$') {
        text.push_str(before);
        let (whole, value, behind) = variable(behind, values);
        match value {
            Some(value) => text.push_str(&value),
            None => {
                text.push('$');
                text.push_str(whole);
            }
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// The variable behind a `$`: as it is written, its value, and what stands behind it.
fn variable<'a>(behind: &'a str, values: &BTreeMap<String, String>) -> (&'a str, Option<String>, &'a str) {
    let length =
        |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let Some(inside) = behind.strip_prefix('{') else {
        let (name, rest) = behind.split_at(length(behind));
        return (name, values.get(name).cloned(), rest);
    };
    let Some((inside, rest)) = inside.split_once('}') else { return (behind, None, "") };
    let whole = &behind[..inside.len() + 2];
    let (name, modifier) = inside.split_at(length(inside));
    let value = values.get(name).filter(|value| !value.is_empty());
    let value = if let Some(default) = modifier.strip_prefix(":-") {
        Some(value.cloned().unwrap_or_else(|| default.to_owned()))
    } else if let Some(other) = modifier.strip_prefix(":+") {
        Some(value.map(|_| other.to_owned()).unwrap_or_default())
    } else {
        values.get(name).cloned().filter(|_| modifier.is_empty())
    };
    (whole, value, rest)
}
