//! The manifest as a tree in which every key and value knows its place in the text.

use landfall_model::SourceSpan;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::report::Problem;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: SourceSpan,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    /// `None` when it does not fit 64 bits.
    Integer(Option<i64>),
    Float,
    Flag(bool),
    Date,
    List(Vec<Node>),
    Table(Table),
}

/// Entries in the order of the text, no key twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: SourceSpan,
    pub(crate) node: Node,
}

impl Node {
    /// What it is, with its article, as messages say it.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float => "a float",
            Value::Flag(_) => "a boolean",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The text, of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, of an integer of 64 bits.
    pub(crate) fn integer(&self) -> Option<i64> {
        match &self.value {
            Value::Integer(number) => *number,
            _ => None,
        }
    }

    /// The items, of a list.
    pub(crate) fn list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, of a table.
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl Table {
    /// The entry of this key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The table of this key; `None` when it is not there or no table.
    pub(crate) fn table(&self, key: &str) -> Option<&Self> {
        self.get(key)?.table()
    }

    /// The string of this key; `None` when it is not there or no string.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The keys, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }
}

/// Parses TOML as far as it can be understood, with each syntax error and its place.
pub(crate) fn parse(text: &str) -> (Node, Vec<(SourceSpan, Problem)>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let problems = errors.iter().map(|error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        let span = SourceSpan { start: span.start, end: span.end };
        (span, syntax(error.message(), text.get(span.start..span.end).unwrap_or_default(), span))
    });
    let problems = problems.collect();
    let root = SourceSpan::default();
    (Node { span: root, value: Value::Table(convert_table(table.into_inner())) }, problems)
}

fn syntax(message: &str, found: &str, span: SourceSpan) -> Problem {
    if message == "duplicate key" {
        return Problem::error(format!("`{found}` is given twice"))
            .at(span, "given again here")
            .help("keep one of the two");
    }
    if message.starts_with("string values must be quoted") && found.trim().is_empty() {
        return Problem::error("a value is missing").at(span, "expected after the `=`");
    }
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, format!("expected {expected}")),
        None => (message, String::new()),
    };
    Problem::error(format!("this is not TOML: {what}")).at(span, expected)
}

fn convert_table(table: DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = table.into_iter().map(|(key, value)| entry(key, value)).collect();
    entries.sort_by_key(|entry| entry.at.start);
    Table { entries }
}

fn entry(key: Spanned<toml::de::DeString<'_>>, value: Spanned<DeValue<'_>>) -> Entry {
    let at = SourceSpan { start: key.span().start, end: key.span().end };
    Entry { key: key.into_inner().into_owned(), at, node: convert(value) }
}

fn convert(value: Spanned<DeValue<'_>>) -> Node {
    let span = SourceSpan { start: value.span().start, end: value.span().end };
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(items.into_iter().map(convert).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table)),
    };
    Node { span, value }
}
