//! Watches that a client which holds things up moves on: who reads or sends a little now and then holds a place, of the
//! proxy's and of an instance's, as well as one that does nothing.

use std::task::Poll;
use std::time::Duration;

use super::connection::Progress;
use super::exchange::Cut;
use super::flight::Call;
use crate::limits::STALL_BYTES;

/// A client that is waited for takes [`STALL_BYTES`] in time, then as many again, or all that is left.
pub(crate) struct Stall {
    limit: Duration,
    /// How often it had done so when the limit was set; nothing while it is not waited for.
    steps: Option<u64>,
}

impl Stall {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, steps: None }
    }

    /// The client is waited for, or not, after so many bytes moved.
    pub(crate) fn watch(&mut self, call: &Call<'_>, waits: bool, moved: u64) -> Poll<Result<(), Cut>> {
        self.look(call.progress, call.worker.tick(), waits.then_some(moved))
    }

    /// The same, at this tick.
    fn look(&mut self, progress: &Progress, tick: u32, moved: Option<u64>) -> Poll<Result<(), Cut>> {
        let steps = moved.map(|moved| moved / STALL_BYTES);
        if steps != self.steps {
            progress.limit(tick, steps.map(|_| self.limit));
            self.steps = steps;
        } else if steps.is_some() && progress.expired() {
            return Poll::Ready(Err(Cut));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tick at which a client is given up that is waited for at each of them after so many bytes moved.
    fn given_up(moved: impl Fn(u32) -> Option<u64>) -> Option<u32> {
        let (progress, mut stall) = (Progress::new(), Stall::new(Duration::from_secs(10)));
        (0..1000).find(|tick| {
            progress.tick(*tick);
            stall.look(&progress, *tick, moved(*tick)).is_ready()
        })
    }

    #[test]
    fn a_client_that_takes_a_little_now_and_then_is_given_up_too() {
        assert_eq!(given_up(|_| Some(5)), Some(11));
        assert_eq!(given_up(|tick| Some(tick.into())), Some(11));
        assert_eq!(given_up(|tick| Some(u64::from(tick) * STALL_BYTES / 20)), Some(11));
        assert_eq!(given_up(|tick| Some(u64::from(tick) * STALL_BYTES / 9)), None);
    }

    #[test]
    fn a_client_that_is_not_waited_for_is_not_given_up() {
        assert_eq!(given_up(|_| None), None);
        // An event now and then, taken at once.
        assert_eq!(given_up(|tick| (tick % 8 == 0).then_some(1)), None);
    }
}
