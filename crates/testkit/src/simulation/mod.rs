//! A simulated host: files, clock, releases, instances, routes and ledger in memory, with faults at counted effects.
//!
//! Every effect, a journal write among them, has a number. A [`Fault`] makes one of them fail, fill the disk, or be the
//! last thing that happens before the engine is killed. After each effect the world looks whether requests are still
//! answered or held, and whether two releases run that must not. The same inputs give the same run.

mod check;
mod files;
mod host;
mod make;
mod observe;
mod state;

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use landfall_engine::{Context, Control, Events, Word};
use landfall_fx::Clock;
use landfall_model::{Event, Fault as ModelFault, Plan, Timestamp};

pub use check::Snapshot;
pub use make::{Blueprint, artifact, desired, desired_service, moment, version};
pub use state::{Behaviour, Instance, Known, Prepared, RouteState, ShareState};

use state::State;

/// What goes wrong, at the effect with this number (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not done and reports an error; all later ones work.
    Fail(u64),
    /// It and all later writes to files find a full disk, until a file is removed.
    Full(u64),
    /// The engine is killed before it.
    KillBefore(u64),
    /// The engine is killed after it, before it hears that it is done; a write to a file is torn.
    KillAfter(u64),
    /// A person asks to stop from here on.
    Cancel(u64),
    /// A person wants no more steps of a canary.
    Promote(u64),
    /// A person wants everything taken back.
    Abort(u64),
}

/// The message of everything that happens to an engine that was killed.
const KILLED: &str = "the engine was killed";

/// The simulated host.
#[derive(Debug, Default)]
pub struct World {
    state: Mutex<State>,
}

impl World {
    /// An empty host at some moment in 2026.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another world that is as this one is now.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: Mutex::new(self.lock().clone()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test goes on after a panic")
    }

    /// The engine's context, all of it this world.
    #[must_use]
    pub fn context(&self) -> Context<'_> {
        Context { files: self, clock: self, host: self, events: self, control: self }
    }

    /// Sets what will go wrong; effects are counted from 1 again, and a killed engine may be started again.
    pub fn inject(&self, faults: &[Fault]) {
        let mut state = self.lock();
        state.faults = faults.to_vec();
        state.effects = 0;
        state.killed = false;
        state.cancelled = false;
        state.word = None;
        state.full = None;
    }

    /// How many effects there were since `inject`.
    #[must_use]
    pub fn effects(&self) -> u64 {
        self.lock().effects
    }

    /// Whether the engine was killed.
    #[must_use]
    pub fn killed(&self) -> bool {
        self.lock().killed
    }

    /// Says how a release with the artifact `artifact(number)` behaves; all others are well.
    pub fn behave(&self, number: u8, behaviour: Behaviour) {
        self.lock().behaviours.insert(artifact(number), behaviour);
    }

    /// Whether a retired release is stopped at once instead of at `settle`.
    pub fn drain_at_once(&self, at_once: bool) {
        self.lock().drain_at_once = at_once;
    }

    /// Starts watching what must hold while `plan` is carried out: services that answer now go on answering.
    pub fn watch(&self, plan: &Plan) {
        self.lock().watch(plan);
    }

    /// What was seen to be wrong since `watch`, and is forgotten with this.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().violations)
    }

    /// The events that were emitted since the last call.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.lock().events)
    }

    /// Everything that is drained is stopped, as the agent does it in time.
    pub fn settle(&self) {
        self.lock().settle();
    }

    /// The machine restarts: all instances are gone, and the agent starts those of the active releases.
    pub fn reboot(&self) {
        self.lock().reboot();
    }

    /// One instance of the active release of each service falls ill.
    pub fn sicken(&self) {
        self.lock().sicken();
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        self.lock().elapsed += duration;
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let state = self.lock();
        moment(0).plus(state.elapsed)
    }

    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    fn sleep(&self, duration: Duration) {
        self.lock().elapsed += duration;
    }
}

impl Events for World {
    fn emit(&self, event: Event) {
        self.lock().events.push(event);
    }
}

impl Control for World {
    fn cancelled(&self) -> bool {
        self.lock().cancelled
    }

    fn word(&self) -> Option<Word> {
        self.lock().word
    }

    fn fence(&self) -> Result<(), ModelFault> {
        if self.lock().killed { Err(ModelFault::internal(KILLED)) } else { Ok(()) }
    }
}
