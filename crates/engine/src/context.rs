//! What the engine is given: the host and its own place in it, and what is asked of it.

use landfall_fx::host::Host;
use landfall_fx::{Clock, Files};
use landfall_model::{Event, Fault, Outcome, Plan, Receipt, TransactionId};
use serde::{Deserialize, Serialize};

/// Takes the events of a transaction, in order. The engine emits all but [`Event::Ended`]: that one is for the caller,
/// once it has stored what [`Ended`] says and given the lease back.
pub trait Events: Send + Sync {
    /// Takes one.
    fn emit(&self, event: Event);
}

/// What a person may say while a transaction runs, beside that it is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// No more steps of a canary: all requests to the new release.
    Promote,
    /// Everything is taken back now.
    Abort,
}

/// How the outside steers a transaction.
pub trait Control: Send + Sync {
    /// Whether a person asked to stop.
    fn cancelled(&self) -> bool;

    /// What a person said; stays once it was said.
    fn word(&self) -> Option<Word>;

    /// Renews the lease and makes sure that it is still held. Called before each effect and after it.
    ///
    /// # Errors
    /// When another holds it: nothing more is done then, not even written down.
    fn fence(&self) -> Result<(), Fault>;
}

/// Everything that the engine reaches the world through.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where the journal is written.
    pub files: &'a dyn Files,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Where effects happen.
    pub host: &'a dyn Host,
    /// Who listens.
    pub events: &'a dyn Events,
    /// Who steers.
    pub control: &'a dyn Control,
}

/// What a transaction is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub transaction: TransactionId,
    /// What is done; the caller has checked its hash and generation.
    pub plan: Plan,
    /// Who asked, as people read it: `anna@laptop`.
    pub holder: String,
    /// Bytes that were sent ahead, for the receipt.
    pub bytes_shipped: u64,
}

/// How a transaction ended, or why it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How. With `Interrupted` and `NeedsPerson` the journal stays open: `resume` and `undo` go on from it.
    pub outcome: Outcome,
    /// A receipt for each service that moved (of a `down`: that was taken away).
    pub receipts: Vec<Receipt>,
    /// Why it is not `Done`; `None` too when it was taken back because that was asked for.
    pub fault: Option<Fault>,
}

impl Ended {
    pub(crate) fn without_receipts(outcome: Outcome, fault: Fault) -> Self {
        Self { outcome, receipts: Vec::new(), fault: Some(fault) }
    }

    /// The last event of the transaction.
    #[must_use]
    pub fn event(&self) -> Event {
        Event::Ended { outcome: self.outcome, receipts: self.receipts.clone(), fault: self.fault.clone() }
    }

    /// Whether the transaction stays open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Interrupted | Outcome::NeedsPerson)
    }
}
