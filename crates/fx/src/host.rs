//! What the engine does to a host, as small traits. Every call can be made twice without harm: a step that was
//! cut short is done again. The agent has the real forms, `testkit` the simulated ones with seeded faults.

use std::collections::BTreeMap;

use landfall_model::{
    AppName, EnvironmentName, Fault, Millis, ReceiptInstance, Release, ReleaseId, ReleaseState, Requests,
    ServedArtifact, ServiceName, Sticky, Stream,
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
    /// Starts those of the first `upto` instances that do not run; also takes back a `retire` or `shrink` of them.
    ///
    /// # Errors
    /// A program that is not there, no port, no memory.
    fn start(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault>;

    /// Waits until the first `upto` are healthy, at most the health check's `start_period`.
    ///
    /// # Errors
    /// The first that ended or did not become healthy, with its autopsy.
    fn await_healthy(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault>;

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

    /// Hands all over for draining and stopping in the background, which goes on after a restart of the agent; until
    /// `warm` is over they stay as they are.
    ///
    /// # Errors
    /// When that cannot be written down.
    fn retire(&self, release: &Release, warm: Millis) -> Result<Note, Fault>;

    /// Hands those beyond the first `left` over for draining and stopping in the background.
    ///
    /// # Errors
    /// When that cannot be written down.
    fn shrink(&self, release: &Release, left: u32) -> Result<Note, Fault>;
}

/// The proxy's routes. All calls about a service without a route do nothing.
pub trait Routes {
    /// Waits, at most `spec.drain`, until no stream (websocket, server-sent events) of the release's service is open, while
    /// its requests go on; then holds them and waits, at most `spec.drain` again, for those under way. Streams that are
    /// still open then are cut when the instances end. As long as nothing is held, a request to stop is heeded.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn hold(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Sends the service's requests to the running instances of `release`, atomically, and lets held ones through.
    ///
    /// # Errors
    /// A proxy that does not answer, an address in use, a route that another application holds.
    fn switch(&self, release: &Release) -> Result<Note, Fault>;

    /// Sends the service's requests to two releases, in proportion to their weights, until the next `switch`.
    ///
    /// # Errors
    /// A proxy that does not answer or cannot do that.
    fn split(&self, split: &Split<'_>) -> Result<Note, Fault>;

    /// Waits, at most `spec.drain`, for the requests that are under way to a release which gets no more of them.
    ///
    /// # Errors
    /// A proxy that does not answer; a person who stops `task`.
    fn drain(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault>;

    /// Takes the service's route away.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn unroute(&self, release: &Release) -> Result<(), Fault>;

    /// The release that gets all requests of this release's service; `None` without a route, or when two share them.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn serving(&self, release: &Release) -> Result<Option<ReleaseId>, Fault>;

    /// The share of requests each version gets, in percent.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn traffic(&self, release: &Release) -> Result<BTreeMap<String, u32>, Fault>;

    /// What the releases of this release's service answered, each since it gets requests. Where the proxy was started
    /// anew it counts from 0 again.
    ///
    /// # Errors
    /// A proxy that does not answer.
    fn samples(&self, release: &Release) -> Result<BTreeMap<ReleaseId, Sample>, Fault>;

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

/// Two releases that share the requests of their service.
#[derive(Debug, Clone, Copy)]
pub struct Split<'a> {
    /// The one that served alone.
    pub from: Part<'a>,
    /// The one that is to; its route counts.
    pub to: Part<'a>,
    /// What keeps a client with one of them.
    pub sticky: Option<&'a Sticky>,
}

/// One release's part of a split.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Whose.
    pub release: &'a Release,
    /// Its first so many instances get requests.
    pub instances: u32,
    /// Its share is this of the sum of both; with 0 it gets none.
    pub weight: u32,
}

/// What one release answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Requests.
    pub requests: u64,
    /// Those of them that went wrong: a status of 500 and more, no answer, one that broke off.
    pub errors: u64,
    /// How long answers took: the largest value of a bucket in microseconds, ascending, and how many fell into it.
    pub latency: Vec<(u64, u64)>,
}

/// A server of measurements beside the host.
pub trait Metrics {
    /// The value that a Prometheus server gives for a query at this moment: of the first sample of its answer; `None`
    /// when the answer holds none.
    ///
    /// # Errors
    /// No answer within a few seconds, or one that is none.
    fn query(&self, server: &str, query: &str) -> Result<Option<f64>, Fault>;
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
pub trait Host: Releases + Instances + Routes + Metrics + Ledger + Send + Sync {
    /// The host's name, for receipts.
    fn name(&self) -> String;
}
