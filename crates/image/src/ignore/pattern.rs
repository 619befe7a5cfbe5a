//! One pattern: its syntax, and which paths it matches.

use regex::Regex;

use super::expression;
use super::lines::clean;

/// A pattern, ready to be tried.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// Without the `!`.
    text: String,
    is_exception: bool,
    how: How,
}

/// How paths are compared with it.
#[derive(Debug, Clone)]
enum How {
    /// The path is this.
    Exact,
    /// The path begins with this: what a pattern says that ends in `**` and has no other wildcard.
    Begin(String),
    /// The path ends with this: a pattern that begins with `**` and has no other wildcard.
    End(String),
    /// The path matches this as a whole.
    Expression(Regex),
}

impl Pattern {
    /// Reads a pattern in clean form; `None` when it is blank.
    ///
    /// # Errors
    /// Why it is none, as people read it.
    pub(super) fn new(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let line = clean(line);
        let (is_exception, text) = match line.strip_prefix('!') {
            Some("") => return Err("`!` needs a pattern behind it".to_owned()),
            Some(rest) => (true, rest.to_owned()),
            None => (false, line),
        };
        check(&text)?;
        let how = match expression::of(&text) {
            expression::Form::Exact => How::Exact,
            expression::Form::Begin => How::Begin(text[..text.len() - 2].to_owned()),
            expression::Form::End => How::End(text[2..].to_owned()),
            expression::Form::Expression(expression) => {
                How::Expression(Regex::new(&expression).map_err(|_| "it cannot be matched".to_owned())?)
            }
        };
        Ok(Some(Self { text, is_exception, how }))
    }

    /// Whether it lets in what an earlier one excludes.
    pub(super) fn is_exception(&self) -> bool {
        self.is_exception
    }

    /// The path it names, but for a `/**` or `/*` at its end; `None` when anything in it is a wildcard.
    pub(super) fn literal(&self) -> Option<&str> {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        let text = text.strip_suffix("/*").unwrap_or(text);
        (!text.contains(['*', '[', ']', '?', '^', '\\'])).then_some(text)
    }

    /// Whether it matches this very path.
    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.how {
            How::Exact => path == self.text,
            How::Begin(begin) => path.starts_with(begin),
            How::End(end) => path.ends_with(end) || end.strip_prefix('/').is_some_and(|rest| path == rest),
            How::Expression(expression) => expression.is_match(path),
        }
    }
}

/// Checks the syntax as Go's `filepath.Match` does: `[` is closed and holds something, `-` has two sides, `\` is followed.
fn check(pattern: &str) -> Result<(), String> {
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' if rest.next().is_none() => return Err("nothing follows the last `\\`".to_owned()),
            '[' => {
                rest.next_if_eq(&'^');
                let mut holds = false;
                while !(holds && rest.next_if_eq(&']').is_some()) {
                    member(&mut rest)?;
                    if rest.next_if_eq(&'-').is_some() {
                        member(&mut rest)?;
                    }
                    holds = true;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// One character of a class, escaped or not; never the last of a pattern.
fn member(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(), String> {
    let open = || "a `[` is not closed".to_owned();
    match rest.next().ok_or_else(open)? {
        '-' => return Err("`-` in `[…]` has no first character".to_owned()),
        ']' => return Err("`[]` holds nothing".to_owned()),
        '\\' => {
            rest.next().ok_or_else(open)?;
        }
        _ => {}
    }
    rest.peek().map(|_| ()).ok_or_else(open)
}
