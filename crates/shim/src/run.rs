//! The entry point of `landfall shim DIR`, and the loop in which a shim lives: waits for something to happen, tells
//! the machine, does what it says.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use landfall_model::{Exit, InstanceState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitOptions};

use crate::adopt::Earlier;
use crate::clock::Monotonic;
use crate::machine::{Effect, Input, Machine};
use crate::main_process::Main;
use crate::memory::Memory;
use crate::output::Output;
use crate::pipes::Pipe;
use crate::program::{self, NOT_EXECUTABLE, NOT_FOUND, Target};
use crate::report::Kept;
use crate::server::{Request, Server};
use crate::session::{self, Session};
use crate::signals::{self, Signals, Told};
use crate::start::{Surroundings, start};
use crate::{Order, Redactor, Report, clock, exit, lock, read_secrets};

/// How often it is looked whether the last processes are gone.
const LOOK: Duration = Duration::from_millis(10);

/// Supervises the instance that lives in `folder` until it is stopped; the entry point of `landfall shim DIR`. Ends at
/// once with success where another shim does so already; takes over an instance that an earlier shim left running.
#[must_use]
pub fn run(folder: &Path) -> ExitCode {
    match supervise(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {}: {error}", clock::stamp(), folder.display());
            ExitCode::FAILURE
        }
    }
}

fn supervise(folder: &Path) -> io::Result<()> {
    // Away from the session of whoever started it. A shim that is started by hand may lead one already.
    let _ = rustix::process::setsid();
    let folder = std::path::absolute(folder)?;
    let Some(_lock) = lock::take(&folder)? else { return Ok(()) };
    Shim::new(folder)?.live()
}

struct Shim {
    folder: PathBuf,
    order: Order,
    clock: Monotonic,
    signals: Signals,
    machine: Machine,
    memory: Memory,
    output: Output,
    server: Server,
    main: Option<Main>,
    /// Everything that came out of the last start.
    session: Option<Session>,
    /// What was last told.
    told: Kept,
}

impl Shim {
    fn new(folder: PathBuf) -> io::Result<Self> {
        let order = Order::read(&folder)?;
        let clock = Monotonic::new();
        let signals = Signals::take()?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let earlier = Earlier::find(&folder);
        let machine = Machine::new(&order.stop, &order.backoff);
        let target = program::program(&order.command, &order.folder, &order.env).map(|p| p.target);
        let (machine, main, session, cgroup) = match earlier {
            Earlier::Nothing => (machine, None, None, None),
            Earlier::Running { pid, started, restarts, last_exit, cgroup } => {
                let main = Main::hold(pid, started, false, target.unwrap_or(Target::Main)).ok();
                let machine = machine.adopting(main.is_some(), restarts, last_exit, clock.elapsed());
                (machine, main, Some(Session::of_instance(pid, cgroup.clone())), cgroup)
            }
            Earlier::Ended { leader, restarts, last_exit, cgroup } => {
                let machine = machine.adopting(false, restarts, last_exit, clock.elapsed());
                (machine, None, leader.map(|pid| Session::of_instance(pid, cgroup.clone())), cgroup)
            }
        };
        let pipe = |name, descriptor| match &main {
            Some(main) => {
                Pipe::of_process(&folder, name, main.pid, descriptor).or_else(|_| Pipe::open(&folder, name))
            }
            None => Pipe::open(&folder, name),
        };
        let mut output = Output::new(&folder, &order.limits, pipe("out", 1)?, pipe("err", 2)?);
        output.set_redactor(Redactor::new(&secrets_of(&order).unwrap_or_default()));
        let (memory, refused) =
            Memory::limit(order.instance.as_str(), order.limits.memory, cgroup.as_deref());
        if let Some(error) = refused {
            eprintln!("{} no control group, the memory is watched instead: {error}", clock::stamp());
        }
        let server = Server::bind(&folder)?;
        let told = Kept::new(report_of(&machine, main.as_ref()));
        Ok(Self { folder, order, clock, signals, machine, memory, output, server, main, session, told })
    }

    /// Lives until the instance is stopped.
    fn live(mut self) -> io::Result<()> {
        self.step(Input::Tick);
        self.tell(true);
        while self.machine.state() != InstanceState::Stopped {
            self.wait()?;
            // Signals first: one that comes while the rest is done wakes the next wait.
            let stop = self.signals.read().any(|told| told == Told::Stop);
            self.reap();
            self.output.read(self.clock.elapsed());
            self.look_at_memory();
            self.take_orders(stop);
            if self.machine.waits_for_gone() && self.is_gone() {
                self.step(Input::Gone);
            }
            self.step(Input::Tick);
            self.tell(false);
        }
        self.output.drain(self.clock.elapsed());
        self.memory.remove();
        Ok(())
    }

