//! Looking: what the system, the agent and the proxy say. Starts nothing and changes nothing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use landfall_fx::StateDir;
use landfall_model::Timestamp;
use landfall_model::api::StatusView;
use landfall_proxy::Client;
use landfall_targets::host::{Agent, CallError};

use super::{Machine, Proxy, Seen};
use crate::failure::Failure;
use crate::settings::Settings;

/// For an agent or a proxy to answer: one that takes longer is found to be stuck.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where systemd says that it keeps the clock, and that it has set it (`systemd-timesyncd.service(8)`).
const TIMESYNC: &str = "/run/systemd/timesync";

/// Looks at everything.
///
/// # Errors
/// A state folder that there is none of, or an agent that breaks off.
pub(crate) async fn look() -> Result<Seen, Failure> {
    let (dir, program) = (Settings::state()?, Settings::program()?);
    let build = landfall_fx::build_id(&program).map_err(|error| {
        landfall_model::Fault::internal(format!("the program cannot be looked at: {error}"))
    })?;
    let client = Agent::local(&dir);
    let agent = match tokio::time::timeout(PATIENCE, client.info()).await {
        Ok(Ok(info)) => Some(Ok(info)),
        Ok(Err(error)) if error.nobody_there() => None,
        Ok(Err(error)) => Some(Err(error.to_string())),
        Err(_) => Some(Err(format!("it does not answer within {} s", PATIENCE.as_secs()))),
    };
    let applications = match &agent {
        Some(Ok(_)) => applications(&client).await?,
        _ => Vec::new(),
    };
    let proxy = tokio::time::timeout(PATIENCE, proxy(&Client::new(dir.proxy_socket()))).await.ok().flatten();
    Ok(Seen {
        now: Settings::now(),
        build,
        machine: machine(&dir)?,
        agent,
        proxy,
        proxy_wanted: dir.proxy_config().exists(),
        applications,
    })
}

/// The proxy; `None` when none answers.
async fn proxy(client: &Client) -> Option<Proxy> {
    let status = client.status().await.ok()?;
    let files = limit(status.pid).zip(open_files(status.pid));
    // One of an older build knows no such call.
    let certificates = client.certificates().await.unwrap_or_default();
    Some(Proxy { status, certificates, files })
}

async fn applications(client: &Agent) -> Result<Vec<StatusView>, CallError> {
    let mut all = Vec::new();
    for deployed in client.apps().await? {
        all.push(client.app(&deployed.app, &deployed.environment).status().await?);
    }
    Ok(all)
}

fn machine(dir: &StateDir) -> Result<Machine, Failure> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the state folder {} cannot be looked at: {error}", dir.root().display());
        Failure::from(landfall_model::Fault::machine(message))
    };
    let facts = fs::metadata(dir.root()).map_err(unreadable)?;
    let room = rustix::fs::statvfs(dir.root()).map_err(|error| unreadable(error.into()))?;
    let written = |path: &Path| path.metadata().ok()?.modified().ok().map(Timestamp::from);
    let access = rustix::fs::access(dir.root(), rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    Ok(Machine {
        state: dir.root().display().to_string(),
        mode: facts.mode() & 0o7777,
        ours: facts.uid() == rustix::process::geteuid().as_raw(),
        unwritable: access.err().map(|error| error.to_string()),
        free: room.f_bavail.saturating_mul(room.f_frsize),
        synchronized: Path::new(TIMESYNC).is_dir().then(|| Path::new(TIMESYNC).join("synchronized").exists()),
        changed: written(&dir.database()),
    })
}

/// The files that a process may open (`proc(5)`: name, soft limit, hard limit, unit).
fn limit(pid: u32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files(pid: u32) -> Option<u64> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|entries| entries.count() as u64)
}
