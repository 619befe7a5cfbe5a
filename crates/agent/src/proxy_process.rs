//! The proxy as the agent sees it: a process of its own, started when the first route needs it, never ended with the
//! agent, started again the moment it is gone, replaced without a lost request when it is of another build.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use landfall_fx::StateDir;
use landfall_model::{Blame, Fault, FaultKind, Retry};
use landfall_proxy::{Client, Status};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::detach::detached;

/// How long a proxy that was just started may take to answer.
const START: Duration = Duration::from_secs(10);

/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(3);

/// Of the proxy's log, the last lines shown when it does not start.
const SHOWN_LINES: usize = 5;

/// Starts and reaches the proxy.
#[derive(Debug)]
pub(crate) struct ProxyProcess {
    dir: StateDir,
    program: PathBuf,
    client: Client,
    starting: Arc<Mutex<()>>,
}

impl ProxyProcess {
    pub(crate) fn new(dir: &StateDir, program: PathBuf) -> Self {
        Self { client: Client::new(dir.proxy_socket()), dir: dir.clone(), program, starting: Arc::default() }
    }

    /// The control client; its calls fail while the proxy does not run.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it answers.
    pub(crate) async fn is_running(&self) -> bool {
        self.status().await.is_some()
    }

    /// What it says of itself; `None` while it does not answer.
    pub(crate) async fn status(&self) -> Option<Status> {
        self.client.status().await.ok()
    }

    /// Whether it was ever told to serve anything, and so should run.
    pub(crate) fn is_wanted(&self) -> bool {
        self.dir.proxy_config().exists()
    }

    /// Starts it unless it runs, and waits until it answers.
    pub(crate) async fn ensure(&self) -> Result<(), Fault> {
        let _one_at_a_time = self.starting.lock().await;
        if self.is_running().await {
            return Ok(());
        }
        self.start(&["proxy", "run"], "the proxy does not start").await
    }

    /// Puts one of this program in the place of the one that runs, without closing a socket. The one of before lives on
    /// until what it has in hands is done.
    ///
    /// # Errors
    /// That it does not hand over: it then serves as before.
    pub(crate) async fn take_over(&self) -> Result<(), Fault> {
        let _one_at_a_time = self.starting.lock().await;
        self.start(&["proxy", "run", "--takeover"], "the proxy is not replaced by this build's").await
    }

    /// Starts a process and waits until it is the one that answers.
    async fn start(&self, arguments: &[&str], wrong: &str) -> Result<(), Fault> {
        let failed = |what: String| {
            Fault::new(FaultKind::Failed, Blame::Machine, Retry::AfterFix, format!("{wrong}: {what}"))
        };
        let mut command = Command::new(&self.program);
        command.args(arguments).env(landfall_model::api::STATE_VARIABLE, self.dir.root());
        let log = detached(&mut command, &self.dir.proxy_log()).map_err(|e| failed(e.to_string()))?;
        let mut child = command.stdin(Stdio::null()).spawn().map_err(|e| failed(e.to_string()))?;
        drop(log);
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if self.status().await.is_some_and(|status| status.pid == child.id()) {
                std::thread::spawn(move || child.wait());
                return Ok(());
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(format!("it ended with {status}\n{}", self.last_lines())));
            }
            sleep(LOOK).await;
        }
        std::thread::spawn(move || child.wait());
        Err(failed(format!("it does not answer after {} s\n{}", START.as_secs(), self.last_lines())))
    }

    /// Waits until the proxy that runs now is gone, or has let go of its place because it was told to end: it then closes
    /// a connection on which it was asked nothing. Returns at once when none runs.
    pub(crate) async fn ended(&self) {
        if let Ok(mut connection) = UnixStream::connect(self.client.socket()).await {
            // It says nothing unasked; whatever ends the wait, it is looked at anew.
            let _ = connection.read(&mut [0]).await;
        }
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(self.dir.proxy_log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}
