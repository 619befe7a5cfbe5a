//! Talking to processes in a container: running a command in one, and attaching to its own.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;

use bollard::models::ExecConfig;
use bollard::query_parameters::{ResizeContainerTTYOptionsBuilder, ResizeExecOptionsBuilder};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use landfall_model::{Fault, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::sleep;

use super::host_process;
use crate::engine::Engine;
use crate::fault;
use crate::frames::Frames;
use crate::limits::{EXEC_EVERY, EXIT_CODE, PID};
use crate::raw::{self, Body};

/// How many bytes of output are read at once.
const PIECE: usize = 16 * 1024;

/// A command to run in a container.
#[derive(Clone, Default)]
pub struct ExecSpec {
    /// What to run; nothing goes through a shell that is not named here.
    pub command: Vec<String>,
    /// The environment, over the container's own. Values may be secret: they are not shown by `Debug`.
    pub environment: BTreeMap<String, String>,
    /// `UID[:GID]` or a name; the container's own for `None`.
    pub user: Option<String>,
    /// The folder it starts in; the container's own for `None`.
    pub workdir: Option<String>,
    /// Rows and columns of a terminal; `None` for no terminal.
    pub terminal: Option<(u16, u16)>,
    /// Whether it gets a standard input.
    pub stdin: bool,
}

impl fmt::Debug for ExecSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSpec").field("command", &self.command).finish_non_exhaustive()
    }
}

/// What is talked to.
#[derive(Debug, Clone)]
enum Process {
    /// A command, by the engine's id for it.
    Command(String),
    /// A container's own process.
    Container(String),
}

/// The way in: standard input, and the terminal's size.
pub struct Input {
    engine: Engine,
    process: Process,
    stream: WriteHalf<TokioIo<Upgraded>>,
}

/// The way out: what is printed, and how it ended.
pub struct Output {
    engine: Engine,
    process: Process,
    stream: ReadHalf<TokioIo<Upgraded>>,
    frames: Frames,
    ready: VecDeque<(Stream, Bytes)>,
}

impl Engine {
    /// Runs a command in a container that runs. Dropping both ends leaves it running without them.
    ///
    /// # Errors
    /// When the container does not run, or the engine cannot be asked. A command that is not there is told by its exit
    /// code (126, 127).
    pub async fn exec(&self, container: &str, wanted: &ExecSpec) -> Result<(Input, Output), Fault> {
        let doing = format!("running a command in {container}");
        let tty = wanted.terminal.is_some();
        let config = ExecConfig {
            attach_stdin: Some(wanted.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(tty),
            env: Some(wanted.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: Some(wanted.command.clone()),
            user: wanted.user.clone(),
            working_dir: wanted.workdir.clone(),
            ..ExecConfig::default()
        };
        let made =
            self.docker.create_exec(container, config).await.map_err(|why| fault::call(&doing, &why))?;
        let body = serde_json::json!({ "Detach": false, "Tty": tty }).to_string();
        let request =
            self.request(Method::POST, &format!("/exec/{}/start", made.id), &[], raw::full(body))?;
        let mut ends = self.hijack(&doing, request, Process::Command(made.id), tty).await?;
        if let Some((rows, columns)) = wanted.terminal {
            // A command that ended already has no terminal any more.
            let _ = ends.0.resize(rows, columns).await;
        }
        Ok(ends)
    }

    /// Attaches to a container's own process; before it is started, so that nothing is missed.
    ///
    /// # Errors
    /// When the container is not there, or the engine cannot be asked.
    pub async fn attach(&self, container: &str) -> Result<(Input, Output), Fault> {
        let doing = format!("attaching to {container}");
        let there = self.container(container).await?;
        let there = there.ok_or_else(|| fault::said(&doing, 404, "there is no such container"))?;
        let options = ["stream", "stdin", "stdout", "stderr"].map(|name| (name, "1".to_owned()));
        let path = format!("/containers/{}/attach", there.id);
        let request = self.request(Method::POST, &path, &options, raw::empty())?;
        self.hijack(&doing, request, Process::Container(there.id), there.tty).await
    }

    /// Sends a request that makes its connection the process's own streams.
    async fn hijack(
        &self,
        doing: &str,
        mut request: Request<Body>,
        process: Process,
        tty: bool,
    ) -> Result<(Input, Output), Fault> {
        let headers = request.headers_mut();
        headers.insert(CONNECTION, http::HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, http::HeaderValue::from_static("tcp"));
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let (reading, writing) = split(self.dial.upgrade(doing, request).await?);
        let input = Input { engine: self.clone(), process: process.clone(), stream: writing };
        let output = Output {
            engine: self.clone(),
            process,
            stream: reading,
            frames: Frames::new(tty),
            ready: VecDeque::new(),
        };
        Ok((input, output))
    }
}

impl Input {
    /// Sends bytes to standard input.
    ///
    /// # Errors
    /// When the process has ended.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Closes standard input.
    ///
    /// # Errors
    /// When the process has ended.
    pub async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Tells the terminal's new size.
    ///
    /// # Errors
    /// When the process has ended, or has no terminal.
    pub async fn resize(&mut self, rows: u16, columns: u16) -> Result<(), Fault> {
        let (rows, columns) = (i32::from(rows), i32::from(columns));
        let resized = match &self.process {
            Process::Command(id) => {
                let options = ResizeExecOptionsBuilder::new().h(rows).w(columns).build();
                self.engine.docker.resize_exec(id, options).await
            }
            Process::Container(id) => {
                let options = ResizeContainerTTYOptionsBuilder::new().h(rows).w(columns).build();
                self.engine.docker.resize_container_tty(id, options).await
            }
        };
        resized.map_err(|why| fault::call("telling the terminal's size", &why))
    }
}

impl Output {
    /// The next piece of output; `None` when no more comes. Safe to cancel.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> io::Result<Option<(Stream, Bytes)>> {
        let mut buffer = vec![0; PIECE];
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let count = self.stream.read(&mut buffer).await?;
            if count == 0 {
                return Ok(None);
            }
            let ready = &mut self.ready;
            self.frames.take(&buffer[..count], |stream, piece| {
                ready.push_back((stream, Bytes::copy_from_slice(piece)));
            });
        }
    }

