//! Blacks out secret values wherever text is stored or shown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

/// Values and lines of values shorter than this many bytes are left alone: they are in every text by chance.
const SHORTEST: usize = 4;
/// A line of at least this many bytes may be the beginning of a longer one: what is shown of an answer is cut at 200
/// characters, of a build's line at 500.
const CUT: usize = 200;
/// The shortest piece of base64 that is searched for on its own, in characters.
const SHORTEST_BASE64: usize = 8;

/// Replaces secret values by `[NAME]`: as they are, each line of those with several, and as they look in a URL, in
/// base64 and in JSON. The longest wins where two begin at the same place. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    matcher: AhoCorasick,
    patterns: Vec<String>,
    /// What stands for each pattern.
    marks: Vec<String>,
    longest: usize,
}

impl Redactor {
    /// A redactor for `values`, name to value; values shorter than 4 bytes are left alone.
    ///
    /// # Panics
    /// Never: a set of secrets is far below the limits of the matcher (2^31 states).
    #[must_use]
    pub fn new(values: &BTreeMap<String, String>) -> Self {
        Self::of_several(std::slice::from_ref(values))
    }

    /// The same for several sets of values: a name may stand for another value in each.
    ///
    /// # Panics
    /// Never, as [`new`](Self::new).
    #[must_use]
    pub fn of_several(sets: &[BTreeMap<String, String>]) -> Self {
        let mut marks = BTreeMap::new();
        for (name, value) in sets.iter().flatten() {
            for form in forms(value) {
                marks.entry(form).or_insert_with(|| format!("[{name}]"));
            }
        }
        if marks.is_empty() {
            return Self::default();
        }
        let (patterns, marks): (Vec<String>, Vec<String>) = marks.into_iter().unzip();
        let matcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .expect("a few secrets make a small automaton");
        let longest = patterns.iter().map(String::len).max().unwrap_or(0);
        Self { inner: Some(Arc::new(Inner { matcher, patterns, marks, longest })) }
    }

    /// The text with every value replaced.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.inner {
            Some(inner) if inner.matcher.is_match(text) => {
                Cow::Owned(inner.matcher.replace_all(text, &inner.marks))
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// The same for a text whose long lines (200 bytes and more) may have been cut, and a value with them: the beginning
    /// of one (4 bytes or more) at the end of such a line is replaced too.
    #[must_use]
    pub fn redact_cut(&self, text: &str) -> String {
        let Some(inner) = &self.inner else { return text.to_owned() };
        let mut ended = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let said = line.trim_end();
            match inner.begun_at_end(said.as_bytes()).filter(|_| said.len() >= CUT) {
                Some((at, mark)) => ended.extend([&line[..at], mark, &line[said.len()..]]),
                None => ended.push_str(line),
            }
        }
        self.redact(&ended).into_owned()
    }

    /// The length of the longest text that is searched for, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.longest)
    }

    /// The place at or near `at` where `bytes` can be cut without cutting a value in two; never 0. A value may end up
    /// to [`longest`](Self::longest) bytes behind `at`: whoever cuts has that much at hand, or the end of the text.
    pub(crate) fn cut(&self, bytes: &[u8], at: usize) -> usize {
        let Some(inner) = &self.inner else { return at };
        for found in inner.matcher.find_iter(bytes) {
            if found.start() < at && at < found.end() {
                return if found.start() > 0 { found.start() } else { found.end() };
            }
            if found.start() >= at {
                break;
            }
        }
        at
    }

    /// Whether `bytes` ends in what may be the beginning (3 bytes or more) of a value.
    pub(crate) fn may_go_on(&self, bytes: &[u8]) -> bool {
        self.inner.as_ref().is_some_and(|inner| {
            inner.patterns.iter().map(String::as_bytes).any(|pattern| {
                (SHORTEST - 1..pattern.len()).any(|length| bytes.ends_with(&pattern[..length]))
            })
        })
    }
}

impl Inner {
    /// Where the longest beginning of a pattern is that `bytes` end with, of [`SHORTEST`] bytes at least, and what stands
    /// for it.
    fn begun_at_end(&self, bytes: &[u8]) -> Option<(usize, &str)> {
        let begun = |pattern: &String| {
            let most = bytes.len().min(pattern.len());
            (SHORTEST..=most).rev().find(|length| bytes.ends_with(&pattern.as_bytes()[..*length]))
        };
        let all = self.patterns.iter().zip(&self.marks);
        let (length, mark) = all.filter_map(|(pattern, mark)| Some((begun(pattern)?, mark))).max()?;
        Some((bytes.len() - length, mark))
    }
}

