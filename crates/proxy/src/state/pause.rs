//! How long requests of a route could not be sent on: the longest stretch since a meter was started.

use std::time::{Duration, Instant};

/// The stretches, as a pure function of what happened when.
#[derive(Debug)]
pub(crate) struct Pause {
    held: bool,
    down: bool,
    since: Option<Instant>,
    from: Instant,
    longest: Duration,
}

impl Pause {
    pub(crate) fn new(now: Instant) -> Self {
        Self { held: false, down: false, since: None, from: now, longest: Duration::ZERO }
    }

    /// Starts over; a stretch that is under way counts from now on.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.from = now;
        self.longest = Duration::ZERO;
    }

    /// There was one of this length before.
    pub(crate) fn inherit(&mut self, longest: Duration) {
        self.longest = self.longest.max(longest);
    }

    /// Requests are held, or no longer.
    pub(crate) fn set_held(&mut self, held: bool, now: Instant) {
        self.held = held;
        self.turn(now);
    }

    /// No backend is healthy, or one is again.
    pub(crate) fn set_down(&mut self, down: bool, now: Instant) {
        self.down = down;
        self.turn(now);
    }

    /// The longest stretch, one that is under way included.
    pub(crate) fn longest(&self, now: Instant) -> Duration {
        self.longest.max(self.current(now))
    }

    fn current(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since.max(self.from)))
    }

    fn turn(&mut self, now: Instant) {
        match (self.held || self.down, self.since) {
            (true, None) => self.since = Some(now),
            (false, Some(_)) => {
                self.longest = self.longest(now);
                self.since = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_stretch_counts_once_for_both_reasons() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pause = Pause::new(start);
        assert_eq!(pause.longest(at(5)), Duration::ZERO);
        pause.set_held(true, at(10));
        pause.set_down(true, at(20));
        pause.set_held(false, at(30));
        assert_eq!(pause.longest(at(35)), Duration::from_millis(25));
        pause.set_down(false, at(40));
        pause.set_held(true, at(50));
        pause.set_held(true, at(55));
        pause.set_held(false, at(60));
        assert_eq!(pause.longest(at(100)), Duration::from_millis(30));
        pause.set_held(true, at(110));
        pause.restart(at(120));
        assert_eq!(pause.longest(at(125)), Duration::from_millis(5));
    }
}
