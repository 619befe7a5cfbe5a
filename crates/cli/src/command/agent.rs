//! `landfall agent`: the resident of this machine, run, shown, stopped, or reached through a stream.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use landfall_fx::StateDir;
use landfall_model::api::{Deployed, Info};
use landfall_model::{Fault, Millis};
use landfall_targets::host::Agent as Client;

use crate::failure::Failure;
use crate::session::block_on;
use crate::settings::Settings;

/// Arguments of `agent`.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runs the agent here, until it is stopped; any command that needs it starts it by itself
    Run {
        /// Leaves the session that it was started in
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Says whether it runs, and who it is
    Status,
    /// Ends it; instances and the proxy go on
    Stop {
        /// Ends the proxy too: requests are answered again once a command has started both
        #[arg(long)]
        proxy: bool,
    },
    /// Copies standard input to the agent's socket and back
    #[command(hide = true)]
    DialStdio,
}

impl Agent {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        match self.what {
            What::Run { detached } => run(detached),
            What::Status => status(settings),
            What::Stop { proxy } => stop(settings, proxy),
            What::DialStdio => dial_stdio(),
        }
    }
}

fn run(detached: bool) -> Result<ExitCode, Failure> {
    if detached {
        // Refused to who leads a group already, and so is not in its starter's.
        let _ = rustix::process::setsid();
    }
    let options = landfall_agent::Options { state: Settings::state()?, program: Settings::program()? };
    landfall_agent::run(options)?;
    Ok(ExitCode::SUCCESS)
}

/// Who the agent is; `None` when none runs.
async fn ask(client: &Client) -> Result<Option<Info>, Failure> {
    match client.info().await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.nobody_there() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn status(settings: &Settings) -> Result<ExitCode, Failure> {
    let client = Client::local(&Settings::state()?);
    let info = block_on(ask(&client))?;
    settings.show_noun(&info, |out, _| match &info {
        None => writeln!(out, "no agent runs; the next deploy starts one"),
        Some(info) => describe(out, info),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn describe(out: &mut dyn io::Write, info: &Info) -> io::Result<()> {
    let up = Millis::from(Settings::now().since(info.started));
    let memory = |bytes: Option<u64>| bytes.map_or_else(String::new, |b| format!(", {} MiB", b >> 20));
    writeln!(out, "agent   landfall {}, process {}, up {up}{}", info.version, info.pid, memory(info.memory))?;
    match info.proxy_pid {
        Some(pid) => writeln!(out, "proxy   process {pid}{}", memory(info.proxy_memory))?,
        None => writeln!(out, "proxy   does not run")?,
    }
    writeln!(out, "host    {}", info.host)?;
    writeln!(out, "state   {}", info.state)?;
    if info.running > 0 {
        writeln!(out, "at work on {} transaction(s)", info.running)?;
    }
    info.notes.iter().try_for_each(|note| writeln!(out, "note    {note}"))
}

fn stop(settings: &Settings, proxy: bool) -> Result<ExitCode, Failure> {
    let state = Settings::state()?;
    let client = Client::local(&state);
    let said = block_on(async {
        let left = match ask(&client).await? {
            None => None,
            Some(info) => {
                // One that cannot tell what is deployed is ended all the same.
                let left = client.apps().await.unwrap_or_default();
                client.end(&info).await?;
                Some(left)
            }
        };
        // After the agent, which would start it again.
        Ok(ended(left.as_deref(), proxy && end_proxy(&state).await?))
    })?;
    settings.line(&said)?;
    Ok(ExitCode::SUCCESS)
}

/// Tells the proxy to end; gives whether there was one.
async fn end_proxy(state: &StateDir) -> Result<bool, Failure> {
    let proxy = landfall_proxy::Client::new(state.proxy_socket());
    if proxy.status().await.is_err() {
        return Ok(false);
    }
    let broken = |error| Fault::machine(format!("the proxy was not told to end: {error}"));
    proxy.shutdown().await.map_err(broken)?;
    Ok(true)
}

/// What ended, and what goes on: `left` is what was deployed, `None` where no agent ran.
fn ended(left: Option<&[Deployed]>, proxy: bool) -> String {
    let proxy = if proxy { "; the proxy ends once it has answered what it was asked" } else { "" };
    let Some(left) = left else { return format!("no agent runs{proxy}") };
    let mut left: Vec<String> =
        left.iter().map(|deployed| format!("{} in {}", deployed.app, deployed.environment)).collect();
    if left.is_empty() {
        return format!("the agent has ended{proxy}");
    }
    if proxy.is_empty() {
        left.push("the proxy".to_owned());
    }
    format!("the agent has ended{proxy}; what goes on: {}", left.join(", "))
}

/// The far end of a stream to this machine's agent, which it starts when none runs. Ends when either side does.
fn dial_stdio() -> Result<ExitCode, Failure> {
    let state = Settings::state()?;
    let program = Settings::program()?;
    block_on(async { Ok(Client::connect_or_start(&state, &program).await?) })?;
    let broken = |error: io::Error| Fault::machine(format!("the stream to the agent broke: {error}"));
    let stream = UnixStream::connect(state.agent_socket()).map_err(broken)?;
    let mut write = stream.try_clone().map_err(broken)?;
    std::thread::spawn(move || {
        // Either end: the agent then ends its side, and the copy below comes to its own end.
        let _ = copy(&mut io::stdin().lock(), &mut write);
        let _ = write.shutdown(Shutdown::Write);
    });
    match copy(&mut &stream, &mut io::stdout().lock()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        Err(error) => Err(broken(error).into()),
    }
}

/// Copies to the end; each piece is on its way before the next is read.
fn copy(from: &mut impl io::Read, to: &mut impl io::Write) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&piece[..length]).and_then(|()| to.flush())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told() {
        let left = [Deployed { app: "shop".parse().unwrap(), environment: "dev".parse().unwrap() }];
        assert_eq!(ended(None, false), "no agent runs");
        assert_eq!(ended(Some(&[]), false), "the agent has ended");
        assert_eq!(ended(Some(&left), false), "the agent has ended; what goes on: shop in dev, the proxy");
        assert_eq!(
            ended(Some(&left), true),
            "the agent has ended; the proxy ends once it has answered what it was asked; what goes on: shop in dev"
        );
    }
}
