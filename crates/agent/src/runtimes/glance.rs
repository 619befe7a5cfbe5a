//! One look at all containers of this agent: however many instances are asked about, the engine is asked once.

use std::cell::OnceCell;

use landfall_docker::{Listed, State};
use landfall_model::Fault;

use crate::host::LocalHost;

/// What every container of the agent is labelled with.
const STATE: &str = "io.landfall.state";

/// A look that is good for the moment: made, used and dropped. The engine is asked with the first question.
pub(crate) struct Glance<'a> {
    pub(crate) host: &'a LocalHost,
    listed: OnceCell<Result<Vec<Listed>, Fault>>,
}

impl<'a> Glance<'a> {
    pub(crate) fn new(host: &'a LocalHost) -> Self {
        Self { host, listed: OnceCell::new() }
    }

    /// The containers of this agent that run, or are about to again; none when the engine does not answer. Blocks.
    pub(super) fn up(&self) -> impl Iterator<Item = &Listed> {
        let all = self.listed.get_or_init(|| self.ask()).as_deref().unwrap_or_default();
        all.iter().filter(|one| matches!(one.state, State::Running | State::Paused | State::Restarting))
    }

    /// Why the engine could not be asked: what it runs is not known then.
    pub(crate) fn failed(&self) -> Option<&Fault> {
        self.listed.get()?.as_ref().err()
    }

    fn ask(&self) -> Result<Vec<Listed>, Fault> {
        let engine = self.host.docker()?;
        self.host.wait_for(engine.list(&[format!("{STATE}={}", self.host.mark())]))
    }
}
