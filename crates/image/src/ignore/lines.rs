//! The lines of a `.dockerignore` as patterns in clean form.

/// The patterns of a text, each with its line's number from 1: comments and blank lines left out, a byte order mark taken
/// off, white space trimmed, paths cleaned, a leading `/` dropped.
pub(super) fn patterns(text: &str) -> impl Iterator<Item = (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split('\n').enumerate().filter_map(|(at, line)| {
        // Only a line whose very first character is `#` is a comment.
        let trimmed = line.trim();
        if line.starts_with('#') || trimmed.is_empty() {
            return None;
        }
        let pattern = match trimmed.strip_prefix('!') {
            Some(rest) => format!("!{}", from_root(rest.trim())),
            None => from_root(trimmed),
        };
        Some((at + 1, pattern))
    })
}

fn from_root(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let clean = clean(path);
    match clean.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => clean,
    }
}

/// The shortest path that means the same: no empty parts, no `.`, no `..` behind a name, no `/` at the end.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_clean_patterns() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<String> = patterns(text).map(|(_, pattern)| pattern).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("", &[]);
        check("\u{feff}a\n", &["a"]);
        check("a\n\u{feff}b\n", &["a", "\u{feff}b"]);
        check("# a\n #b\n\n   \na#c\n", &["#b", "a#c"]);
        check("  a b \t\r\nc\r\n", &["a b", "c"]);
        check("/a\n//b/\n./c/./d\ne/../f\n", &["a", "b", "c/d", "f"]);
        check("/\n.\n..\n../a\n/../a\n", &["/", ".", "..", "../a", "a"]);
        check("!a\n! /b\n!\n!./\n!!c\n", &["!a", "!b", "!", "!.", "!!c"]);
        assert_eq!(patterns("a\n\n#\nb").map(|(number, _)| number).collect::<Vec<_>>(), [1, 4]);
    }
}
