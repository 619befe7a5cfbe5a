//! A canary that is judged by a Prometheus server: a query is asked every few seconds, and its answer counts.

use std::time::Duration;

use landfall_fx::host::Host;
use landfall_model::{Millis, Prometheus, Release};

/// Between two questions; Prometheus itself looks at most things every 15 s.
const EVERY: Duration = Duration::from_secs(2);

/// After so long without an answer nobody can judge.
const SILENCE: Millis = Millis::seconds(60);

/// The questions of one step.
#[derive(Debug, Clone)]
pub(super) struct Asking<'a> {
    server: &'a str,
    query: String,
    /// When it is asked next, from the begin of the step.
    next: Duration,
    /// When it was answered last.
    answered: Duration,
    /// Whether it was answered at all.
    well: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn new(judge: &'a Prometheus, from: &Release, to: &Release) -> Self {
        Self {
            server: &judge.url,
            query: filled(&judge.query, &from.id.version().to_string(), &to.id.version().to_string()),
            next: Duration::ZERO,
            answered: Duration::ZERO,
            well: false,
        }
    }

    /// Whether the server has said that the release is well.
    pub(super) fn is_well(&self) -> bool {
        self.well
    }

    /// Asks when it is time; why the release is to be taken back, if it is.
    pub(super) fn ask(&mut self, host: &dyn Host, at: Duration) -> Option<String> {
        if at < self.next {
            return None;
        }
        self.next = at + EVERY;
        let why = match host.query(self.server, &self.query) {
            Ok(Some(value)) if value != 0.0 && !value.is_nan() => {
                (self.answered, self.well) = (at, true);
                return None;
            }
            Ok(Some(value)) => {
                return Some(format!("Prometheus at {} answered {value} to `{}`", self.server, self.query));
            }
            Ok(None) => "its answers hold no sample".to_owned(),
            Err(fault) => fault.message,
        };
        let silent = at.saturating_sub(self.answered) >= SILENCE.duration();
        silent.then(|| {
            format!(
                "Prometheus at {} gave no answer to `{}` for {SILENCE}, so that nobody can judge: {why}",
                self.server, self.query
            )
        })
    }
}

/// The query with the versions filled in.
fn filled(query: &str, previous: &str, version: &str) -> String {
    query.replace("${version}", version).replace("${previous}", previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_filled_in() {
        let query = r#"rate(x{version="${version}"}[1m]) < bool rate(x{version="${previous}"}[1m])"#;
        assert_eq!(
            filled(query, "1.0.0", "1.1.0"),
            r#"rate(x{version="1.1.0"}[1m]) < bool rate(x{version="1.0.0"}[1m])"#
        );
    }
}