    /// Waits until something happens or is due.
    fn wait(&self) -> io::Result<()> {
        let now = self.clock.elapsed();
        let look = self.machine.waits_for_gone().then_some(now + LOOK);
        let deadlines = [self.machine.deadline(), self.memory.deadline(), self.output.deadline(), look];
        let timeout = deadlines.into_iter().flatten().min().map(|at| at.saturating_sub(now));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let fds: Vec<BorrowedFd<'_>> =
            self.signals.fds().into_iter().chain(self.output.fds()).chain(self.server.fds()).collect();
        let main = self.main.as_ref().map(|main| main.as_fd());
        let mut fds: Vec<PollFd<'_>> =
            fds.into_iter().chain(main).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks which processes ended.
    fn reap(&mut self) {
        let mut ended = None;
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let is_main = |main: &Main| main.is_child && session::number(main.pid) == Some(pid);
            if self.main.as_ref().is_some_and(is_main) {
                ended = exit::of_wait(status);
            }
        }
        if let Some(main) = self.main.as_ref().filter(|main| !main.is_child) {
            let mut fds = [PollFd::new(main, PollFlags::IN)];
            if poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
                ended = Some(exit::unknown());
            }
        }
        if let Some(exit) = ended {
            self.main = None;
            // What it printed last is in the log before anybody hears that it ended.
            self.output.drain(self.clock.elapsed());
            let oom = exit::may_be_kill(&exit) && self.memory.was_exceeded();
            self.step(Input::Exited(Exit { oom, ..exit }));
        }
    }

    fn look_at_memory(&mut self) {
        let Some(session) = &self.session else { return };
        if self.main.is_some() && self.memory.is_over(self.clock.elapsed(), &|| session.processes()) {
            session.signal(Signal::KILL);
        }
    }

    /// Does what clients ask for, and stops if a signal said so.
    fn take_orders(&mut self, mut stop: bool) {
        for request in self.server.serve(&self.told.report) {
            match request {
                Request::Stop => stop = true,
                Request::Signal(signal) => {
                    if let Some(main) = &self.main {
                        main.signal(signal);
                    }
                }
            }
        }
        if stop {
            self.step(Input::Stop);
        }
    }

    /// Whether none of the instance's processes is left. What is left of one that ended by itself is killed.
    fn is_gone(&self) -> bool {
        match &self.session {
            Some(session) if self.machine.state() == InstanceState::BackingOff => {
                session.signal(Signal::KILL) == 0
            }
            Some(session) => session.processes().is_empty(),
            None => true,
        }
    }

    /// Tells the machine what happened and does what it says, and what follows from that.
    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.machine.handle(input, self.clock.elapsed()) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        let stop = signals::signal(&self.order.stop.signal).unwrap_or(Signal::TERM);
        match (effect, &self.main, &self.session) {
            (Effect::Start, ..) => {
                return Some(match self.start() {
                    Ok(main) => {
                        self.main = Some(main);
                        Input::Started
                    }
                    Err(exit) => Input::Exited(exit),
                });
            }
            (Effect::AskToStop, Some(main), _) => main.signal(stop),
            (Effect::AskRestToStop, _, Some(session)) => {
                session.signal(stop);
            }
            (Effect::KillAll, _, Some(session)) => {
                session.signal(Signal::KILL);
            }
            (Effect::AskToStop, None, _) | (Effect::AskRestToStop | Effect::KillAll, _, None) => {}
        }
        None
    }

    /// Starts the main process. That it cannot be started is told in the output, where people look, and as the exit
    /// that a shell would give.
    fn start(&mut self) -> Result<Main, Exit> {
        let secrets = secrets_of(&self.order).map_err(|error| {
            self.output.note(&format!("landfall: the secrets cannot be read: {error}"));
            exit::unknown()
        })?;
        self.output.set_redactor(Redactor::new(&secrets));
        let mut env = self.order.env.clone();
        env.extend(secrets);
        if !self.order.folder.is_dir() {
            self.output.note(&format!("landfall: the folder {} is not there", self.order.folder.display()));
            return Err(exit::unknown());
        }
        let program = program::program(&self.order.command, &self.order.folder, &env).map_err(|missing| {
            self.output.note(&missing.message);
            exit::with_code(missing.code)
        })?;
        let started = self.output.writers().and_then(|[stdout, stderr]| {
            start(
                &program,
                Surroundings {
                    folder: &self.order.folder,
                    env: &env,
                    stdout: stdout.into(),
                    stderr: stderr.into(),
                    files: self.order.limits.files,
                    cgroup: self.memory.begin(),
                },
            )
        });
        let child = started.map_err(|error| {
            self.output.note(&format!("landfall: {}: {error}", program.file.display()));
            let missing = error.kind() == io::ErrorKind::NotFound;
            exit::with_code(if missing { NOT_FOUND } else { NOT_EXECUTABLE })
        })?;
        self.session = Some(Session::of_instance(child.id(), self.memory.cgroup()));
        // The number is ours until it is reaped, also if it has ended already.
        Main::hold(child.id(), clock::now(), true, program.target).map_err(|error| {
            self.output.note(&format!("landfall: process {} cannot be held: {error}", child.id()));
            exit::unknown()
        })
    }

    /// Tells everybody who listens what changed, and keeps it for who comes later.
    fn tell(&mut self, always: bool) {
        let report = report_of(&self.machine, self.main.as_ref());
        if report == self.told.report && !always {
            return;
        }
        let ticks = self.main.as_ref().and_then(|main| main.ticks);
        self.told = Kept { ticks, cgroup: self.memory.cgroup(), ..Kept::new(report) };
        // Kept before it is told, so that who hears of it finds it there. On a full disk the next shim finds the
        // process by its pipes.
        let _ = self.told.write(&self.folder);
        self.server.publish(&self.told.report);
    }
}

fn secrets_of(order: &Order) -> io::Result<BTreeMap<String, String>> {
    order.secrets.as_deref().map_or_else(|| Ok(BTreeMap::new()), read_secrets)
}

fn report_of(machine: &Machine, main: Option<&Main>) -> Report {
    Report {
        state: machine.state(),
        pid: main.map(|main| main.pid),
        started: main.map(|main| main.started),
        restarts: machine.restarts,
        last_exit: machine.last_exit.clone(),
        shim_pid: std::process::id(),
    }
}
