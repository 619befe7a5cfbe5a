//! Waiting for a project to become healthy, and what is found out when it does not.

use std::time::Duration;

use landfall_docker::{LogOptions, State};
use landfall_fx::host::{Note, Task};
use landfall_model::{
    Autopsy, Evidence, Exit, Fault, FaultKind, HealthAnswer, InstanceId, Millis, Release, Stream,
};
use landfall_shim::{Redactor, evidence};

use super::judge::{self, Verdict};
use super::pinned::Pinned;
use super::port;
use super::seen::Seen;
use crate::host::LocalHost;
use crate::runtimes::process::health;
use crate::runtimes::steady::Answers;
use crate::state::Measured;

/// Between two looks at first, and after `EAGER`.
const LOOK_EAGER: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_millis(250);
const EAGER: Duration = Duration::from_secs(5);

/// Lines of output that go into an autopsy.
const AUTOPSY_LINES: u32 = 40;

impl LocalHost {
    /// Waits until every part of a project is healthy, and where it answers at a port of this host, until it does.
    pub(super) fn await_project(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        let pinned = self.pinned_before(release)?;
        let address = self.state().instances_of(release)?.into_iter().find_map(|row| row.address);
        let begun = self.clock().elapsed();
        let stable = release.spec.health.stable.0;
        let (mut answers, mut last) = (Answers::default(), None);
        loop {
            if task.cancelled() {
                let fault = Fault::application("waiting for health was interrupted");
                return Err(fault.kind(FaultKind::Interrupted));
            }
            let waited = self.clock().elapsed() - begun;
            let seen = self.seen(release)?;
            let verdict = match judge::judge(&pinned, &seen, stable, self.clock().now()) {
                Verdict::Healthy => {
                    self.answers(release, &pinned, &seen, address.as_deref(), (&mut answers, &mut last))
                }
                other => {
                    last = None;
                    other
                }
            };
            match verdict {
                Verdict::Healthy => {
                    let boot = Millis::from(waited + self.up_took(&seen, begun));
                    // A figure for the next forecast; the project is healthy without it.
                    let _ = self.state().measured(release, Measured::Boot, boot.0);
                    return Ok(Some(format!("{} containers healthy", seen.len())));
                }
                Verdict::Failed(index, why) => {
                    return Err(self.unwell(release, index.map(|index| &seen[index]), &why, waited, last));
                }
                Verdict::Waits(why) if waited >= release.spec.health.start_period.duration() => {
                    let at = seen.iter().find(|one| why.starts_with(&format!("`{}` ", one.part)));
                    let why = format!("after {} {why}", Millis::from(waited));
                    return Err(self.unwell(release, at, &why, waited, last));
                }
                Verdict::Waits(_) => self.clock().sleep(if waited < EAGER { LOOK_EAGER } else { LOOK }),
            }
        }
    }

    /// How long ago, before `begun`, the newest container was made: compose waits by itself for what others need.
    fn up_took(&self, seen: &[Seen], begun: Duration) -> Duration {
        let now = self.clock().now();
        let since = self.clock().elapsed() - begun;
        let newest = seen.iter().filter_map(|one| one.container.created).max();
        newest.map(|made| now.since(made).saturating_sub(since)).unwrap_or_default()
    }

    /// Whether the part that answers does, where a path to ask for is said or nothing else tells.
    fn answers(
        &self,
        release: &Release,
        pinned: &Pinned,
        seen: &[Seen],
        address: Option<&str>,
        (answers, last): (&mut Answers, &mut Option<HealthAnswer>),
    ) -> Verdict {
        let (Some((name, port)), Some(address)) = (&pinned.answers, address) else { return Verdict::Healthy };
        let checks_itself = seen.iter().any(|one| one.part == *name && one.container.health.is_some());
        if release.spec.health.path.is_none() && checks_itself {
            return Verdict::Healthy;
        }
        loop {
            match self.wait_for(health::check(address, &release.spec.health)) {
                Ok(()) if answers.good() => return Verdict::Healthy,
                Ok(()) if answers.hurries() => continue,
                Ok(()) => {}
                Err(answer) => {
                    answers.bad();
                    *last = Some(answer);
                }
            }
            let told = answers.told();
            return Verdict::Waits(format!("`{name}` does not answer well at its port {port}{told}"));
        }
    }

