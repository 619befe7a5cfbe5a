//! A command as the user wrote it: a shell line, or words that no shell ever sees.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What to run. A line goes to `/bin/sh -c`; words are executed as they are, without expansion of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Command {
    /// A shell line, the only thing Landfall ever gives to a shell.
    Line(String),
    /// A program and its arguments; at least the program.
    Words(Vec<String>),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => f.write_str(line),
            Self::Words(words) => f.write_str(&words.join(" ")),
        }
    }
}