/// All the texts that show a value, each at least [`SHORTEST`] bytes long.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    forms.extend(value.lines().map(|line| line.trim().to_owned()));
    for plain in forms.clone() {
        if plain.len() < SHORTEST {
            continue;
        }
        let encoded = percent(&plain);
        forms.push(encoded.replace("%20", "+"));
        forms.push(encoded);
        forms.push(serde_json::Value::from(plain.as_str()).to_string().trim_matches('"').to_owned());
        forms.extend(base64_cores(plain.as_bytes()));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// Percent-encoding of everything but what RFC 3986, section 2.3, calls unreserved.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// What is common to every base64 text (RFC 4648, both alphabets) of which `bytes` are a part: at each of the three
/// ways they can lie in groups of three bytes, the characters that depend on nothing else.
fn base64_cores(bytes: &[u8]) -> Vec<String> {
    const PLAIN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let core = |before: usize, alphabet: &[u8; 64]| -> String {
        let bits = |index: usize| -> u8 {
            (0..6).fold(0, |value, bit| {
                let at = index * 6 + bit;
                let byte = at.checked_sub(before * 8).map_or(0, |at| bytes[at / 8] >> (7 - at % 8) & 1);
                value << 1 | byte
            })
        };
        let first = (before * 8).div_ceil(6);
        let last = (before + bytes.len()) * 8 / 6;
        (first..last).map(|index| char::from(alphabet[usize::from(bits(index))])).collect()
    };
    (0..3)
        .flat_map(|before| [core(before, PLAIN), core(before, URL)])
        .filter(|core| core.len() >= SHORTEST_BASE64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(values: &[(&str, &str)]) -> Redactor {
        Redactor::new(&values.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    #[track_caller]
    fn check(values: &[(&str, &str)], text: &str, expected: &str) {
        assert_eq!(redactor(values).redact(text), expected);
    }

    #[test]
    fn values_are_replaced_the_longest_first() {
        check(&[("KEY", "hunter22")], "key=hunter22, again hunter22.", "key=[KEY], again [KEY].");
        check(&[("A", "abcd"), ("B", "abcdef")], "abcdef abcd", "[B] [A]");
        check(&[("SHORT", "abc"), ("EMPTY", "")], "abc", "abc");
        check(&[], "text", "text");
        assert!(matches!(redactor(&[("KEY", "hunter22")]).redact("nothing"), Cow::Borrowed("nothing")));
    }

    #[test]
    fn lines_of_a_value_are_replaced_one_by_one() {
        let key = "-----BEGIN KEY-----\r\nMIIEow\nx\n";
        check(&[("PEM", key)], "MIIEow", "[PEM]");
        check(&[("PEM", key)], "x", "x");
        check(&[("PEM", key)], key, "[PEM]");
        check(&[("PEM", key)], r#"{"pem": "-----BEGIN KEY-----\r\nMIIEow\nx\n"}"#, r#"{"pem": "[PEM]"}"#);
    }

    #[test]
    fn other_forms_of_a_value_are_replaced() {
        check(&[("P", "p@ss w/rd")], "postgres://u:p%40ss%20w%2Frd@db", "postgres://u:[P]@db");
        check(&[("P", "p@ss w/rd")], "q=p%40ss+w%2Frd", "q=[P]");
        // `printf 'user:correct-horse' | base64`, and the same with one byte more in front: what is left is what the
        // value does not decide.
        check(&[("P", "correct-horse")], "Basic dXNlcjpjb3JyZWN0LWhvcnNl", "Basic dXNlcjp[P]");
        check(&[("P", "correct-horse")], "Y29ycmVjdC1ob3JzZQ==", "[P]Q==");
        check(&[("P", "correct-horse")], "eHg6Y29ycmVjdC1ob3JzZTp4", "eHg6[P]Tp4");
    }

    #[test]
    fn a_cut_spares_values() {
        let redactor = redactor(&[("KEY", "hunter22")]);
        assert_eq!(redactor.cut(b"....hunter22....", 6), 4);
        assert_eq!(redactor.cut(b"hunter22....", 6), 8);
        assert_eq!(redactor.cut(b"....hunter22....", 4), 4);
        assert_eq!(redactor.cut(b"....hunter22....", 13), 13);
        assert!(redactor.may_go_on(b"key: hunt"));
        assert!(!redactor.may_go_on(b"key: hunter22"));
        assert_eq!(redactor.longest(), 10, "the base64 form");
    }

    #[test]
    fn a_value_that_was_cut_with_its_line_is_blacked_out() {
        let redactor = redactor(&[("KEY", "hunter22")]);
        let (long, short) = (".".repeat(CUT), ".".repeat(CUT - 10));
        let said = redactor.redact_cut(&format!("{long}hunte\nhunte\n{long}hun\n{long}hunter22\n"));
        assert_eq!(said, format!("{long}[KEY]\nhunte\n{long}hun\n{long}[KEY]\n"));
        assert_eq!(redactor.redact_cut(&format!("{short}hunt")), format!("{short}hunt"));
    }

    #[test]
    fn a_name_may_have_several_values() {
        let set = |value: &str| BTreeMap::from([("KEY".to_owned(), value.to_owned())]);
        let redactor = Redactor::of_several(&[set("hunter22"), set("correct-horse")]);
        assert_eq!(redactor.redact("hunter22 correct-horse"), "[KEY] [KEY]");
    }
}
