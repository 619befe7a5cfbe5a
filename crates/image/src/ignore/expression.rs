//! Patterns as regular expressions, with every quirk of the original's: it builds the text of an expression for Go's
//! `regexp`, and that text is then said in the dialect of this crate's engine.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// What a pattern comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It has no wildcard.
    Exact,
    /// Its only wildcard is a `**` at the end.
    Begin,
    /// Its only wildcard is a `**` at the beginning.
    End,
    /// It is this expression.
    Expression(String),
}

/// Works out the form of a pattern.
pub(super) fn of(pattern: &str) -> Form {
    let mut form = Form::Exact;
    let mut text = String::from("^");
    let expression = || Form::Expression(String::new());
    let mut rest = pattern.chars().peekable();
    let mut first = true;
    while let Some(character) = rest.next() {
        match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                // `**/` may be nothing at all.
                rest.next_if_eq(&'/');
                form = match (rest.peek().is_none(), form) {
                    (true, Form::Exact) => Form::Begin,
                    (true, _) => {
                        text.push_str(".*");
                        expression()
                    }
                    (false, _) => {
                        text.push_str("(.*/)?");
                        expression()
                    }
                };
                if first {
                    form = Form::End;
                }
            }
            '*' | '?' => {
                text.push_str(if character == '*' { "[^/]*" } else { "[^/]" });
                form = expression();
            }
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => {
                text.push('\\');
                text.push(character);
            }
            '\\' => {
                text.push('\\');
                if let Some(escaped) = rest.next() {
                    text.push(escaped);
                    form = expression();
                }
            }
            '[' | ']' => {
                text.push(character);
                form = expression();
            }
            other => text.push(other),
        }
        first = false;
    }
    match form {
        Form::Expression(_) => Form::Expression(translated(&(text + "$"))),
        other => other,
    }
}

/// Says an expression of Go's `regexp` in the dialect of `regex`: inside `[…]` nothing nests and nothing is a set
/// operation; an escaped mark is that mark; the classes of letters are those of ASCII.
fn translated(go: &str) -> String {
    let mut text = String::with_capacity(go.len());
    let mut rest = go.chars().peekable();
    let mut in_class = false;
    while let Some(character) = rest.next() {
        match character {
            '\\' => escaped(&mut text, rest.next(), in_class),
            '[' if !in_class => {
                in_class = true;
                text.push('[');
                open_class(&mut text, &mut rest);
            }
            '[' if rest.peek() != Some(&':') => text.push_str("\\["),
            '&' | '~' if in_class => {
                text.push('\\');
                text.push(character);
            }
            ']' => {
                in_class = false;
                text.push(']');
            }
            other => text.push(other),
        }
    }
    text
}

/// A `]` right behind the opening is a member.
fn open_class(text: &mut String, rest: &mut Peekable<Chars<'_>>) {
    text.extend(rest.next_if_eq(&'^'));
    if rest.next_if_eq(&']').is_some() {
        text.push_str("\\]");
    }
}

fn escaped(text: &mut String, character: Option<char>, in_class: bool) {
    let class = match character {
        Some('d') => "0-9",
        Some('w') => "0-9A-Za-z_",
        Some('s') => "\\t\\n\\x0C\\r ",
        Some(mark) if !mark.is_ascii_alphanumeric() && mark.is_ascii() => {
            text.push_str(&regex::escape(mark.encode_utf8(&mut [0; 4])));
            return;
        }
        other => {
            text.push('\\');
            text.extend(other);
            return;
        }
    };
    if in_class {
        text.push_str(class);
    } else {
        let _ = write!(text, "[{class}]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_without_a_need_for_an_expression_get_none() {
        for (pattern, form) in [
            ("a/b", Form::Exact),
            ("a.b+(c)", Form::Exact),
            ("a/**", Form::Begin),
            ("a**", Form::Begin),
            ("**", Form::End),
            ("**/a", Form::End),
            ("**a.b", Form::End),
        ] {
            assert_eq!(of(pattern), form, "{pattern}");
        }
        for (pattern, expression) in [
            ("*.md", r"^[^/]*\.md$"),
            ("a?", "^a[^/]$"),
            ("a/**/b", "^a/(.*/)?b$"),
            ("**/a/*", "^(.*/)?a/[^/]*$"),
            ("**/a/**", "^(.*/)?a/.*$"),
            ("[a-c]", "^[a-c]$"),
            (r"\!a", "^!a$"),
            (r"a\d", "^a[0-9]$"),
        ] {
            assert_eq!(of(pattern), Form::Expression(expression.to_owned()), "{pattern}");
        }
    }
}
