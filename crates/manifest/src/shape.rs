//! What a value may look like. The manifest's language is one value of these types (`keys`), read by the parser
//! (`check`), by the search for what comes later (`later`) and by the JSON Schema (`schema`).

use crate::measure::show_size;
use crate::suggest::list;
use crate::tree::{Node, Value};
use landfall_model::Millis;

/// What a value may be.
pub(crate) enum Shape {
    /// A string of a form.
    Text(&'static Form),
    /// A string, an integer or a boolean.
    Plain,
    /// A boolean.
    Flag,
    /// An integer, both ends allowed.
    Integer(i64, i64),
    /// A length of time in milliseconds, both ends allowed.
    Duration(u64, u64),
    /// A size in bytes, both ends allowed: an integer, or a string with a unit.
    Size(u64, u64),
    /// One of some words; those in `later` are right, and nothing that this version can do.
    Choice { now: &'static [&'static str], later: &'static [&'static str] },
    /// A list with at least so many items.
    List(&'static Self, usize),
    /// A table with keys of the user's choosing.
    Map(&'static Form, &'static Self),
    /// A table with these keys.
    Table(&'static [Key]),
    /// One of several, told apart by their types.
    Any(&'static [Self]),
    /// Right, and nothing that this version can do, but when it is an empty list.
    Later(&'static Self),
}

/// A key of a table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// One or two sentences, for the JSON Schema.
    pub(crate) about: &'static str,
    /// A value, as TOML.
    pub(crate) example: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

/// What a string may look like.
pub(crate) struct Form {
    /// A regular expression (ECMA 262) that every good one matches.
    pub(crate) pattern: &'static str,
    /// "a path inside the project".
    pub(crate) expected: &'static str,
    pub(crate) check: fn(&str) -> Result<(), Flaw>,
}

/// What is wrong with a string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) why: String,
    pub(crate) help: Option<String>,
}

impl Flaw {
    /// A flaw without advice.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: None }
    }

    /// The same, with advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Form {
    /// Whether a text is of this form.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        (self.check)(text).is_ok()
    }
}

impl Shape {
    /// Whether a value is of a type that this shape has.
    pub(crate) fn has_type_of(&self, node: &Node) -> bool {
        match (self, &node.value) {
            (Self::Any(shapes), _) => shapes.iter().any(|shape| shape.has_type_of(node)),
            (Self::Later(shape), _) => shape.has_type_of(node),
            (Self::Text(_) | Self::Duration(..) | Self::Choice { .. }, Value::Text(_))
            | (Self::Plain, Value::Text(_) | Value::Integer(_) | Value::Flag(_))
            | (Self::Flag, Value::Flag(_))
            | (Self::Integer(..), Value::Integer(_))
            | (Self::Size(..), Value::Integer(_) | Value::Text(_))
            | (Self::List(..), Value::List(_))
            | (Self::Map(..) | Self::Table(_), Value::Table(_)) => true,
            _ => false,
        }
    }

    /// Of several, the one that has the type of this value.
    pub(crate) fn matching(&self, node: &Node) -> Option<&Self> {
        match self {
            Self::Any(shapes) => shapes.iter().find(|shape| shape.has_type_of(node)),
            shape => shape.has_type_of(node).then_some(shape),
        }
    }

    /// What is expected, as messages say it.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text(_) => "a string".to_owned(),
            Self::Plain => "a string, an integer or a boolean".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Integer(min, max) => format!("an integer from {min} to {max}"),
            Self::Duration(min, max) => {
                format!("a length of time from {} to {}, such as \"10s\"", Millis(*min), Millis(*max))
            }
            Self::Size(min, max) => {
                format!("a size from {} to {}, such as \"256M\"", show_size(*min), show_size(*max))
            }
            Self::Choice { now, .. } => format!("one of {}", list(now.iter().copied())),
            Self::List(of, _) => format!("a list of {}", of.plural()),
            Self::Map(..) | Self::Table(_) => "a table".to_owned(),
            Self::Any(shapes) => shapes.iter().map(Self::expected).collect::<Vec<_>>().join(" or "),
            Self::Later(shape) => shape.expected(),
        }
    }

    fn plural(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Choice { .. } | Self::Duration(..) => "strings",
            Self::Integer(..) | Self::Size(..) => "integers",
            Self::Table(_) | Self::Map(..) => "tables",
            _ => "values",
        }
    }
}
