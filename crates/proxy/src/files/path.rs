//! From the path of a request to names below the root, or to nothing: no way up, no hidden files.

use std::path::PathBuf;

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Below the root; plain names only.
    pub(crate) path: PathBuf,
    /// Whether the path ended with a slash: the folder's index is wanted.
    pub(crate) folder: bool,
}

/// Reads a path. `None` for one that no file can have: a `.` or `..` segment however it is written, a hidden name other
/// than `.well-known` (RFC 8615), an encoded slash, a backslash, a zero, what is no UTF-8.
pub(crate) fn wanted(path: &str) -> Option<Wanted> {
    let mut names = PathBuf::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name = decode(segment)?;
        let hidden = name.starts_with('.') && name != ".well-known";
        if hidden || name.is_empty() || name.contains(['/', '\\', '\0']) {
            return None;
        }
        names.push(name);
    }
    Some(Wanted { path: names, folder: path.ends_with('/') || path.is_empty() })
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_come_through() {
        let cases = [
            ("/", Some(("", true))),
            ("", Some(("", true))),
            ("/a.txt", Some(("a.txt", false))),
            ("//a//b/", Some(("a/b", true))),
            ("/a%20b", Some(("a b", false))),
            ("/.well-known/x", Some((".well-known/x", false))),
            ("/%2ewell-known/x", Some((".well-known/x", false))),
            ("/a..b", Some(("a..b", false))),
            ("/..", None),
            ("/../etc/passwd", None),
            ("/a/../../etc/passwd", None),
            ("/%2e%2e/etc/passwd", None),
            ("/..%2fetc/passwd", None),
            ("/%2e%2e%2fetc/passwd", None),
            ("/..%5cetc", None),
            ("/a\\..\\b", None),
            ("/.", None),
            ("/./a", None),
            ("/.env", None),
            ("/a/.git/config", None),
            ("/%2egit/config", None),
            ("/a%00.txt", None),
            ("/a%", None),
            ("/a%2", None),
            ("/a%zz", None),
            ("/%ff", None),
            ("/%252e%252e/x", Some(("%2e%2e/x", false))),
            ("*", Some(("*", false))),
        ];
        for (path, want) in cases {
            let want = want.map(|(path, folder)| Wanted { path: path.into(), folder });
            assert_eq!(wanted(path), want, "{path}");
        }
    }
}
