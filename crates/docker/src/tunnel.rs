//! A way back: a port of an engine's machine that leads to one of this machine, through `ssh -R`, for as long as something
//! travels.

use std::process::ExitStatus;

use landfall_model::Fault;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

use crate::address::Address;
use crate::engine::Engine;
use crate::limits::TUNNEL;
use crate::ssh;

/// The most bytes that `ssh` may say before its port.
const MAX_SAID: u64 = 64 * 1024;

/// A port on loopback of the engine's machine that leads here. Dropping this closes it; so does the end of this process,
/// for `ssh` and what it runs end with their input.
#[derive(Debug)]
pub struct Tunnel {
    port: u16,
    _input: ChildStdin,
    _child: Child,
}

impl Tunnel {
    /// The port on the engine's machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Engine {
    /// Whether [`Engine::tunnel`] may succeed: the engine is reached through `ssh`, and shares its machine's loopback.
    #[must_use]
    pub fn may_tunnel(&self) -> bool {
        self.dial.address().is_ssh() && !self.about().rootless
    }

    /// Opens a port on loopback of the engine's machine that leads to `port` of this machine's loopback. The connection is
    /// one of its own: it is never shared with others of the user's.
    ///
    /// # Errors
    /// An engine that is not reached through `ssh`; a server that lets nobody forward ports; none within `TUNNEL`.
    pub async fn tunnel(&self, port: u16) -> Result<Tunnel, Fault> {
        let Address::Ssh { destination, port: ssh_port } = self.dial.address() else {
            return Err(Fault::refused(format!("{} leads nowhere back", self.about().address)));
        };
        let refused = |why: &str| Fault::refused(format!("{destination} forwards no port back: {why}"));
        let forward = format!("127.0.0.1:0:127.0.0.1:{port}");
        // Asked for by an older connection of the user's, the port would stay open with that one.
        let options =
            ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "LogLevel=INFO", "-R", &forward];
        let mut child = ssh::to_engine(destination, *ssh_port, &options)
            .spawn()
            .map_err(|why| refused(&why.to_string()))?;
        let (Some(input), Some(said)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(refused("ssh was started without its pipes"));
        };
        let mut said = BufReader::new(said);
        match timeout(TUNNEL, allocated(&mut said)).await {
            Ok(Ok(port)) => {
                // What is not read would block it one day.
                tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
                Ok(Tunnel { port, _input: input, _child: child })
            }
            Ok(Err(said)) => {
                let ended = child.try_wait().ok().flatten().as_ref().map(ExitStatus::to_string);
                Err(refused(&said.or(ended).unwrap_or_else(|| "ssh ended".to_owned())))
            }
            Err(_) => Err(refused(&format!("no port within {} s", TUNNEL.as_secs()))),
        }
    }
}

/// Reads the port that `ssh` was given; else the line that says why there is none.
async fn allocated(said: impl AsyncRead + Unpin) -> Result<u16, Option<String>> {
    let mut lines = BufReader::new(said.take(MAX_SAID)).lines();
    let mut last = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(port) = port_of(&line) {
            return Ok(port);
        }
        let line = line.trim().to_owned();
        if line.contains("remote port forwarding failed") {
            return Err(Some(line));
        }
        last = Some(line).filter(|line| !line.is_empty()).or(last);
    }
    Err(last)
}

/// The port in `Allocated port 40123 for remote forward to 127.0.0.1:5000` (OpenSSH's `ssh.c`, since 5.2).
fn port_of(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("Allocated port ")?;
    let (port, _) = rest.split_once(" for remote forward")?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_port_is_read_from_what_ssh_says() {
        let said = |text: &'static str| allocated(text.as_bytes());
        let greeting = "Welcome to build!\nAllocated port 40123 for remote forward to 127.0.0.1:5000\r\n";
        assert_eq!(said(greeting).await, Ok(40123));
        let refused = "Error: remote port forwarding failed for listen port 0\nmore";
        assert!(said(refused).await.unwrap_err().unwrap().contains("failed for listen port"));
        assert_eq!(
            said("Permission denied (publickey).\n\n").await,
            Err(Some("Permission denied (publickey).".into()))
        );
        assert_eq!(said("").await, Err(None));
    }
}
