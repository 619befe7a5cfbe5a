//! Why an ACME server gave nothing, in words, and how long it asked to wait.

use std::fmt::Write as _;
use std::time::Duration;

use instant_acme::{Error, Problem};

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Why, one sentence for people.
    pub(crate) why: String,
    /// How long the server asked to wait.
    pub(crate) after: Option<Duration>,
    /// What kind of problem the server named (RFC 8555, section 6.7), without its prefix.
    pub(crate) kind: Option<String>,
}

impl Failure {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), after: None, kind: None }
    }

    /// Whether the server named this kind of problem.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
}

/// The kind of a problem, `rateLimited`.
fn kind(problem: &Problem) -> Option<&str> {
    problem.r#type.as_deref()?.strip_prefix("urn:ietf:params:acme:error:")
}

/// Whether an error is the server's refusal of a nonce, after which the same request is made again.
pub(crate) fn is_bad_nonce(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if kind(problem) == Some("badNonce"))
}

/// What an ACME server says, for people.
pub(crate) fn shown(problem: &Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_else(|| "it gave no reason".to_owned());
    for part in &problem.subproblems {
        if let Some(detail) = &part.detail {
            let _ = write!(text, "; {detail}");
        }
    }
    if let Some(kind) = kind(problem) {
        let _ = write!(text, " ({kind})");
    }
    text
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(problem) => Self {
                why: format!("the ACME server says: {}", shown(problem)),
                after: None,
                kind: kind(problem).map(str::to_owned),
            },
            Error::Timeout(_) => Self::new("the ACME server did not finish in time"),
            Error::Json(error) => Self::new(format!("the ACME server's answer makes no sense: {error}")),
            Error::Other(error) => Self::new(error.to_string()),
            other => Self::new(format!("the ACME server's answer is of no use: {other}")),
        }
    }
}