    /// That `docker compose up` failed: with the container that it failed for, where one did.
    pub(super) fn not_up(&self, release: &Release, pinned: &Pinned, fault: Fault) -> Fault {
        let Ok(seen) = self.seen(release) else { return fault };
        let at = seen.iter().find_map(|one| Some((one, port::taken(one.container.error.as_deref()?)?)));
        if let Some((one, port)) = at {
            return self.port_taken(release, Some(&one.part), port);
        }
        if let Some(port) = port::taken(&fault.message) {
            return self.port_taken(release, None, port);
        }
        let verdict = judge::judge(pinned, &seen, release.spec.health.stable.0, self.clock().now());
        let Verdict::Failed(Some(index), why) = verdict else {
            return match fault.message.contains("is already in use by container") {
                true => fault.help(
                    "somebody made a container of that name by hand: `docker rm -f` it and deploy again",
                ),
                false => fault,
            };
        };
        let autopsy = self.unwell(release, Some(&seen[index]), &why, Duration::ZERO, None);
        Fault {
            help: autopsy.help.or(fault.help),
            autopsy: autopsy.autopsy,
            ..Fault::application(autopsy.message)
        }
    }

    /// Why a project did not become healthy, with the autopsy of the container that it is about.
    fn unwell(
        &self,
        release: &Release,
        one: Option<&Seen>,
        why: &str,
        waited: Duration,
        last: Option<HealthAnswer>,
    ) -> Fault {
        let headline = format!("{} is not healthy: {why}", release.id);
        let Some(one) = one else { return Fault::application(headline) };
        let found = landfall_shim::autopsy(self.evidence_of(release, one, waited, last));
        // Of one that neither ended nor was asked, what its engine says is nearer than a guess.
        let guessed = found.evidence.exit.is_none() && found.evidence.health.is_none();
        let found = match guessed {
            true => Autopsy { cause: why.to_owned(), advice: None, ..found },
            false => found,
        };
        // How it ended is in `why` already.
        let end = found.cause.starts_with("it ended with");
        let headline = match found.cause.split_once("; ") {
            _ if found.evidence.exit.is_none() => headline,
            Some((_, said)) if end => format!("{headline}; {said}"),
            None if end => headline,
            _ => format!("{headline}: {}", found.cause),
        };
        let fault = Fault::application(headline);
        let fault = match found.advice.clone().filter(|_| found.evidence.exit.is_some()) {
            Some(advice) => fault.help(advice),
            None => fault,
        };
        fault.autopsy(found)
    }

    fn evidence_of(
        &self,
        release: &Release,
        one: &Seen,
        waited: Duration,
        last: Option<HealthAnswer>,
    ) -> Evidence {
        let container = &one.container;
        let pids = container.pid.map(evidence::processes).unwrap_or_default();
        Evidence {
            instance: instance_id(&container.id),
            command: container.command.join(" "),
            expected: None,
            exit: exit(one).filter(|_| container.state != State::Running || container.restarts > 0),
            restarts: container.restarts,
            waited_ms: Millis::from(waited).0,
            listeners: evidence::listeners(&pids),
            health: last,
            log: self.last_lines(release, one),
            variables: container.variables.clone(),
            memory: evidence::memory(&pids),
            memory_limit: container.memory,
            container: false,
        }
    }

    /// What a container printed last, secrets blacked out.
    fn last_lines(&self, release: &Release, one: &Seen) -> Vec<(Stream, String)> {
        let redactor = Redactor::new(&self.secret_values(release).unwrap_or_default());
        let options = LogOptions { tail: Some(AUTOPSY_LINES), ..LogOptions::default() };
        let Ok(engine) = self.docker() else { return Vec::new() };
        let read = async {
            let mut lines = Vec::new();
            let mut logs = engine.logs(&one.container.id, &options).await?;
            while let Some(line) = logs.next().await? {
                lines.push((line.stream, redactor.redact(&line.text).into_owned()));
            }
            Ok::<_, Fault>(lines)
        };
        self.wait_for(read).unwrap_or_default()
    }
}

/// The name of a container as an instance: the first ten digits of what the engine calls it.
pub(super) fn instance_id(id: &str) -> InstanceId {
    let digits: String = id.chars().take(10).collect();
    digits.parse().unwrap_or_else(|_| InstanceId::of_zero())
}

/// How a container's last run ended.
pub(super) fn exit(one: &Seen) -> Option<Exit> {
    let at = one.container.finished?;
    let code = one.container.exit_code?;
    // 128 and the signal's number is how an engine tells of a signal, `docker run`, "Exit status".
    let signals = [(130, "INT"), (134, "ABRT"), (137, "KILL"), (139, "SEGV"), (143, "TERM")];
    let signal = signals.into_iter().find(|(with, _)| *with == code).map(|(_, name)| name.to_owned());
    Some(Exit { code: signal.is_none().then_some(code), signal, oom: one.container.oom_killed, at })
}
