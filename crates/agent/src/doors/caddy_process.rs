//! The Caddy that Landfall starts: a process of its own, detached, that comes back with the routes it had.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use landfall_caddy::{Address, Caddy};
use landfall_fx::{Files as _, RealFiles};
use landfall_model::Fault;
use tokio::time::{Instant, sleep};

use super::caddies::{self, Caddies};
use crate::detach::detached;

/// How long one that was just started may take to answer.
const START: Duration = Duration::from_secs(15);

/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(10);

/// Of its log, the last lines shown when it does not start.
const SHOWN_LINES: usize = 5;

/// Starts it unless it answers. It resumes what it saved itself, with what others have told it; where that cannot be
/// used, it is told the routes anew.
pub(super) async fn ensure(caddies: &Caddies, caddy: &Caddy) -> Result<(), Fault> {
    let _one_at_a_time = caddies.starting.lock().await;
    if caddy.admin().is_answering().await {
        return Ok(());
    }
    let Address::Unix(socket) = caddy.admin().address() else { return Ok(()) };
    let program = caddies::program().ok_or_else(caddies::not_installed)?;
    let folder = caddy.folder().root();
    let config = folder.join("first.json");
    let text = caddy.first_config(socket)?.to_string();
    let unusable = |e: std::io::Error| Fault::machine(format!("{} cannot be written: {e}", config.display()));
    RealFiles.replace(&config, text.as_bytes()).map_err(unusable)?;
    caddy.republish()?;
    let mut last = None;
    for resume in [true, false] {
        let mut command = Command::new(&program);
        command.arg("run");
        if resume {
            command.arg("--resume");
        }
        command.arg("--config").arg(&config).env_remove("CADDY_ADMIN").current_dir(folder);
        command.env("HOME", folder).env("XDG_DATA_HOME", folder.join("data"));
        command.env("XDG_CONFIG_HOME", folder.join("config"));
        let log = caddies.dir().caddy_log();
        let failed = |what: String| Fault::machine(format!("Caddy does not start: {what}"));
        drop(detached(&mut command, &log).map_err(|e| failed(e.to_string()))?);
        let child = command.spawn().map_err(|e| failed(e.to_string()))?;
        match answers(caddy, child, &log).await {
            Ok(()) => {
                // The folder above keeps others out; so does the socket.
                let _ = std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600));
                return Ok(());
            }
            Err(what) => last = Some(failed(what)),
        }
    }
    last.map_or(Ok(()), Err)
}

/// Waits until it answers.
async fn answers(caddy: &Caddy, mut child: Child, log: &Path) -> Result<(), String> {
    let deadline = Instant::now() + START;
    loop {
        if caddy.admin().is_answering().await {
            // Somebody has to take the exit status of a child.
            std::thread::spawn(move || child.wait());
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}\n{}", last_lines(log)));
        }
        if Instant::now() >= deadline {
            std::thread::spawn(move || child.wait());
            return Err(format!("it does not answer after {} s\n{}", START.as_secs(), last_lines(log)));
        }
        sleep(LOOK).await;
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