    /// Kills the process. Gives whether that could be done: an engine kills no command in a container, only a container;
    /// a command is killed from here where the engine's processes are this machine's.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn kill(&mut self) -> Result<bool, Fault> {
        let id = match &self.process {
            Process::Container(id) => return self.engine.kill(id, "SIGKILL").await,
            Process::Command(id) => id,
        };
        if !self.engine.about().is_local() {
            return Ok(false);
        }
        // A command may have printed already when its number is not known yet.
        for _ in 0..PID.as_millis() / EXEC_EVERY.as_millis() {
            let told = self.engine.docker.inspect_exec(id).await;
            let told = told.map_err(|why| fault::call("asking how a command does", &why))?;
            if told.exit_code.is_some() && told.running != Some(true) {
                return Ok(false);
            }
            let pid = told.pid.filter(|pid| *pid != 0).and_then(|pid| i32::try_from(pid).ok());
            if let (Some(pid), Some(container)) = (pid, told.container_id) {
                return Ok(host_process::kill(pid, &container));
            }
            sleep(EXEC_EVERY).await;
        }
        Ok(false)
    }

    /// How the process ended: its exit code, 128 and the signal's number when one ended it. Asked after `next` gave
    /// `None`; waits for a process that has closed its output and goes on.
    ///
    /// # Errors
    /// When the engine cannot be asked, or the process has not ended after `EXIT_CODE`.
    pub async fn exit_code(&mut self) -> Result<i32, Fault> {
        let id = match &self.process {
            Process::Container(id) => return self.engine.wait(id).await,
            Process::Command(id) => id,
        };
        let tries = EXIT_CODE.as_millis() / EXEC_EVERY.as_millis();
        for _ in 0..tries {
            let told = self.engine.docker.inspect_exec(id).await;
            let told = told.map_err(|why| fault::call("asking how a command ended", &why))?;
            if let (Some(false), Some(code)) = (told.running, told.exit_code) {
                return Ok(i32::try_from(code).unwrap_or(i32::MAX));
            }
            sleep(EXEC_EVERY).await;
        }
        Err(Fault::machine("the engine does not tell how the command ended")
            .help("see `docker ps` and `docker top`"))
    }
}
