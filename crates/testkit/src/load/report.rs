//! What came of a load.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinError;

use super::sender::Answer;

/// Failures kept with their reasons; more are only counted.
const FAILURES_KEPT: usize = 1000;

/// Different answers that are told apart.
const ANSWERS_KEPT: usize = 64;

/// The longest latency told apart, in microseconds: an hour.
const MAX_LATENCY: u64 = 3_600_000_000;

/// How a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Over one that others used before, where there was one.
    Kept,
    /// Over one of its own, with `Connection: close`.
    New,
}

/// A request that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When it was due, from the beginning of the load.
    pub at: Duration,
    /// How it was sent.
    pub connection: Connection,
    /// What happened.
    pub reason: String,
}

/// What came of a load.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// Answered with a status below 500, to the end of the body.
    pub served: u64,
    /// All others.
    pub failed: u64,
    /// The failures, the first 1,000.
    pub failures: Vec<Failure>,
    /// From due to answered, in microseconds; of those served.
    pub latency: Histogram<u64>,
    /// The longest time in which no request was answered well, though some were due.
    pub longest_gap: Duration,
    /// First lines of answers and how many began so; the first 64 different ones.
    pub answers: BTreeMap<String, u64>,
    /// How long requests were sent.
    pub lasted: Duration,
    done: Vec<Duration>,
}

impl Default for LoadReport {
    fn default() -> Self {
        Self {
            served: 0,
            failed: 0,
            failures: Vec::new(),
            latency: Histogram::new_with_bounds(1, MAX_LATENCY, 3).expect("the bounds are in order"),
            longest_gap: Duration::ZERO,
            answers: BTreeMap::new(),
            lasted: Duration::ZERO,
            done: Vec::new(),
        }
    }
}

type Done = (Instant, Connection, Result<Answer, String>, Instant);

impl LoadReport {
    pub(super) fn take(&mut self, begun: Instant, done: Result<Done, JoinError>) {
        let (due, connection, answer, ended) = match done {
            Ok(done) => done,
            Err(error) => {
                return self.fail(
                    begun.elapsed(),
                    Connection::New,
                    format!("the load itself failed: {error}"),
                );
            }
        };
        let at = due.saturating_duration_since(begun);
        match answer {
            Ok(answer) if answer.status < 500 => {
                self.served += 1;
                self.done.push(ended.saturating_duration_since(begun));
                let waited = ended.saturating_duration_since(due).as_micros();
                self.latency.saturating_record(u64::try_from(waited).unwrap_or(u64::MAX));
                if self.answers.len() < ANSWERS_KEPT || self.answers.contains_key(&answer.first_line) {
                    *self.answers.entry(answer.first_line).or_default() += 1;
                }
            }
            Ok(answer) => {
                self.fail(at, connection, format!("status {}: {}", answer.status, answer.first_line));
            }
            Err(reason) => self.fail(at, connection, reason),
        }
    }

    pub(super) fn fail(&mut self, at: Duration, connection: Connection, reason: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(Failure { at, connection, reason });
        }
    }

    pub(super) fn close(&mut self) {
        self.done.sort_unstable();
        let ends = self.done.iter().copied().chain([self.lasted]);
        let gaps = ends.scan(Duration::ZERO, |before, end| {
            let gap = end.saturating_sub(*before);
            *before = end.max(*before);
            Some(gap)
        });
        self.longest_gap = gaps.max().unwrap_or_default();
    }

    /// The longest that anybody waited for an answer.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        Duration::from_micros(self.latency.max())
    }

    /// A quantile (0 to 1) of the time from due to answered.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(quantile))
    }

    /// The same, with no request lost and at least one served.
    ///
    /// # Panics
    /// When one failed; shows the first of them.
    #[track_caller]
    #[must_use]
    pub fn lost_nothing(self) -> Self {
        assert!(self.served > 0 && self.failed == 0, "{self}");
        self
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} served, {} failed in {:?}; p50 {:?}, p99 {:?}, longest wait {:?}, longest gap {:?}",
            self.served,
            self.failed,
            self.lasted,
            self.quantile(0.5),
            self.quantile(0.99),
            self.longest_wait(),
            self.longest_gap
        )?;
        for (line, count) in &self.answers {
            writeln!(f, "  {count} times `{line}`")?;
        }
        for Failure { at, connection, reason } in self.failures.iter().take(20) {
            writeln!(f, "  failed at {at:?} ({connection:?} connection): {reason}")?;
        }
        Ok(())
    }
}
