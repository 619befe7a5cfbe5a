//! What `doctor` finds, one thing at a time.

use serde::{Deserialize, Serialize};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: "state folder", "proxy", "guestbook/dev/web".
    pub subject: String,
    /// How it is.
    pub grade: Grade,
    /// What was seen, one sentence without a full stop.
    pub seen: String,
    /// What to do; `None` where nothing is to be done.
    pub help: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it should be.
    Good,
    /// It works, and may not for long, or not as was meant.
    Doubtful,
    /// Something does not work.
    Bad,
}

impl Finding {
    /// A thing that is as it should be.
    pub fn good(subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { subject: subject.into(), grade: Grade::Good, seen: seen.into(), help: None }
    }

    /// A thing that should be looked at.
    pub fn doubtful(subject: impl Into<String>, seen: impl Into<String>, help: impl Into<String>) -> Self {
        Self { grade: Grade::Doubtful, help: Some(help.into()), ..Self::good(subject, seen) }
    }

    /// A thing that does not work.
    pub fn bad(subject: impl Into<String>, seen: impl Into<String>, help: impl Into<String>) -> Self {
        Self { grade: Grade::Bad, ..Self::doubtful(subject, seen, help) }
    }
}
