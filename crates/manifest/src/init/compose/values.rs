//! Values of a compose file in the several forms that each may have, and what is hidden in texts.

use std::fmt::Write as _;

use serde_json::Value;

use super::interpolate::fill;

/// A scalar as text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The texts of a list; of a table of such an item its `source`.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| plain(item).or_else(|| item.get("source").and_then(plain))).collect()
}

pub(super) fn one_or_more(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        other => texts(other),
    }
}

/// A map, or a list of `NAME=value`; a name alone has no value.
pub(super) fn pairs(value: Option<&Value>) -> Vec<(String, Option<String>)> {
    match value {
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        Some(Value::Array(items)) => {
            let items = items.iter().filter_map(Value::as_str);
            items
                .map(|item| match item.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (item.to_owned(), None),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Where a mount comes from and where it is seen; a volume without a name comes from nothing.
pub(super) fn mount(value: &Value) -> Option<(String, String)> {
    if let Value::Object(mount) = value {
        let text = |key: &str| mount.get(key).and_then(Value::as_str).map(|text| fill(text).text);
        let source = text("source").unwrap_or_default();
        let bind = text("type").as_deref() == Some("bind");
        let source =
            if bind && !source.starts_with(['.', '/', '~']) { format!("./{source}") } else { source };
        return Some((source, text("target")?));
    }
    let text = fill(value.as_str()?).text;
    let mut words = text.split(':').map(str::to_owned);
    match (words.next()?, words.next()) {
        (source, Some(target)) => Some((source, target)),
        (target, None) => Some((String::new(), target)),
    }
}

pub(super) fn is_volume(source: &str) -> bool {
    !source.is_empty() && !source.starts_with(['.', '/', '~'])
}

/// The TCP ports inside.
pub(super) fn inside(value: Option<&Value>) -> Vec<u16> {
    let port = |item: &Value| {
        let text = match item {
            Value::Object(long) if long.get("protocol").and_then(Value::as_str) == Some("udp") => {
                return None;
            }
            Value::Object(long) => plain(long.get("target")?)?,
            other => plain(other)?,
        };
        let text = fill(&text).text;
        let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        (protocol == "tcp").then(|| text.rsplit(':').next()?.split('-').next()?.parse().ok()).flatten()
    };
    value.and_then(Value::as_array).into_iter().flatten().filter_map(port).filter(|port| *port != 0).collect()
}

/// What stands behind the host of the first URL of this machine in a health check.
pub(super) fn behind_host(test: &str) -> Option<&str> {
    let places = ["http://localhost", "http://127.0.0.1", "http://0.0.0.0", "http://[::1]"];
    places.iter().find_map(|place| test.find(place).map(|at| &test[at + place.len()..]))
}

/// The port of that URL.
pub(super) fn url_port(test: &str) -> Option<u16> {
    let rest = behind_host(test)?.strip_prefix(':')?;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// Its path.
pub(super) fn url_path(test: &str) -> Option<String> {
    let rest = behind_host(test)?.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    let end = rest.find([' ', '\'', '"', ')', '|', ';', '\t']).unwrap_or(rest.len());
    Some(if rest[..end].is_empty() { "/".to_owned() } else { rest[..end].to_owned() })
}

/// Whether a length of time is written alike on both sides.
pub(super) fn simple_length(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    digits.parse::<u32>().is_ok_and(|number| number > 0 && number < 3600) && ["s", "m"].contains(&unit)
}

/// The words of a line as compose splits it: by spaces, quotes keep words together.
pub(super) fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None | Some('"'), '\\') => {
                let _ = word.write_char(chars.next().unwrap_or('\\'));
                begun = true;
            }
            (None, c) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_compose_does() {
        assert_eq!(split(r#"sh -c 'a b' "c \" d" e\ f ''"#), ["sh", "-c", "a b", "c \" d", "e f", ""]);
        assert_eq!(split("  "), Vec::<String>::new());
    }

    #[test]
    fn health_checks_show_their_path() {
        assert_eq!(
            url_path("CMD curl -f http://localhost:8000/healthz || exit 1").as_deref(),
            Some("/healthz")
        );
        assert_eq!(url_path("CMD python -c urlopen('http://127.0.0.1')").as_deref(), Some("/"));
        assert_eq!(url_path("CMD pg_isready"), None);
    }
}
