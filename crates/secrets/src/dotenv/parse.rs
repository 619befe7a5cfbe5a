//! The form of a `.env` file, as the common tools of that name read it:
//!
//! ```text
//! # a comment
//! NAME=value up to the end of the line or to a # behind a space
//! export NAME=value
//! NAME='as it stands, $ and \ too; may span lines'
//! NAME="with \n \r \t \" \\ \$ as escapes; may span lines"
//! NAME=
//! ```
//!
//! Values are never expanded: `$HOME` is those five characters, because passwords hold dollar signs and because what a
//! value is must not depend on who runs the command. Of a name given twice the last line counts.

use std::collections::BTreeMap;

use secrecy::SecretString;

/// Where a file is not in that form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong; fixed words, never the file's text.
    pub problem: &'static str,
}

impl SyntaxError {
    /// A problem at byte `at` of `text`.
    pub(super) fn at(text: &str, at: usize, problem: &'static str) -> Self {
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, problem }
    }
}

/// The values of a file by name.
///
/// # Errors
/// The first place that is not in the form above.
pub fn parse(text: &str) -> Result<BTreeMap<String, SecretString>, SyntaxError> {
    let mut reader = Reader { text, at: 0 };
    reader.eat("\u{feff}");
    let mut pairs = BTreeMap::new();
    loop {
        reader.skip(char::is_whitespace);
        match reader.peek() {
            None => return Ok(pairs),
            Some('#') => reader.skip(|c| c != '\n'),
            Some(_) => {
                let (name, value) = reader.pair()?;
                pairs.insert(name.to_owned(), value);
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    /// Steps over characters while `wanted`, and gives them.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        self.take(wanted);
    }

    fn wrong<T>(&self, at: usize, problem: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError::at(self.text, at, problem))
    }

    fn pair(&mut self) -> Result<(&'a str, SecretString), SyntaxError> {
        let mut name = self.name()?;
        if name == "export" && self.peek().is_some_and(is_blank) {
            self.skip(is_blank);
            // `export = x` is a variable of that name.
            if self.peek() != Some('=') {
                name = self.name()?;
            }
        }
        self.skip(is_blank);
        if !self.eat("=") {
            return self.wrong(self.at, "`=` is expected behind the name");
        }
        self.skip(is_blank);
        let value = match self.peek() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            _ => self.plain(),
        };
        Ok((name, value))
    }

    fn name(&mut self) -> Result<&'a str, SyntaxError> {
        let start = self.at;
        let name = self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return self.wrong(start, "a name is expected: letters, digits and `_`, no digit first");
        }
        Ok(name)
    }

    /// The rest of the line without a comment and without blanks around it.
    fn plain(&mut self) -> SecretString {
        let line = self.take(|c| c != '\n');
        let comment = line
            .char_indices()
            .find(|&(at, c)| c == '#' && (at == 0 || line[..at].ends_with(is_blank)))
            .map_or(line.len(), |(at, _)| at);
        line[..comment].trim().into()
    }

    fn quoted(&mut self, quote: char) -> Result<SecretString, SyntaxError> {
        let open = self.at;
        self.at += 1;
        // As long as the file at most, so that it never grows and leaves copies behind.
        let mut value = String::with_capacity(self.rest().len());
        loop {
            let Some(c) = self.peek() else {
                return self.wrong(open, "this quote is never closed");
            };
            self.at += c.len_utf8();
            match c {
                c if c == quote => break,
                '\\' if quote == '"' => self.escape(&mut value),
                '\r' if self.rest().starts_with('\n') => {}
                c => value.push(c),
            }
        }
        let value = SecretString::from(value);
        self.skip(|c| is_blank(c) || c == '\r');
        match self.peek() {
            None | Some('\n') => Ok(value),
            Some('#') => {
                self.skip(|c| c != '\n');
                Ok(value)
            }
            Some(_) => self.wrong(self.at, "nothing but a comment may stand behind a quoted value"),
        }
    }

    /// What stands for itself behind a backslash; an unknown escape is kept as it is written.
    fn escape(&mut self, value: &mut String) {
        let Some(c) = self.peek() else { return value.push('\\') };
        self.at += c.len_utf8();
        match c {
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            '"' | '\\' | '$' | '\'' => value.push(c),
            c => value.extend(['\\', c]),
        }
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let pairs = parse(text).unwrap();
        pairs.into_iter().map(|(name, value)| (name, value.expose_secret().to_owned())).collect()
    }

    #[test]
    fn values_are_read_as_the_common_tools_read_them() {
        for (text, value) in [
            ("A=b", "b"),
            ("\u{feff}A=b\r\n", "b"),
            ("export A=b", "b"),
            ("export\tA = b c  ", "b c"),
            ("# c\n\n  A=b # c", "b"),
            ("A=b#c", "b#c"),
            ("A=#c", ""),
            ("A= # c", ""),
            ("A=", ""),
            ("A=\nB_=", ""),
            ("A=''", ""),
            ("A='b # c' # d", "b # c"),
            ("A='$HOME \\n \"'", "$HOME \\n \""),
            ("A=\"b\\n\\t\\\"\\\\\\$c\\q\"", "b\n\t\"\\$c\\q"),
            ("A=$HOME ${HOME} $(id) `id`", "$HOME ${HOME} $(id) `id`"),
            ("A=\"$HOME\"", "$HOME"),
            ("A=\"one\ntwo\"\nB_=c", "one\ntwo"),
            ("A='one\r\ntwo'", "one\ntwo"),
            ("A=b=c==", "b=c=="),
            ("A=it's", "it's"),
            ("A=first\nA=last", "last"),
            ("A=日本", "日本"),
        ] {
            assert_eq!(values(text)[0], ("A".to_owned(), value.to_owned()), "{text:?}");
        }
        assert_eq!(values("export=1"), [("export".to_owned(), "1".to_owned())]);
        assert_eq!(values("export = 1")[0].0, "export");
        assert_eq!(values(" \n# nothing\n"), []);
    }

    #[test]
    fn what_is_wrong_is_told_by_place() {
        for (text, line, column, problem) in [
            ("A", 1, 2, "`=` is expected"),
            ("A=b\n  B c=d", 2, 5, "`=` is expected"),
            ("=b", 1, 1, "a name is expected"),
            ("A=1\n2B=1", 2, 1, "a name is expected"),
            ("日=1", 1, 1, "a name is expected"),
            ("A=1\nB='日本\nC=2", 2, 3, "never closed"),
            ("A=\"b\\\"", 1, 3, "never closed"),
            ("A='b'c", 1, 6, "nothing but a comment"),
            ("export 1=2", 1, 8, "a name is expected"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text:?}");
            assert!(error.problem.contains(problem), "{text:?}: {}", error.problem);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s)([A-B]{1,2}=|['\"\\\\\n# ]|.){0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn every_value_can_be_written(value in "(?s)[^\0\r]{0,40}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(&values(&format!("A=\"{escaped}\"\n"))[0].1, &value);
            if !value.contains('\'') {
                prop_assert_eq!(&values(&format!("A='{value}'"))[0].1, &value);
            }
        }
    }
}
