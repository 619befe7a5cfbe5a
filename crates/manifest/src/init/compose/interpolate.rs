//! Variables in a compose file's texts: `$NAME`, `${NAME}`, with defaults and demands (compose-spec, "Interpolation").

/// A text with its defaults filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    /// What it says where no variable is set; `$$` is `$`.
    pub(super) text: String,
    /// The variables that have no default, in order.
    pub(super) missing: Vec<String>,
    /// Those that have one, each with it.
    pub(super) defaults: Vec<(String, String)>,
}

/// Fills in a text.
pub(super) fn fill(text: &str) -> Filled {
    fill_unless(text, &|_| false)
}

/// Fills in a text; a variable that is `set` elsewhere has no use for its default.
pub(super) fn fill_unless(text: &str, set: &dyn Fn(&str) -> bool) -> Filled {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            filled.text.push('$');
            rest = after;
        } else if let Some((inner, after)) = braced(rest) {
            variable(inner, set, &mut filled);
            rest = after;
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = &rest[..end];
            if is_name(name) {
                filled.missing.push(name.to_owned());
            } else {
                filled.text.push('$');
                filled.text.push_str(name);
            }
            rest = &rest[end..];
        }
    }
    filled.text.push_str(rest);
    filled
}

/// What stands between the braces, which may hold others, and what comes behind them.
fn braced(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{')?;
    let mut depth = 1_u32;
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&inner[..at], &inner[at + 1..]));
        }
    }
    None
}

/// `NAME`, `NAME:-default`, `NAME-default`, `NAME:?message`, `NAME?message`, `NAME:+instead`, `NAME+instead`.
fn variable(inner: &str, set: &dyn Fn(&str) -> bool, filled: &mut Filled) {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    if let Some(default) = rest.strip_prefix('-').filter(|_| !set(name)) {
        let inner = fill_unless(default, set);
        filled.text.push_str(&inner.text);
        filled.missing.extend(inner.missing);
        filled.defaults.extend(inner.defaults);
        filled.defaults.push((name.to_owned(), inner.text));
    } else if is_name(name) && !rest.starts_with('+') {
        filled.missing.push(name.to_owned());
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, missing: &[&str]) {
        let filled = fill(text);
        assert_eq!(
            (filled.text.as_str(), filled.missing.as_slice()),
            (expected, missing.map_owned().as_slice())
        );
    }

    trait Owned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl Owned for [&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|text| (*text).to_owned()).collect()
        }
    }

    #[test]
    fn defaults_are_filled_in() {
        check("a${B:-c}d", "acd", &[]);
        check("${A-x}${B:-${C:-y}}", "xy", &[]);
        check("${A:-${B}}", "", &["B"]);
        check("5$$ ${A:+x}", "5$ ", &[]);
    }

    #[test]
    fn a_default_does_not_count_where_the_variable_is_set() {
        let filled = fill_unless("${A:-x}${B:-${C:-y}}", &|name| name == "A" || name == "C");
        assert_eq!((filled.text.as_str(), filled.missing), ("", vec!["A".to_owned(), "C".to_owned()]));
    }

    #[test]
    fn what_has_no_default_is_missing() {
        check("$A/${B}/${C:?say it}", "//", &["A", "B", "C"]);
        check("$1 ${", "$1 ${", &[]);
    }
}
