//! The events of one transaction: kept for whoever comes later, passed on to whoever waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use landfall_model::{Event, Outcome, Stamped, Timestamp};
use tokio::sync::watch;

/// Lines of output that are kept of a transaction; older ones are dropped, other events never are.
const OUTPUT_KEPT: usize = 10_000;

/// Bytes of output that are kept of a transaction.
const BYTES_KEPT: usize = 4 * 1024 * 1024;

/// Events in order, with gaps where output was dropped.
#[derive(Debug)]
pub(crate) struct EventLog {
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Stamped>,
    output: usize,
    bytes: usize,
    ended: Option<Outcome>,
}

impl Kept {
    /// Drops output until no more is there than may be.
    fn drop_oldest_output(&mut self) {
        while self.output > OUTPUT_KEPT || self.bytes > BYTES_KEPT {
            let oldest = self.events.iter().position(|e| matches!(e.event, Event::Output { .. }));
            let Some(Event::Output { line, .. }) =
                oldest.and_then(|oldest| self.events.remove(oldest)).map(|stamped| stamped.event)
            else {
                return;
            };
            self.output -= 1;
            self.bytes -= line.len();
        }
    }
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event.
    pub(crate) fn push(&self, at: Timestamp, event: Event) {
        let mut kept = self.kept();
        if let Event::Output { line, .. } = &event {
            kept.output += 1;
            kept.bytes += line.len();
            kept.drop_oldest_output();
        }
        if let Event::Ended { outcome, .. } = &event {
            kept.ended = Some(*outcome);
        }
        if matches!(event, Event::Watched { .. }) {
            let before = kept.events.iter().rposition(|e| matches!(e.event, Event::Watched { .. }));
            before.and_then(|before| kept.events.remove(before));
        }
        let seq = *self.newest.borrow() + 1;
        kept.events.push_back(Stamped { seq, at, event });
        drop(kept);
        self.newest.send_replace(seq);
    }

    /// The events after number `after`, and whether that is all there will ever be.
    pub(crate) fn after(&self, after: u64) -> (Vec<Stamped>, bool) {
        let kept = self.kept();
        let start = kept.events.partition_point(|stamped| stamped.seq <= after);
        (kept.events.range(start..).cloned().collect(), kept.ended.is_some())
    }

    /// Tells when there is a newer event.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{Answers, Stream, Watch};

    #[test]
    fn output_is_dropped_and_steps_are_not() {
        let log = EventLog::new();
        let now = Timestamp::from_millis(0);
        log.push(now, Event::StepBegun { index: 0 });
        for _ in 0..OUTPUT_KEPT + 5 {
            log.push(now, Event::Output { index: 0, stream: Stream::Out, line: "x".to_owned() });
        }
        log.push(now, Event::Ended { outcome: Outcome::Done, receipts: Vec::new(), fault: None });
        let (events, ended) = log.after(0);
        assert!(ended);
        assert_eq!(events.len(), OUTPUT_KEPT + 2);
        assert_eq!(events[0].event, Event::StepBegun { index: 0 });
        assert_eq!(events[1].seq, 7);
        assert_eq!(log.after(events[events.len() - 2].seq).0.len(), 1);
    }

    #[test]
    fn of_what_is_watched_only_the_newest_look_is_kept() {
        let log = EventLog::new();
        let answers = |requests| Answers {
            version: "1.0.0-20261120131502".parse().unwrap(),
            requests,
            errors: 0,
            p99_us: None,
        };
        log.push(Timestamp::from_millis(0), Event::StepBegun { index: 3 });
        for requests in 1..100 {
            let (new, old) = (answers(requests), answers(0));
            let watch = Box::new(Watch { percent: 1, new, old, wanted: 100, left_ms: 0, patience_ms: 0 });
            log.push(Timestamp::from_millis(0), Event::Watched { index: 3, watch });
        }
        let (events, _) = log.after(0);
        assert_eq!((events.len(), events[1].seq), (2, 100));
    }

    #[test]
    fn long_lines_of_output_are_dropped_sooner() {
        let log = EventLog::new();
        let line = "x".repeat(16 * 1024);
        for _ in 0..OUTPUT_KEPT / 10 {
            let event = Event::Output { index: 0, stream: Stream::Out, line: line.clone() };
            log.push(Timestamp::from_millis(0), event);
        }
        let (events, _) = log.after(0);
        assert_eq!(events.len(), BYTES_KEPT / line.len());
        assert_eq!(events.last().unwrap().seq, 1_000);
    }
}
