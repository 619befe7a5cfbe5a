//! How long a file may be kept by browsers and caches: for ever when its name says what is in it, else only to be asked
//! for again, for the next release may bring another.

use std::path::Path;

/// Where bundlers put files whose names hold a hash: Vite, Next.js, `SvelteKit`, Astro, Nuxt.
const BUNDLED: [&str; 5] = ["assets", "_next/static", "_app/immutable", "_astro", "_nuxt"];

/// The value of `Cache-Control` for a file, by its path below the root.
pub(crate) fn control(path: &Path) -> &'static str {
    if is_hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" }
}

/// Whether the name changes with the content: `main.3f2a1c9d.js`, `assets/index-BfG3kL9a.css`.
fn is_hashed(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    if name.ends_with(".html") {
        return false;
    }
    let stem = name.trim_end_matches(".map");
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let folder = path.parent().and_then(Path::to_str).unwrap_or_default();
    let bundled = BUNDLED.iter().any(|bundled| {
        folder.strip_prefix(bundled).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let Some(at) = stem.rfind(['.', '-']) else { return false };
    let mixed = |part: &str| {
        part.bytes().any(|byte| byte.is_ascii_digit()) && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    let part = &stem[at + 1..];
    let hexadecimal =
        part.len() >= 8 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && mixed(part);
    // A hash in base64 may itself hold a hyphen: its last eight characters are looked at.
    let last = stem.len().checked_sub(8).and_then(|start| stem.get(start..)).unwrap_or_default();
    let url_safe = last.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let several = last.bytes().any(|byte| byte.is_ascii_uppercase())
        && last.bytes().any(|byte| !byte.is_ascii_uppercase());
    let before = stem.len().checked_sub(9).and_then(|at| stem.as_bytes().get(at));
    hexadecimal || (bundled && url_safe && (several || mixed(last)) && matches!(before, Some(b'-' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_hold_a_hash_are_for_ever() {
        for (path, hashed) in [
            ("assets/index-BfG3kL9a.js", true),
            ("assets/index-BfG3-L9a.css", true),
            ("assets/deep/logo-dk3jf9as.svg", true),
            ("_next/static/chunks/main-4c5f0a8b1c2d3e4f.js", true),
            ("main.3f2a1c9d.js", true),
            ("main.3f2a1c9d.js.map", true),
            ("index-BfG3kL9a.js", false),
            ("assets/index.js", false),
            ("assets/photo-20240101.jpg", false),
            ("assets/form-elements.js", false),
            ("report-20240101.pdf", false),
            ("index.html", false),
            ("assets/page-4c5f0a8b.html", false),
            ("robots.txt", false),
        ] {
            assert_eq!(is_hashed(Path::new(path)), hashed, "{path}");
        }
    }
}
