//! One stream of typed events feeds the terminal, `--json`, the agent's memory of a transaction and the receipt.

use serde::{Deserialize, Serialize};

use crate::{
    AppName, EnvironmentName, Fault, PlanKind, Receipt, ServiceName, Timestamp, TransactionId, Watch,
};

/// An event with its moment and its number within the transaction, upwards from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Stamped {
    /// Upwards from 1; a gap is output that was too much to keep.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// A step as it is shown before it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepLine {
    /// Which service.
    pub service: ServiceName,
    /// The step's word: `prepare`, `health` …
    pub verb: String,
    /// What it will do, as people read it.
    pub title: String,
}

/// Which of a command's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The new releases serve, and that was read back.
    Done,
    /// Nothing was to be done.
    Unchanged,
    /// It failed; what served before serves again, and that was read back. Exit code 4.
    RolledBack,
    /// It was stopped on request before it was done; the journal is intact. Exit code 130.
    Interrupted,
    /// It failed and could not be taken back; a person is needed. Exit code 5.
    NeedsPerson,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A transaction began, or goes on after an interruption (`resumed`).
    Begun {
        /// Its number.
        transaction: TransactionId,
        /// The application.
        app: AppName,
        /// The environment.
        environment: EnvironmentName,
        /// Why.
        kind: PlanKind,
        /// All steps; `index` below counts in them from 0.
        steps: Vec<StepLine>,
        /// Whether it goes on after an interruption.
        resumed: bool,
    },
    /// A step began.
    StepBegun {
        /// Which.
        index: usize,
    },
    /// A command of a step (dependencies, build, test) printed a line; secrets are blacked out.
    Output {
        /// Which step.
        index: usize,
        /// Which stream.
        stream: Stream,
        /// Without its line end; at most 16 KiB.
        line: String,
    },
    /// A step that watches a canary looked at it again; only the newest is remembered.
    Watched {
        /// Which step.
        index: usize,
        /// What it saw.
        watch: Box<Watch>,
    },
    /// A step is done.
    StepDone {
        /// Which.
        index: usize,
        /// How long it took.
        ms: u64,
        /// What is worth knowing: "reused", "answered 200 on 127.0.0.1:41873".
        note: Option<String>,
    },
    /// A step failed.
    StepFailed {
        /// Which.
        index: usize,
        /// How long it took.
        ms: u64,
        /// Why.
        fault: Fault,
    },
    /// What was done is taken back from here on.
    UndoBegun,
    /// A step was taken back.
    StepUndone {
        /// Which.
        index: usize,
        /// How long it took.
        ms: u64,
    },
    /// Something a person should know: a torn journal tail that was cut, an interrupted deploy that was finished.
    Note {
        /// One sentence.
        text: String,
    },
    /// The transaction ended; nothing follows.
    Ended {
        /// How.
        outcome: Outcome,
        /// A receipt for each service that the plan changed.
        receipts: Vec<Receipt>,
        /// Why, unless it is done.
        fault: Option<Fault>,
    },
}
