//! What a view writes: lines and tables, laid out for one style, written in one piece.

use std::io::{self, Write};

use crate::line::Line;
use crate::style::{Ink, Style};
use crate::text::{chop, clean};

/// Between two columns of a table.
const GAP: usize = 2;

/// Lines on their way to a writer.
pub(crate) struct Page<'a> {
    pub(crate) style: &'a Style,
    text: String,
}

/// A row of a table, and what stands below it over the whole width.
pub(crate) struct Row {
    cells: Vec<Line>,
    below: Vec<Line>,
}

impl Row {
    pub(crate) fn new(cells: impl Into<Vec<Line>>) -> Self {
        Self { cells: cells.into(), below: Vec::new() }
    }

    pub(crate) fn below(mut self, line: Line) -> Self {
        self.below.push(line);
        self
    }
}

/// Where a cell's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    /// Left, and this column gives way where the table is too wide.
    Flexible,
}

impl<'a> Page<'a> {
    pub(crate) fn new(style: &'a Style) -> Self {
        Self { style, text: String::new() }
    }

    /// Writes the page.
    pub(crate) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.text.as_bytes())?;
        out.flush()
    }

    /// The page's text; for who draws it elsewhere.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn columns(&self) -> usize {
        self.style.columns()
    }

    /// One of two signs: the second where only ASCII can be shown.
    pub(crate) fn sign(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        sign(self.style, unicode, ascii)
    }

    /// What another has laid out already, with its line ends.
    pub(crate) fn drawn(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A line as it is, cut to the terminal.
    pub(crate) fn line(&mut self, line: Line) {
        let line = line.trimmed().cut(self.columns(), self.style);
        self.whole(line);
    }

    /// A line as it is, however long: the terminal breaks it, and what is copied from there is whole.
    pub(crate) fn whole(&mut self, line: Line) {
        self.text.push_str(&line.trimmed().draw(self.style));
        self.text.push('\n');
    }

    /// A line that is broken where the terminal ends; all rows but the first stand below `hanging` columns of blanks.
    pub(crate) fn flow(&mut self, first: Line, hanging: usize, line: Line) {
        let used = first.width().max(hanging);
        let room = self.columns().saturating_sub(used).max(self.columns() / 3);
        let mut first = Some(first.pad(hanging, false));
        for row in line.wrap(room) {
            let mut whole = first.take().unwrap_or_else(|| Line::from(" ".repeat(used)));
            whole.append(row);
            self.whole(whole);
        }
    }

    /// Text that may have several lines of its own, each broken where the terminal ends: `first` stands before the
    /// first row, `rest` before all others.
    pub(crate) fn paragraphs(&mut self, first: &Line, rest: &Line, ink: Ink, text: &str) {
        let room = self.columns().saturating_sub(first.width().max(rest.width())).max(self.columns() / 3);
        let rows = text.lines().flat_map(|part| Line::of(ink, part).wrap(room));
        for (index, row) in rows.enumerate() {
            let mut whole = if index == 0 { first.clone() } else { rest.clone() };
            whole.append(row);
            self.line(whole);
        }
    }

    /// Output of a program behind `rule`: every blank kept, broken anywhere, at most `rows` rows of the terminal.
    pub(crate) fn output(&mut self, rule: &Line, ink: Ink, text: &str, rows: usize) {
        let room = self.columns().saturating_sub(rule.width());
        let mut chopped = chop(&clean(text), room);
        if chopped.len() > rows {
            chopped.truncate(rows);
            if let Some(last) = chopped.last_mut() {
                // Wider than the room by this: `line` cuts it and leaves its sign.
                last.push_str("   ");
            }
        }
        for row in chopped {
            let line = rule.clone().with(ink, row);
            self.line(line);
        }
    }

    /// A table without lines: each column as wide as its widest cell, `indent` blanks before it.
    pub(crate) fn table(&mut self, indent: usize, aligns: &[Align], rows: Vec<Row>) {
        let mut widths: Vec<usize> = aligns.iter().map(|_| 0).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = cell.width().max(*width);
            }
        }
        let used = widths.iter().filter(|width| **width > 0).count();
        let total = indent + widths.iter().sum::<usize>() + GAP * used.saturating_sub(1);
        let mut over = total.saturating_sub(self.columns());
        for (width, align) in widths.iter_mut().zip(aligns) {
            if *align == Align::Flexible {
                let less = over.min(width.saturating_sub(MIN_FLEXIBLE));
                *width -= less;
                over -= less;
            }
        }
        for row in rows {
            let mut line = Line::from(" ".repeat(indent));
            let mut first = true;
            for ((cell, width), align) in row.cells.into_iter().zip(&widths).zip(aligns) {
                if *width == 0 {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    line.push(Ink::Plain, " ".repeat(GAP));
                }
                line.append(cell.cut(*width, self.style).pad(*width, *align == Align::Right));
            }
            self.line(line);
            for below in row.below {
                self.flow(Line::new(), indent + GAP, below);
            }
        }
    }
}

/// A flexible column is not made narrower than this.
const MIN_FLEXIBLE: usize = 8;

/// One of two signs: the second where only ASCII can be shown.
pub(crate) fn sign(style: &Style, unicode: &'static str, ascii: &'static str) -> &'static str {
    if style.unicode { unicode } else { ascii }
}
