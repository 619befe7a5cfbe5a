//! `landfall exec SERVICE -- COMMAND`: a command in the environment of a service's active release, beside an instance that
//! runs; `landfall run` has it in one of its own.

use std::io;
use std::process::ExitCode;

use clap::Args;
use landfall_model::api::ExecRequest;
use landfall_model::{Fault, ServiceName};
use landfall_targets::host::{ExecReader, ExecWriter, FromHost};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::failure::{Failure, of_output};
use crate::project::Project;
use crate::session::{Session, block_on};
use crate::settings::Settings;
use crate::terminal::{self, Raw};

/// Pieces of standard input that wait for the connection.
const WAITING: usize = 8;

/// Arguments of `exec` and `run`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// An environment (`dev` when left out), and the service
    #[arg(value_name = "ENVIRONMENT|SERVICE", required = true)]
    words: Vec<String>,
    /// Of a compose project: the service of its file; the one that answers or is tested when left out
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
    /// The command and its arguments; no shell sees them
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Exec {
    /// Beside an instance that runs.
    pub(crate) fn beside(self, settings: &Settings) -> Result<ExitCode, Failure> {
        self.run(settings, "exec", false)
    }

    /// In an instance of its own, which goes with it.
    pub(crate) fn alone(self, settings: &Settings) -> Result<ExitCode, Failure> {
        self.run(settings, "run", true)
    }

    fn run(self, settings: &Settings, verb: &str, fresh: bool) -> Result<ExitCode, Failure> {
        if self.command.is_empty() {
            return Err(unmarked(settings, verb, &self.words));
        }
        let project = Project::open(settings, &self.words)?;
        let service = service(&project, verb)?;
        let terminal = terminal::size();
        let request = ExecRequest { command: self.command, terminal, fresh, part: self.part };
        block_on(async {
            let session = Session::open(&project).await?;
            let (reader, writer) = session.app().exec(&service, &request).await?;
            let raw = terminal.is_some().then(Raw::enter);
            let sending = tokio::spawn(send(writer, terminal.is_some()));
            let code = receive(reader).await;
            sending.abort();
            drop(raw);
            code
        })
    }
}

/// The one service that is meant: the named one, or the only one there is.
fn service(project: &Project, verb: &str) -> Result<ServiceName, Fault> {
    let mut services = project.services();
    match (services.next(), services.next()) {
        (Some(one), None) => Ok(one.name.clone()),
        _ => Err(Fault::usage("a command runs in one service")
            .help(format!("name it: `landfall {verb}{} SERVICE -- COMMAND`", project.selection.argument()))),
    }
}

/// What is to be typed where no `--` says which words are the command's. They are not run: an option among them that is
/// one of ours has gone to us.
fn unmarked(settings: &Settings, verb: &str, words: &[String]) -> Failure {
    let project = match Project::open(settings, &words[..words.len().min(1)]) {
        Ok(project) => project,
        Err(failure) => return failure,
    };
    let is_service = |word: &&String| project.resolved.services.iter().any(|one| one.name.as_str() == **word);
    let two = project.is_complete() && words.get(1).is_some_and(|word| is_service(&word));
    let (place, command) = words.split_at(if two { 2 } else { 1 });
    let place = place.join(" ");
    match command {
        [] => Fault::usage("no command was given")
            .help(format!("`landfall {verb} {place} -- COMMAND`; `-- sh` opens a shell")),
        [program, rest @ ..] => {
            let rest = if rest.is_empty() { "" } else { " …" };
            Fault::usage(format!("where the command begins is not clear: `--` goes before `{program}`"))
                .help(format!("`landfall {verb} {place} -- {program}{rest}`"))
        }
    }
    .into()
}

/// Shows what the command prints until it ends, and gives its exit code.
async fn receive(mut reader: ExecReader) -> Result<ExitCode, Failure> {
    loop {
        let written = match reader.next().await? {
            FromHost::Stdout(bytes) => write(io::stdout().lock(), &bytes),
            FromHost::Stderr(bytes) => write(io::stderr().lock(), &bytes),
            FromHost::Exit(code) => return Ok(ExitCode::from(passed_on(code))),
            FromHost::Fault(fault) => return Err(fault.into()),
        };
        written.map_err(|error| of_output(&error))?;
    }
}

fn write(mut out: impl io::Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}

/// An exit code as a process can have it; one beyond that is 255.
fn passed_on(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Sends standard input and the terminal's size until the connection breaks, which is the reader's to tell.
async fn send(mut writer: ExecWriter, terminal: bool) {
    let Ok(mut resized) = signal(SignalKind::window_change()) else { return };
    let mut input = standard_input();
    let mut open = true;
    loop {
        let sent = tokio::select! {
            piece = input.recv(), if open => {
                // No piece is the end, and so is an empty one on the wire.
                open = piece.is_some();
                writer.stdin(&piece.unwrap_or_default()).await
            }
            _ = resized.recv() => match terminal::size() {
                Some((rows, columns)) if terminal => writer.resize(rows, columns).await,
                _ => Ok(()),
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Standard input in pieces. Its thread ends with the process: nothing can end a read from outside.
fn standard_input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut piece = vec![0; 16 * 1024];
            match io::Read::read(&mut input, &mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(length) if length > 0 => {
                    piece.truncate(length);
                    if sender.blocking_send(piece).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_passed_on() {
        assert_eq!([0, 3, 143, 255, 256, -1].map(passed_on), [0, 3, 143, 255, 255, 255]);
    }
}
