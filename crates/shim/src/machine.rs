//! What happens to an instance next: pure, all times given from outside.
//!
//! ```text
//!            Started              Exited               (back-off over, all gone)
//! Waiting ───────────▶ Up ──────────────────▶ Waiting ─────────▶ Start …
//!    │ Stop            │ Stop
//!    └──▶ Stopping ◀───┘ ── all gone ──▶ Ended
//! ```

use std::time::Duration;

use landfall_model::{Backoff, Exit, InstanceState, Stop};

/// The shortest wait before a restart, whatever the order says: a program that ends at once must not take a whole
/// processor.
const MIN_DELAY: Duration = Duration::from_millis(20);
/// Between two rounds of SIGKILL to what does not go away.
const KILL_AGAIN: Duration = Duration::from_secs(1);
/// How long what SIGKILL does not end (a process in the middle of a broken disk's answer) may hold up a restart.
const STUCK: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// Time went on.
    Tick,
    /// The main process runs.
    Started,
    /// The main process ended, or could not be started.
    Exited(Exit),
    /// None of its processes is left.
    Gone,
    /// It is to be stopped for good.
    Stop,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Start the main process, then say `Started` or `Exited`.
    Start,
    /// Send the order's stop signal to who is meant to get it.
    AskToStop,
    /// Send the order's stop signal to what the main process left, unless that got it already.
    AskRestToStop,
    /// Send SIGKILL to every process.
    KillAll,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// It is started at `at`, once the processes of the last time are gone.
    Waiting {
        at: Duration,
        gone: bool,
    },
    Up {
        since: Duration,
    },
    Stopping {
        kill_at: Duration,
        main: bool,
    },
    Ended,
}

/// The life of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    phase: Phase,
    grace: Duration,
    first: Duration,
    max: Duration,
    /// The wait after the next end.
    delay: Duration,
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<Exit>,
}

impl Machine {
    /// An instance that is started at the first tick.
    pub(crate) fn new(stop: &Stop, backoff: &Backoff) -> Self {
        let first = backoff.first.duration().max(MIN_DELAY);
        Self {
            phase: Phase::Waiting { at: Duration::ZERO, gone: true },
            grace: stop.grace.duration(),
            first,
            max: backoff.max.duration().max(first),
            delay: first,
            restarts: 0,
            last_exit: None,
        }
    }

    /// The same, of an instance that was started before: it runs if `runs`.
    #[must_use]
    pub(crate) fn adopting(
        mut self,
        runs: bool,
        restarts: u32,
        last_exit: Option<Exit>,
        now: Duration,
    ) -> Self {
        (self.restarts, self.last_exit) = (restarts, last_exit);
        self.phase = if runs { Phase::Up { since: now } } else { Phase::Waiting { at: now, gone: false } };
        self
    }

    /// Takes what happened at `now` and gives what is to be done, in this order.
    pub(crate) fn handle(&mut self, input: Input, now: Duration) -> Vec<Effect> {
        match (input, &mut self.phase) {
            (Input::Tick, Phase::Waiting { at, gone: true }) if now >= *at => vec![Effect::Start],
            (Input::Tick, Phase::Waiting { at, gone: false }) if now >= *at + STUCK => {
                vec![Effect::KillAll, Effect::Start]
            }
            (Input::Tick, Phase::Stopping { kill_at, .. }) if now >= *kill_at => {
                *kill_at = now + KILL_AGAIN;
                vec![Effect::KillAll]
            }
            (Input::Started, Phase::Waiting { .. }) => {
                self.phase = Phase::Up { since: now };
                vec![]
            }
            (Input::Exited(exit), Phase::Up { since }) => {
                if now.saturating_sub(*since) >= self.max {
                    self.delay = self.first;
                }
                self.wait(exit, now)
            }
            (Input::Exited(exit), Phase::Waiting { .. }) => self.wait(exit, now),
            (Input::Exited(exit), Phase::Stopping { main, .. }) => {
                *main = false;
                self.last_exit = Some(exit);
                vec![Effect::AskRestToStop]
            }
            (Input::Gone, Phase::Waiting { gone, .. }) => {
                *gone = true;
                vec![]
            }
            (Input::Gone, Phase::Stopping { main: false, .. }) => {
                self.phase = Phase::Ended;
                vec![]
            }
            (Input::Stop, Phase::Up { .. }) => {
                self.phase = Phase::Stopping { kill_at: now + self.grace, main: true };
                vec![Effect::AskToStop]
            }
            (Input::Stop, Phase::Waiting { .. }) => {
                self.phase = Phase::Stopping { kill_at: now + KILL_AGAIN, main: false };
                vec![Effect::KillAll]
            }
            _ => vec![],
        }
    }

    fn wait(&mut self, exit: Exit, now: Duration) -> Vec<Effect> {
        self.last_exit = Some(exit);
        self.restarts = self.restarts.saturating_add(1);
        self.phase = Phase::Waiting { at: now + self.delay, gone: false };
        self.delay = (self.delay * 2).min(self.max);
        vec![Effect::KillAll]
    }

