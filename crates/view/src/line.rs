//! A line of text in several inks, cut or broken to the width of the terminal.

use crate::style::{Ink, Style};
use crate::text::{clean, split_at_width, width, wrap};

/// Stretches of clean text, each in its ink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Ink, String)>);

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A line of one ink.
    pub(crate) fn of(ink: Ink, text: impl AsRef<str>) -> Self {
        Self::new().with(ink, text)
    }

    /// The line with `text` behind it, cleaned.
    pub(crate) fn with(mut self, ink: Ink, text: impl AsRef<str>) -> Self {
        self.push(ink, text);
        self
    }

    /// The line with `text` behind it in the ordinary ink.
    pub(crate) fn and(self, text: impl AsRef<str>) -> Self {
        self.with(Ink::Plain, text)
    }

    pub(crate) fn push(&mut self, ink: Ink, text: impl AsRef<str>) {
        let text = clean(text.as_ref());
        if !text.is_empty() {
            self.0.push((ink, text.into_owned()));
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// The text without any ink.
    pub(crate) fn plain(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Cut to `columns`, with a sign of it at the end.
    pub(crate) fn cut(self, columns: usize, style: &Style) -> Self {
        if self.width() <= columns {
            return self;
        }
        let sign = if style.unicode { "…" } else { "..." };
        let sign = if width(sign) < columns { sign } else { "" };
        let mut left = columns - width(sign);
        let mut cut = Vec::new();
        let mut last = Ink::Plain;
        for (ink, text) in self.0 {
            let (head, tail) = split_at_width(&text, left);
            left -= width(head).min(left);
            last = ink;
            cut.push((ink, head.to_owned()));
            if !tail.is_empty() {
                break;
            }
        }
        cut.push((last, sign.to_owned()));
        Self(cut)
    }

    /// Filled up with blanks to `columns`, at the left when `right` aligned.
    pub(crate) fn pad(mut self, columns: usize, right: bool) -> Self {
        let blanks = " ".repeat(columns.saturating_sub(self.width()));
        if !blanks.is_empty() {
            let at = if right { 0 } else { self.0.len() };
            self.0.insert(at, (Ink::Plain, blanks));
        }
        self
    }

    /// Without the blanks at its end.
    pub(crate) fn trimmed(mut self) -> Self {
        while let Some((_, last)) = self.0.last_mut() {
            last.truncate(last.trim_end().len());
            if !last.is_empty() {
                break;
            }
            self.0.pop();
        }
        self
    }

    /// Broken at blanks into lines of at most `columns`.
    pub(crate) fn wrap(self, columns: usize) -> Vec<Self> {
        if self.width() <= columns {
            return vec![self];
        }
        let rows = wrap(&self.plain(), columns);
        let mut stretches = self.0.into_iter();
        let mut current = stretches.next();
        let mut lines = Vec::with_capacity(rows.len());
        // The rows are the same text with blanks left out where it was broken: walk both and hand the ink over.
        for row in rows {
            let mut line = Self::new();
            let mut wanted = row.chars().peekable();
            while let (Some(want), Some((ink, text))) = (wanted.peek().copied(), current.as_mut()) {
                let Some(c) = text.chars().next() else {
                    current = stretches.next();
                    continue;
                };
                text.drain(..c.len_utf8());
                if c == want {
                    wanted.next();
                    match line.0.last_mut() {
                        Some((last, shown)) if last == ink => shown.push(c),
                        _ => line.0.push((*ink, c.to_string())),
                    }
                }
            }
            lines.push(line);
        }
        lines
    }

    /// As it is written.
    pub(crate) fn draw(&self, style: &Style) -> String {
        self.0.iter().map(|(ink, text)| ink.paint(text, style)).collect()
    }
}

impl<T: AsRef<str>> From<T> for Line {
    fn from(text: T) -> Self {
        Self::of(Ink::Plain, text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn style(color: bool) -> Style {
        Style { color, width: 80, unicode: true }
    }

    #[test]
    fn inks_survive_cutting_and_breaking() {
        let line = Line::of(Ink::Good, "good news").and(" for ").with(Ink::Bad, "everybody");
        let cut = line.clone().cut(12, &style(false));
        assert_eq!(cut.plain(), "good news f…");
        let rows: Vec<String> = line.wrap(10).iter().map(|row| row.draw(&style(true))).collect();
        assert_eq!(rows, ["\u{1b}[32mgood news\u{1b}[0m", "for", "\u{1b}[1m\u{1b}[31meverybody\u{1b}[0m"]);
    }

    proptest! {
        #[test]
        fn lines_fit(parts in prop::collection::vec("[a-z日👍 ]{0,12}", 0..5), columns in 2_usize..30) {
            let line = parts.iter().fold(Line::new(), |line, part| line.with(Ink::Plain, part));
            let text: String = line.plain().split_whitespace().collect();
            prop_assert!(line.clone().cut(columns, &style(false)).width() <= columns);
            let rows = line.wrap(columns);
            prop_assert!(rows.iter().all(|row| row.width() <= columns));
            let wrapped: String = rows.iter().map(Line::plain).collect();
            prop_assert_eq!(wrapped.split_whitespace().collect::<String>(), text);
        }
    }
}
