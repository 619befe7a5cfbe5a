//! What a registry asks for with `WWW-Authenticate` (RFC 9110, 11.6.1).

use std::collections::BTreeMap;

/// One way to show who one is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Its name in lower case: `bearer`, `basic`.
    pub(super) scheme: String,
    /// Its parameters; names in lower case.
    pub(super) parameters: BTreeMap<String, String>,
}

/// Reads one header, which may hold several.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.trim_start().strip_prefix('=').filter(|_| !word.is_empty()) {
            let (value, after) = read_value(value.trim_start());
            if let Some(challenge) = found.last_mut() {
                challenge.parameters.insert(word.to_ascii_lowercase(), value);
            }
            rest = after;
        } else {
            if !word.is_empty() {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
            }
            // A character that belongs nowhere is left out.
            rest = if word.is_empty() {
                after.char_indices().nth(1).map_or("", |(at, _)| &after[at..])
            } else {
                after
            };
        }
        rest = rest.trim_start_matches([',', ' ', '\t']);
    }
    found
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// A value, in quotes or without, and what follows it.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn several_challenges_may_stand_in_one_header() {
        let found = parse(
            r#"Basic realm="a, \"b\"", Bearer realm="https://a/token",service=registry.a ,scope="repository:x:pull,push",,Negotiate"#,
        );
        let schemes: Vec<_> = found.iter().map(|it| it.scheme.as_str()).collect();
        assert_eq!(schemes, ["basic", "bearer", "negotiate"]);
        assert_eq!(found[0].parameters["realm"], "a, \"b\"");
        assert_eq!(found[1].parameters["realm"], "https://a/token");
        assert_eq!(found[1].parameters["service"], "registry.a");
        assert_eq!(found[1].parameters["scope"], "repository:x:pull,push");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_to_its_end(header in ".*") {
            parse(&header);
        }
    }
}