    /// When a tick is due; `None` when only something else can bring a change.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting { at, gone: true } => Some(at),
            Phase::Waiting { at, gone: false } => Some(at + STUCK),
            Phase::Stopping { kill_at, .. } => Some(kill_at),
            Phase::Up { .. } | Phase::Ended => None,
        }
    }

    /// Whether it matters now that all processes are gone.
    pub(crate) fn waits_for_gone(&self) -> bool {
        matches!(self.phase, Phase::Waiting { gone: false, .. } | Phase::Stopping { main: false, .. })
    }

    /// What the instance is doing.
    pub(crate) fn state(&self) -> InstanceState {
        match self.phase {
            Phase::Waiting { .. } => InstanceState::BackingOff,
            Phase::Up { .. } => InstanceState::Booting,
            Phase::Stopping { .. } => InstanceState::Stopping,
            Phase::Ended => InstanceState::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{Millis, Timestamp};

    fn machine() -> Machine {
        Machine::new(
            &Stop { signal: "TERM".to_owned(), grace: Millis(500) },
            &Backoff { first: Millis(100), max: Millis(350) },
        )
    }

    fn exited() -> Input {
        Input::Exited(Exit { code: Some(1), signal: None, oom: false, at: Timestamp::from_millis(0) })
    }

    /// Feeds inputs, each with its moment in milliseconds, and shows effects and state after each.
    fn check(machine: &mut Machine, steps: &[(u64, Input, &[Effect], InstanceState)]) {
        for (ms, input, effects, state) in steps {
            let found = machine.handle(input.clone(), Duration::from_millis(*ms));
            assert_eq!((found.as_slice(), machine.state()), (*effects, *state), "{input:?} at {ms}");
        }
    }

    use Effect::{AskRestToStop, AskToStop, KillAll, Start};
    use InstanceState::{BackingOff, Booting, Stopped, Stopping};

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_long_life() {
        let mut machine = machine();
        check(&mut machine, &[(0, Input::Tick, &[Start], BackingOff), (0, Input::Started, &[], Booting)]);
        let mut now = 0;
        for wait in [100, 200, 350, 350] {
            check(
                &mut machine,
                &[
                    (now + 10, exited(), &[KillAll], BackingOff),
                    (now + 10 + wait, Input::Tick, &[], BackingOff), // what it left is not gone yet
                    (now + 10 + wait - 1, Input::Gone, &[], BackingOff),
                    (now + 10 + wait - 1, Input::Tick, &[], BackingOff),
                    (now + 10 + wait, Input::Tick, &[Start], BackingOff),
                    (now + 10 + wait, Input::Started, &[], Booting),
                ],
            );
            now += 10 + wait;
        }
        check(&mut machine, &[(now + 350, exited(), &[KillAll], BackingOff)]);
        check(&mut machine, &[(now + 351, Input::Gone, &[], BackingOff)]);
        assert_eq!(machine.deadline(), Some(Duration::from_millis(now + 450)));
        assert_eq!(machine.restarts, 5);
    }

    #[test]
    fn a_start_that_fails_counts_as_an_end() {
        let mut machine = machine();
        check(&mut machine, &[(0, Input::Tick, &[Start], BackingOff), (1, exited(), &[KillAll], BackingOff)]);
        check(&mut machine, &[(2, Input::Gone, &[], BackingOff), (101, Input::Tick, &[Start], BackingOff)]);
    }

    #[test]
    fn a_stop_asks_and_ends_when_all_are_gone() {
        let mut machine = machine();
        check(
            &mut machine,
            &[
                (0, Input::Tick, &[Start], BackingOff),
                (0, Input::Started, &[], Booting),
                (10, Input::Stop, &[AskToStop], Stopping),
                (20, Input::Stop, &[], Stopping),
                (30, Input::Gone, &[], Stopping), // the main process has not been seen to end
                (40, exited(), &[AskRestToStop], Stopping),
                (50, Input::Tick, &[], Stopping),
                (60, Input::Gone, &[], Stopped),
                (70, Input::Stop, &[], Stopped),
                (999, Input::Tick, &[], Stopped),
            ],
        );
        assert_eq!((machine.restarts, machine.deadline()), (0, None));
    }

    #[test]
    fn after_the_grace_all_are_killed_again_and_again() {
        let mut machine = machine();
        check(
            &mut machine,
            &[
                (0, Input::Tick, &[Start], BackingOff),
                (0, Input::Started, &[], Booting),
                (10, Input::Stop, &[AskToStop], Stopping),
                (509, Input::Tick, &[], Stopping),
                (510, Input::Tick, &[KillAll], Stopping),
                (511, Input::Tick, &[], Stopping),
                (1510, Input::Tick, &[KillAll], Stopping),
                (1511, exited(), &[AskRestToStop], Stopping),
                (1512, Input::Gone, &[], Stopped),
            ],
        );
    }

    #[test]
    fn a_stop_while_backing_off_starts_nothing() {
        let mut machine = machine();
        check(&mut machine, &[(0, Input::Tick, &[Start], BackingOff), (1, exited(), &[KillAll], BackingOff)]);
        check(&mut machine, &[(2, Input::Stop, &[KillAll], Stopping), (3, Input::Gone, &[], Stopped)]);
        check(&mut machine, &[(500, Input::Tick, &[], Stopped)]);
    }

    #[test]
    fn what_does_not_die_holds_up_a_restart_for_so_long_only() {
        let mut machine = machine();
        check(
            &mut machine,
            &[
                (0, Input::Tick, &[Start], BackingOff),
                (0, exited(), &[KillAll], BackingOff),
                (5099, Input::Tick, &[], BackingOff),
                (5100, Input::Tick, &[KillAll, Start], BackingOff),
                (5100, Input::Started, &[], Booting),
            ],
        );
    }

    #[test]
    fn an_adopted_instance_is_up_or_waits_for_the_rest_to_go() {
        let mut up = machine().adopting(true, 7, None, Duration::ZERO);
        check(&mut up, &[(5, Input::Tick, &[], Booting), (9, exited(), &[KillAll], BackingOff)]);
        assert_eq!(up.restarts, 8);
        let mut gone = machine().adopting(false, 7, None, Duration::ZERO);
        assert!(gone.waits_for_gone());
        check(&mut gone, &[(5, Input::Gone, &[], BackingOff), (5, Input::Tick, &[Start], BackingOff)]);
    }
}
