//! The calls about one application and environment of a host.

use std::fmt::Write as _;

use hyper::Method;
use landfall_model::api::{
    Accepted, AccessLine, ExecRequest, HistoryLine, LogLine, RouteView, StatusView, Submission, Turn,
};
use landfall_model::{
    AppName, EnvironmentName, Observed, Receipt, ServiceName, Stamped, TransactionId, Version,
};

use super::payload::Payload;
use super::{Agent, CallError, ExecReader, ExecWriter, Lines};

/// One application and environment, seen through its host's agent.
#[derive(Clone)]
pub struct App<'a> {
    agent: &'a Agent,
    base: String,
    /// Compose projects that are observed too, with commas between them.
    projects: String,
}

/// Which lines of output are asked for.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// Of these services; all when empty.
    pub services: Vec<ServiceName>,
    /// At most so many of the newest lines that are there already.
    pub lines: u32,
    /// Whether those to come follow, until the reader goes away.
    pub follow: bool,
}

impl LogQuery {
    fn path(&self, base: &str, what: &str) -> String {
        let Self { services, lines, follow } = self;
        let mut path = format!("{base}/{what}?lines={lines}&follow={follow}");
        if !services.is_empty() {
            let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
            let _ = write!(path, "&services={}", names.join(","));
        }
        path
    }
}

impl<'a> App<'a> {
    pub(crate) fn new(agent: &'a Agent, app: &AppName, environment: &EnvironmentName) -> Self {
        Self { agent, base: format!("/v1/apps/{app}/{environment}"), projects: String::new() }
    }

    /// The same, which also observes these compose projects.
    #[must_use]
    pub fn with_projects(self, names: &[String]) -> Self {
        Self { projects: names.join(","), ..self }
    }

    /// Says what is there, with what the proxy counts.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn status(&self) -> Result<StatusView, CallError> {
        self.agent.get(&self.base).await
    }

    /// Says what a plan is made against; an application that never was deployed is an empty place.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn observed(&self) -> Result<Observed, CallError> {
        let query = if self.projects.is_empty() { "" } else { "?projects=" };
        self.agent.get(&format!("{}/observed{query}{}", self.base, self.projects)).await
    }

    /// Hands a plan over to be applied. The agent goes on with it whatever becomes of this client.
    ///
    /// # Errors
    /// Refused when the place has moved or another transaction is open; see [`CallError`].
    pub async fn submit(&self, submission: &Submission) -> Result<Accepted, CallError> {
        self.agent.post(&format!("{}/transactions", self.base), submission).await
    }

    /// Lists at most `limit` transactions, newest first.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn history(&self, limit: u32) -> Result<Vec<HistoryLine>, CallError> {
        self.agent.get(&format!("{}/transactions?limit={limit}", self.base)).await
    }

    /// Follows a transaction's events behind the one numbered `after` (0: from the first) until it ends.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn events(&self, transaction: TransactionId, after: u64) -> Result<Lines<Stamped>, CallError> {
        let path = format!("{}/events?after={after}", self.transaction(transaction));
        Lines::open(self.agent, path).await
    }

    /// Asks a transaction to stop before its next step.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cancel(&self, transaction: TransactionId) -> Result<(), CallError> {
        let path = format!("{}/cancel", self.transaction(transaction));
        self.agent.send(Method::POST, &path, Payload::empty()).await.map(drop)
    }

    /// Goes on with a transaction that was left open.
    ///
    /// # Errors
    /// Refused when it is not open; see [`CallError`].
    pub async fn resume(&self, transaction: TransactionId) -> Result<Accepted, CallError> {
        self.agent.post_nothing(&format!("{}/resume", self.transaction(transaction))).await
    }

    /// Takes a transaction back that was left open.
    ///
    /// # Errors
    /// Refused when it is not open; see [`CallError`].
    pub async fn undo(&self, transaction: TransactionId) -> Result<Accepted, CallError> {
        self.agent.post_nothing(&format!("{}/undo", self.transaction(transaction))).await
    }

    /// Ends a canary's judging: all requests go to the new release next.
    ///
    /// # Errors
    /// Refused when no canary of it is under way; see [`CallError`].
    pub async fn promote(&self, transaction: TransactionId) -> Result<(), CallError> {
        let path = format!("{}/promote", self.transaction(transaction));
        self.agent.send(Method::POST, &path, Payload::empty()).await.map(drop)
    }

    /// Ends a canary: it is taken back.
    ///
    /// # Errors
    /// As [`App::promote`].
    pub async fn abort(&self, transaction: TransactionId) -> Result<(), CallError> {
        let path = format!("{}/abort", self.transaction(transaction));
        self.agent.send(Method::POST, &path, Payload::empty()).await.map(drop)
    }

    /// Turns requests for a service away with its maintenance page, or takes them again.
    ///
    /// # Errors
    /// Refused for a service without a route or a release; see [`CallError`].
    pub async fn set_maintenance(&self, service: &ServiceName, on: bool) -> Result<RouteView, CallError> {
        self.agent.post(&format!("{}/services/{service}/maintenance", self.base), &Turn { on }).await
    }

    /// Holds the requests for a service, or lets them through.
    ///
    /// # Errors
    /// As [`App::set_maintenance`].
    pub async fn set_paused(&self, service: &ServiceName, on: bool) -> Result<RouteView, CallError> {
        self.agent.post(&format!("{}/services/{service}/pause", self.base), &Turn { on }).await
    }

    /// Gives the receipts of the newest transaction, or of `version`; of one service, or all.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn receipts(
        &self,
        version: Option<&Version>,
        service: Option<&ServiceName>,
    ) -> Result<Vec<Receipt>, CallError> {
        let mut path = format!("{}/receipts?", self.base);
        if let Some(version) = version {
            let _ = write!(path, "version={version}&");
        }
        if let Some(service) = service {
            let _ = write!(path, "service={service}");
        }
        self.agent.get(path.trim_end_matches(['?', '&'])).await
    }

    /// Gives what instances printed, merged by time.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn logs(&self, query: &LogQuery) -> Result<Lines<LogLine>, CallError> {
        Lines::open(self.agent, query.path(&self.base, "logs")).await
    }

    /// Gives the requests that were answered for it, from the proxy's access log.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn access(&self, query: &LogQuery) -> Result<Lines<AccessLine>, CallError> {
        Lines::open(self.agent, query.path(&self.base, "access")).await
    }

    /// Runs a command in the environment of a service's active release.
    ///
    /// # Errors
    /// See [`CallError`]; that the command cannot be run comes as the first frame read.
    pub async fn exec(
        &self,
        service: &ServiceName,
        command: &ExecRequest,
    ) -> Result<(ExecReader, ExecWriter), CallError> {
        let path = format!("{}/services/{service}/exec", self.base);
        super::exec::open(self.agent, &path, command).await
    }

    fn transaction(&self, transaction: TransactionId) -> String {
        format!("{}/transactions/{}", self.base, transaction.0)
    }
}
