//! Text that others wrote, made safe and made to fit: no control character reaches the terminal, and widths are those
//! of the terminal's columns, not of bytes or characters.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// `text` on one line without escape sequences: those are taken out whole, tabs and line ends become blanks, and any
/// other control character (C0, C1, those that turn the direction of writing) becomes `�`.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_parameters(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            '\t' => clean.push_str("    "),
            '\n' => clean.push(' '),
            '\r' => {
                if !matches!(rest.peek(), None | Some('\n')) {
                    clean.push(' ');
                }
            }
            c if is_unsafe(c) => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// `text` with each unsafe character but line ends and tabs replaced by one of as many bytes, so that places in it stay.
pub(crate) fn clean_in_place(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| is_unsafe(c) && !matches!(c, '\n' | '\t');
    if !text.chars().any(harmful) {
        return Cow::Borrowed(text);
    }
    let replace = |c: char| match c.len_utf8() {
        _ if !harmful(c) => c,
        // At the end of a line nobody sees it.
        1 if c == '\r' => ' ',
        1 => '?',
        2 => '¿',
        _ => '\u{fffd}',
    };
    Cow::Owned(text.chars().map(replace).collect())
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Behind ESC: a control sequence, a string up to its end, or one character with those between (ECMA-48, 5.3 and 5.6).
fn skip_escape(rest: &mut Rest<'_>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_parameters(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        _ => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

fn skip_parameters(rest: &mut Rest<'_>) {
    while rest.next_if(|c| (' '..='?').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

/// Up to BEL or ST; one that never ends takes the line with it, as it would on a terminal.
fn skip_string(rest: &mut Rest<'_>) {
    while let Some(c) = rest.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// The columns that clean text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// As much of `text` as fits into `columns`, and the rest of it.
pub(crate) fn split_at_width(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        used += width(cluster);
        if used > columns {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// Breaks clean text into lines of at most `columns`, at blanks where there are any; an empty text is one empty line.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    // A cluster of two columns must fit.
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let space = usize::from(!line.is_empty());
        if width(&line) + space + width(word) <= columns {
            line.push_str(if space == 1 { " " } else { "" });
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        let mut rest = word;
        while width(rest) > columns {
            let (head, tail) = split_at_width(rest, columns);
            lines.push(head.to_owned());
            rest = tail;
        }
        rest.clone_into(&mut line);
    }
    lines.push(line);
    lines
}

/// Breaks clean text into lines of at most `columns` with every blank kept: for code and output. Breaks behind a blank
/// where one is in the second half of the line.
pub(crate) fn chop(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let (head, tail) = split_at_width(rest, columns);
        if tail.is_empty() || head.is_empty() {
            lines.push(rest.to_owned());
            return lines;
        }
        let end = head.rfind(' ').map(|at| at + 1).filter(|at| 2 * at > head.len()).unwrap_or(head.len());
        lines.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_taken_out() {
        for (given, cleaned) in [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}2Jgone", "gone"),
            ("\u{1b}Pq#0\u{1b}\\sixel", "sixel"),
            ("\u{1b}(Bset\u{1b}c", "set"),
            ("\u{1b}", ""),
            ("a\tb", "a    b"),
            ("50 %\r100 %\r\n", "50 % 100 % "),
            ("\u{8}\u{0}\u{7f}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("abc\u{202e}dcba", "abc\u{fffd}dcba"),
            ("👩‍👩‍👧 stays", "👩‍👩‍👧 stays"),
        ] {
            assert_eq!(clean(given), cleaned, "{given:?}");
        }
    }

    #[test]
    fn text_is_broken_at_blanks() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本語です", 4), ["日本", "語で", "す"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(chop("  a  bcd", 4), ["  a ", " bcd"]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_safe_and_fits(text in "(?s).{0,80}", columns in 2_usize..40) {
            let clean = clean(&text);
            prop_assert!(!clean.chars().any(is_unsafe));
            for line in wrap(&clean, columns).iter().chain(&chop(&clean, columns)) {
                // One cluster may be wider than any line: it stands alone then.
                prop_assert!(width(line) <= columns || line.graphemes(true).count() == 1, "{line:?}");
            }
            prop_assert_eq!(chop(&clean, columns).concat(), clean.as_ref());
            let placed = clean_in_place(&text);
            prop_assert_eq!(placed.len(), text.len());
            prop_assert!(!placed.chars().any(|c| is_unsafe(c) && !"\n\t".contains(c)));
        }
    }
}
