//! What the engine does to a host, as four small traits. Every call can be made twice without harm: a step that was
//! cut short is done again. The agent has the real forms, `testkit` the simulated ones with seeded faults.

use std::collections::BTreeMap;

use landfall_model::{
    AppName, EnvironmentName, Fault, ReceiptInstance, Release, ReleaseId, ReleaseState, Requests,
    ServedArtifact, ServiceName, Stream,
};

/// What a person may want to know about a step that is done: "reused", "port 41873 after 410 ms".
pub type Note = Option<String>;

/// The step that is under way, as the code that performs it sees it.
pub trait Task: Send + Sync {
    /// A command printed a line.
    fn line(&self, stream: Stream, line: &str);
    /// Whether a person asked to stop. Long work looks at least every 100 ms and ends with a fault of the kind
    /// `Interrupted`.
    fn cancelled(&self) -> bool;
}

/// Files of releases.
pub trait Releases {
    /// Lays out the release's folder from the store, prepares dependencies, runs `build`.
    ///
    /// # Errors
    /// A blob that is missing or damaged, a failed build, a full disk.
    fn prepare(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Whether `prepare` has been finished for it.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn is_prepared(&self, release: &Release) -> Result<bool, Fault>;

    /// Runs the test gate in a throwaway copy, which is removed whatever happens.
    ///
    /// # Errors
    /// The first command that fails.
    fn test(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Removes the release's files and secrets, not its service's volumes.
    ///
    /// # Errors
    /// What the system refuses to remove.
    fn discard(&self, release: &Release) -> Result<(), Fault>;

    /// Removes the releases of a service beyond the newest `keep` that once served, never one that is active, retiring
    /// or has instances; and dependencies and blobs that no release needs any more.
    ///
    /// # Errors
    /// What the system refuses to remove.
    fn prune(&self, release: &Release, keep: u32) -> Result<Note, Fault>;

    /// Removes a service that was taken down with all its releases and, if asked for, its volumes.
    ///
    /// # Errors
    /// What the system refuses to remove.
    fn remove(&self, release: &Release, volumes: bool) -> Result<Note, Fault>;
}

/// Instances of releases.
pub trait Instances {
    /// Starts the instances that do not run; also takes back a `retire`.
    ///
    /// # Errors
    /// A program that is not there, no port, no memory.
    fn start(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Waits until all are healthy, at most the health check's `start_period`.
    ///
    /// # Errors
    /// The first that ended or did not become healthy, with its autopsy.
    fn await_healthy(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Stops all, each with its signal and grace, and waits for it.
    ///
    /// # Errors
    /// A process that even SIGKILL does not end.
    fn stop(&self, release: &Release) -> Result<Note, Fault>;

    /// Whether any runs.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn is_running(&self, release: &Release) -> Result<bool, Fault>;

    /// Reads back what runs: process, digest of the files it runs from, health. One for each instance there should be.
    ///
    /// # Errors
    /// An instance that does not run, runs from elsewhere, or whose port another process holds.
    fn read_back(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault>;

    /// Hands them over for draining and stopping in the background, which goes on after a restart of the agent.
    ///
    /// # Errors
    /// When that cannot be written down.
    fn retire(&self, release: &Release) -> Result<Note, Fault>;
}

/// The proxy's routes. All calls about a service without a route do nothing.
pub trait Routes {
    /// Holds the requests of the release's service and waits, at most `spec.drain`, for those under way.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn hold(&self, release: &Release) -> Result<Note, Fault>;

    /// Sends the service's requests to the running instances of `release`, atomically, and lets held ones through.
    ///
    /// # Errors
    /// A proxy that does not answer, an address in use, a route that another application holds.
    fn switch(&self, release: &Release) -> Result<Note, Fault>;

    /// Takes the service's route away.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn unroute(&self, release: &Release) -> Result<(), Fault>;

    /// The release that gets the requests of this release's service; `None` without a route.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn serving(&self, release: &Release) -> Result<Option<ReleaseId>, Fault>;

    /// The share of requests each version gets, in percent.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn traffic(&self, release: &Release) -> Result<BTreeMap<String, u32>, Fault>;

    /// Sends one request through the front door and says what answered; `None` without a route.
    ///
    /// # Errors
    /// No answer, or one of another version.
    fn prove(&self, release: &Release) -> Result<Option<ServedArtifact>, Fault>;

    /// Starts counting for a receipt: what `metered` gives is since the last call for this service.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn start_meter(&self, release: &Release) -> Result<(), Fault>;

    /// Requests since `start_meter`, and the longest stretch in milliseconds in which none could be sent on.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn metered(&self, release: &Release) -> Result<(Requests, u64), Fault>;
}

/// What the host remembers of releases.
pub trait Ledger {
    /// Writes down that there is a release, in the state `Failed` until it serves; fine when it is known.
    ///
    /// # Errors
    /// A state that cannot be written.
    fn record(&self, release: &Release) -> Result<(), Fault>;

    /// Says where a release stands. With `Active`, the one that was active becomes `Kept` and `previous`.
    ///
    /// # Errors
    /// A state that cannot be written.
    fn set_state(&self, release: &Release, state: ReleaseState) -> Result<(), Fault>;

    /// The active release of a service.
    ///
    /// # Errors
    /// A state that cannot be read.
    fn active(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        service: &ServiceName,
    ) -> Result<Option<ReleaseId>, Fault>;
}

/// A host as a whole.
pub trait Host: Releases + Instances + Routes + Ledger + Send + Sync {
    /// The host's name, for receipts.
    fn name(&self) -> String;
}
