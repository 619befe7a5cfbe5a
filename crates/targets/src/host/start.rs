//! An agent on this machine when one is needed: connects, starts one when nobody answers, and replaces one of another
//! build when it is idle.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_fx::StateDir;
use landfall_model::api::{API_VERSION, Info, STATE_VARIABLE};
use landfall_model::{Blame, Fault, FaultKind, Retry};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::Instant;

use super::{Agent, CallError};

/// For a new agent to answer.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks whether it answers.
const POLL: Duration = Duration::from_millis(3);
/// For an agent that was started beside another one and gave way to it: the other one's time to answer.
const GAVE_WAY: Duration = Duration::from_secs(2);
/// For an idle agent to end after it was asked to.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// For an agent that breaks connections to be gone.
const ENDING: Duration = Duration::from_secs(2);
/// Of the log of an agent that did not come up: bytes looked at, and lines shown.
const LOG_TAIL: (u64, usize) = (16 * 1024, 12);

/// Variables that an agent is started with, beside all that begin with one of `KEPT_PREFIXES` or end with `_HOME`: it
/// outlives the command that started it, so that it must not inherit what was meant for that command, secrets least.
const KEPT: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "RUST_BACKTRACE",
    "GOPATH",
];
const KEPT_PREFIXES: [&str; 16] = [
    "DOCKER_",
    "LC_",
    "XDG_",
    "LANDFALL_",
    "PIP_",
    "UV_",
    "NPM_CONFIG_",
    "npm_config_",
    "YARN_",
    "SSL_CERT_",
    "REQUESTS_CA",
    "NODE_EXTRA_CA",
    "CARGO_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

impl Agent {
    /// A client of this machine's agent, and who it is. Starts `PROGRAM agent run` when nobody answers; when an agent of
    /// another build answers and is idle, it is replaced by `program`.
    ///
    /// # Errors
    /// Refused when no agent comes up (with the last lines of its log), and when one whose API differs is at work.
    pub async fn connect_or_start(state: &StateDir, program: &Path) -> Result<(Self, Info), Fault> {
        let agent = Self::local(state);
        let info = match agent.first_info().await {
            Ok(info) => info,
            Err(error) if error.nobody_there() => return start(agent, state, program).await,
            Err(error) => return Err(error.into()),
        };
        let ours = landfall_fx::build_id(program).ok();
        let same_build = ours.is_none_or(|ours| ours == info.build);
        if same_build && info.api == API_VERSION {
            return Ok((agent, info));
        }
        if info.running > 0 {
            return if info.api == API_VERSION { Ok((agent, info)) } else { Err(at_work(&info)) };
        }
        match agent.end(&info).await {
            Ok(()) => start(Self::local(state), state, program).await,
            // It began to work after it was asked: as above.
            Err(CallError::Fault(fault)) if fault.kind == FaultKind::Refused => {
                if info.api == API_VERSION {
                    Ok((agent, info))
                } else {
                    Err(at_work(&info))
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who the agent is. One that is just ending takes a connection and breaks it: that is looked at again until it
    /// answers or nobody is there.
    async fn first_info(&self) -> Result<Info, CallError> {
        let deadline = Instant::now() + ENDING;
        loop {
            let info = self.info().await;
            let breaks = match &info {
                Err(CallError::Lost { .. }) => true,
                Err(absent @ CallError::Absent { .. }) => !absent.nobody_there(),
                Ok(_) | Err(CallError::Fault(_)) => false,
            };
            if !breaks || Instant::now() >= deadline {
                return info;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks an idle agent, who said `info`, to end and waits until its process has. Instances and the proxy go on.
    ///
    /// # Errors
    /// Refused while a transaction runs; see [`CallError`].
    pub async fn end(&self, info: &Info) -> Result<(), CallError> {
        let process = i32::try_from(info.pid).ok().and_then(Pid::from_raw);
        let process = process.and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
        self.shutdown().await?;
        let deadline = Instant::now() + END_TIMEOUT;
        while Instant::now() < deadline {
            let gone = match &process {
                Some(process) => has_ended(process),
                // Without a handle on the process (it is gone, or the kernel is older than 5.3) its silence has to do.
                None => self.info().await.is_err_and(|error| error.nobody_there()),
            };
            if gone {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        let why = format!("it did not end within {} s of being asked to", END_TIMEOUT.as_secs());
        Err(CallError::lost("POST /v1/shutdown", why))
    }
}
fn at_work(info: &Info) -> Fault {
    Fault::new(
        FaultKind::Refused,
        Blame::User,
        Retry::Safe,
        format!(
            "the agent (landfall {}, API {}) is at work on a transaction, and this is another version (API {API_VERSION})",
            info.version, info.api
        ),
    )
    .help("wait until it is done, and it is replaced; or use the version of the agent")
}

/// Whether the process behind a pidfd has ended: it is readable then, `pidfd_open(2)`.
fn has_ended(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

async fn start(agent: Agent, state: &StateDir, program: &Path) -> Result<(Agent, Info), Fault> {
    let log = state.agent_log();
    let refused = |why: String| {
        Fault::new(FaultKind::Refused, Blame::Machine, Retry::AfterFix, why)
            .help(format!("the agent's log is {}", log.display()))
    };
    let (mut child, logged) = spawn(state, program).map_err(|error| {
        refused(format!("the agent cannot be started in {}: {error}", state.root().display()))
    })?;
    let mut deadline = Instant::now() + START_TIMEOUT;
    let mut ended = None;
    loop {
        match agent.info().await {
            Ok(info) => return Ok((agent, info)),
            Err(error) if error.nobody_there() => {}
            Err(CallError::Fault(fault)) => return Err(fault),
            // A socket that is there before its agent answers, or one that was just left: asked again.
            Err(_) => {}
        }
        if ended.is_none()
            && let Ok(Some(status)) = child.try_wait()
        {
            ended = Some(status);
            deadline = deadline.min(Instant::now() + if status.success() { GAVE_WAY } else { GAVE_WAY / 4 });
        }
        if Instant::now() >= deadline {
            let what = match ended {
                Some(status) => format!("the agent ended as soon as it was started ({status})"),
                None => {
                    format!("the agent was started and did not answer within {} s", START_TIMEOUT.as_secs())
                }
            };
            let said = tail(&log, logged);
            return Err(refused(if said.is_empty() { what } else { format!("{what}; it said:\n{said}") }));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Starts the agent; `--detached` makes it leave our session by itself. Gives its process and how long its log was.
fn spawn(state: &StateDir, program: &Path) -> io::Result<(Child, u64)> {
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(state.agent_log())?;
    let logged = log.metadata()?.len();
    let child = Command::new(program)
        .args(["agent", "run", "--detached"])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept)))
        .env(STATE_VARIABLE, state.root())
        .current_dir(state.root())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok((child, logged))
}

fn is_kept(name: &str) -> bool {
    KEPT.contains(&name)
        || name.ends_with("_HOME")
        || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The last lines that were logged behind the first `from` bytes; empty when there are none or they cannot be read.
fn tail(log: &Path, from: u64) -> String {
    let (bytes, lines) = LOG_TAIL;
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(bytes)).min(length)))?;
        let mut text = Vec::new();
        file.take(bytes).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_inherits_no_secret() {
        for kept in ["PATH", "HOME", "LC_ALL", "JAVA_HOME", "DOCKER_HOST", "PIP_INDEX_URL", "LANDFALL_STATE"]
        {
            assert!(is_kept(kept), "{kept}");
        }
        for left in
            ["SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "VIRTUAL_ENV", "PYTHONPATH", "PORT"]
        {
            assert!(!is_kept(left), "{left}");
        }
    }

    #[test]
    fn the_tail_is_of_this_start_only() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("agent.log");
        std::fs::write(&log, "an earlier one\n").unwrap();
        let before = std::fs::metadata(&log).unwrap().len();
        assert_eq!(tail(&log, before), "");
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&log, format!("an earlier one\n{text}")).unwrap();
        let said = tail(&log, before);
        assert!(said.starts_with("line 88\n") && said.ends_with("line 99"), "{said}");
        assert_eq!(tail(Path::new("/nowhere"), 0), "");
    }
}
