//! One step of a canary as data: samples in, a verdict out.

use std::time::Duration;

use landfall_fx::host::Sample;
use landfall_model::{Answers, Canary, Compare, Judge, Millis, Version, Watch as Shown};

use super::arm::Arm;
use super::exact::float;
use super::spending::Looks;
use super::{errors, latency, words};

/// What a look comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Nothing,
    /// The step is passed; what was seen.
    Passed(String),
    /// The new release is worse; what shows it.
    Worse(String),
    /// Nobody can say, for want of requests.
    Nobody(String),
}

/// One step that is watched.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    hold: Duration,
    requests: u64,
    patience: Millis,
    /// `None` when somebody else judges.
    compare: Option<Compare>,
    old: Arm,
    new: Arm,
    errors: Looks,
    latency: Looks,
    /// Whether answers count as those of a cold release.
    cold: bool,
}

impl Watch {
    /// A watch over one of `canary`'s steps; in the `first` the new release is cold.
    pub(super) fn new(canary: &Canary, first: bool) -> Self {
        let compare = match &canary.judge {
            Judge::Compare(compare) => Some(*compare),
            Judge::Prometheus(_) => None,
        };
        // All steps have an equal part of the risk, half of it for each of the two questions.
        let steps = float(canary.steps.len() as u64).max(1.0);
        let alpha = compare.map_or(0.0, |it| 1.0 / f64::from(it.false_alarm.max(1)) / steps / 2.0);
        Self {
            hold: canary.hold.duration(),
            requests: u64::from(canary.requests),
            patience: Millis(canary.patience.0.max(canary.hold.0)),
            compare,
            old: Arm::default(),
            new: Arm::default(),
            errors: Looks::new(alpha, errors::FIRST, errors::QUARTERS),
            latency: Looks::new(alpha, latency::FIRST, latency::QUARTERS),
            cold: first,
        }
    }

    /// Takes in what both releases answered by `at` after the watch began.
    pub(super) fn look(&mut self, at: Duration, old: &Sample, new: &Sample) -> Found {
        self.old.take(old);
        self.new.take(new);
        if self.cold && at >= latency::WARM_UP_TIME && self.new.requests >= latency::WARM_UP {
            self.cold = false;
            self.old.forget_latency();
            self.new.forget_latency();
        }
        let over = at >= self.hold && self.new.requests >= self.requests;
        if let Some(worse) = self.compare.and_then(|compare| self.worse(compare, over)) {
            return Found::Worse(worse);
        }
        if over {
            return Found::Passed(self.seen());
        }
        if at >= self.patience.duration() {
            return Found::Nobody(format!(
                "only {} of the {} requests that it takes to judge it came within {}",
                words::grouped(self.new.requests),
                words::grouped(self.requests),
                self.patience
            ));
        }
        Found::Nothing
    }

    /// What shows that the new release is worse.
    fn worse(&mut self, compare: Compare, last: bool) -> Option<String> {
        let Self { old, new, errors: error_looks, latency: latency_looks, .. } = self;
        let (old, new) = (&*old, &*new);
        let equal = "the chance of that with an equal release is";
        let test = "(Fisher's exact test)";
        if let Some(alpha) = error_looks.due(old.errors + new.errors, last)
            && errors::probability(old, new, compare.errors) <= alpha
        {
            return Some(format!(
                "{} against {} of {}; {equal} {} {test}",
                words::failed(new.errors, new.requests),
                words::grouped(old.errors),
                words::grouped(old.requests),
                words::odds(errors::chance(old, new)),
            ));
        }
        if !self.cold
            && let Some(alpha) = latency_looks.due(new.timed(), last)
            && let Some(slower) = latency::compare(old, new, compare.slower)
            && slower.probability <= alpha
        {
            let p99 = |arm: &Arm| words::micros(arm.p99().unwrap_or(0));
            return Some(format!(
                "{} of {} answers ({}) took longer than {}, against {} of {}; its 99th percentile is {} against {}; \
                 {equal} {} {test}",
                words::grouped(slower.new),
                words::grouped(new.timed()),
                words::percent(slower.new, new.timed()),
                words::micros(slower.line),
                words::grouped(slower.old),
                words::grouped(old.timed()),
                p99(new),
                p99(old),
                words::odds(slower.probability),
            ));
        }
        None
    }

    /// What was seen of both, for whoever looks on.
    pub(super) fn shown(&self, at: Duration, percent: u32, old: &Version, new: &Version) -> Shown {
        let answers = |arm: &Arm, version: &Version| Answers {
            version: version.clone(),
            requests: arm.requests,
            errors: arm.errors,
            p99_us: arm.p99(),
        };
        Shown {
            percent,
            new: answers(&self.new, new),
            old: answers(&self.old, old),
            wanted: self.requests,
            left_ms: Millis::from(self.hold.saturating_sub(at)).0,
            patience_ms: self.patience.0,
        }
    }

    /// What was seen of both, as people read it.
    pub(super) fn seen(&self) -> String {
        let Self { old, new, .. } = self;
        let counts = format!(
            "{} against {} of {}",
            words::failed(new.errors, new.requests),
            words::grouped(old.errors),
            words::grouped(old.requests)
        );
        match (new.p99(), old.p99()) {
            (Some(new), Some(old)) => {
                format!("{counts}; p99 {} against {}", words::micros(new), words::micros(old))
            }
            _ => counts,
        }
    }
}
