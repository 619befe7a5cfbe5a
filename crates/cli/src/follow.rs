//! Watching a transaction to its end: events to the reporter, Ctrl-C to the agent, and a lost agent to a person.

use std::io;
use std::process::ExitCode;

use landfall_model::{
    Blame, Event, Fault, FaultKind, Observed, OpenTransaction, Outcome, Retry, Stamped, TransactionId,
};
use landfall_targets::host::CallError;
use landfall_view::Reporter;

use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::session::Session;
use crate::settings::Settings;
use crate::settle::word;

/// What a transaction was begun for: decides whether its being taken back is what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be done.
    Done,
    /// To be taken back.
    Undone,
}

/// How a transaction ended.
#[derive(Debug)]
pub(crate) struct Ended {
    outcome: Outcome,
    fault: Option<Fault>,
}

impl Ended {
    /// The exit code; the reporter has shown the rest.
    pub(crate) fn exit_code(&self, purpose: Purpose) -> ExitCode {
        match self.failure(purpose) {
            Some(kind) => ExitCode::from(kind.exit_code()),
            None => ExitCode::SUCCESS,
        }
    }

    /// Ends the command unless the transaction came to what it was for.
    pub(crate) fn require(&self, purpose: Purpose) -> Result<(), Failure> {
        self.failure(purpose).map_or(Ok(()), |kind| Err(Failure::Drawn(kind)))
    }

    /// Whether the agent refused to do it: nothing was done, and the transaction is as open as it was.
    pub(crate) fn is_refused(&self) -> bool {
        self.outcome == Outcome::Interrupted
            && self.fault.as_ref().is_some_and(|f| f.kind == FaultKind::Refused)
    }

    fn failure(&self, purpose: Purpose) -> Option<FaultKind> {
        let kind = self.fault.as_ref().map(|fault| fault.kind);
        match self.outcome {
            Outcome::Done | Outcome::Unchanged => None,
            // What serves could not be told, or was not what served before: that is not what an undo is asked for.
            Outcome::RolledBack if purpose == Purpose::Undone => {
                kind.filter(|k| *k == FaultKind::NeedsPerson)
            }
            Outcome::RolledBack => Some(kind.unwrap_or(FaultKind::Failed)),
            Outcome::Interrupted => Some(kind.unwrap_or(FaultKind::Interrupted)),
            Outcome::NeedsPerson => Some(FaultKind::NeedsPerson),
        }
    }
}

/// Shows a transaction's events until it ends.
///
/// The first Ctrl-C asks the agent to stop before the next step, the second one leaves at once. When the connection is
/// lost, the agent is looked for, and started, once for every event that came through since.
///
/// # Errors
/// Interrupted twice, or an agent that went away with the transaction open: it needs a person.
pub(crate) async fn follow(
    settings: &Settings,
    session: &Session,
    transaction: TransactionId,
) -> Result<Ended, Failure> {
    let mut watch = Watch {
        settings,
        transaction,
        reporter: Some(landfall_view::reporter(
            settings.reporter_kind(),
            settings.detail,
            Box::new(io::stdout()),
            settings.style,
        )),
        interrupts: Interrupts::listen()?,
        asked: false,
        seen: 0,
    };
    let mut reopened: Option<Session> = None;
    loop {
        let current = reopened.as_ref().unwrap_or(session);
        let before = watch.seen;
        match watch.events(current).await? {
            Heard::End(ended) => {
                watch.finish();
                return Ok(ended);
            }
            Heard::Lost(why) => {
                watch.finish();
                settings.note("the agent went away; looking for it");
                if reopened.is_some() && watch.seen == before {
                    return Err(unknown(session, transaction, &why).into());
                }
                reopened = Some(watch.find(current).await?);
            }
        }
    }
}

/// One transaction being watched.
struct Watch<'a> {
    settings: &'a Settings,
    transaction: TransactionId,
    /// `None` when nobody reads any more; the transaction is watched to its end for the exit code.
    reporter: Option<Box<dyn Reporter>>,
    interrupts: Interrupts,
    asked: bool,
    /// The number of the last event that was shown.
    seen: u64,
}

enum Heard {
    End(Ended),
    Lost(String),
}

impl Watch<'_> {
    /// Shows events until the last one or until the connection breaks.
    async fn events(&mut self, session: &Session) -> Result<Heard, Failure> {
        let app = session.app();
        let mut lines = match app.events(self.transaction, self.seen).await {
            Ok(lines) => lines,
            Err(CallError::Fault(fault)) => return Err(fault.into()),
            Err(error) => return Ok(Heard::Lost(error.to_string())),
        };
        loop {
            let next = tokio::select! {
                next = lines.next() => next,
                () = self.interrupts.next() => {
                    if self.asked {
                        self.finish();
                        return Err(self.left(session).into());
                    }
                    self.asked = true;
                    self.settings.note("asked to stop before the next step; once more leaves at once");
                    // An agent that is gone is noticed by the stream of events, which is the next thing looked at.
                    let _ = app.cancel(self.transaction).await;
                    continue;
                }
            };
            match next {
                Ok(Some(event)) => {
                    if let Some(ended) = self.show(event) {
                        return Ok(Heard::End(ended));
                    }
                }
                Ok(None) => return Ok(Heard::Lost("it ended before the transaction did".to_owned())),
                Err(CallError::Fault(fault)) => return Err(fault.into()),
                Err(error) => return Ok(Heard::Lost(error.to_string())),
            }
        }
    }

    fn show(&mut self, event: Stamped) -> Option<Ended> {
        self.seen = event.seq;
        if self.reporter.as_mut().is_some_and(|reporter| reporter.event(&event).is_err()) {
            self.reporter = None;
        }
        match event.event {
            Event::Ended { outcome, fault, .. } => Some(Ended { outcome, fault }),
            _ => None,
        }
    }

    fn finish(&mut self) {
        if self.reporter.as_mut().is_some_and(|reporter| reporter.finish().is_err()) {
            self.reporter = None;
        }
    }

    /// Reaches the agent again and sees whether the transaction goes on or has ended there.
    async fn find(&self, session: &Session) -> Result<Session, Failure> {
        let found = session.reopen().await?;
        let observed: Observed = found.app().observed().await?;
        match observed.open {
            Some(open) if open.transaction == self.transaction && !open.running => {
                Err(stranded(session, &open).into())
            }
            // It goes on, or it has ended and its last events are there to be read.
            _ => Ok(found),
        }
    }

    fn left(&self, session: &Session) -> Fault {
        let environment = session.environment();
        Fault::new(
            FaultKind::Interrupted,
            Blame::User,
            Retry::Safe,
            format!("left transaction {} to the agent, which stops before its next step", self.transaction),
        )
        .help(format!("`landfall status {environment}` shows where it stands"))
    }
}

fn stranded(session: &Session, open: &OpenTransaction) -> Fault {
    let environment = session.environment();
    let OpenTransaction { transaction, done, steps, doing, switched, .. } = open;
    let traffic = if *switched { "traffic was switched already" } else { "traffic was not switched yet" };
    Fault::new(
        FaultKind::NeedsPerson,
        Blame::Machine,
        Retry::Safe,
        format!(
            "the agent ended while {} {transaction} was at step {} of {steps} ({doing}); {traffic}",
            word(open.kind),
            (done + 1).min(*steps)
        ),
    )
    .help(format!("`landfall resume {environment}` finishes it, `landfall undo {environment}` takes it back"))
}

fn unknown(session: &Session, transaction: TransactionId, why: &str) -> Fault {
    let environment = session.environment();
    Fault::new(
        FaultKind::NeedsPerson,
        Blame::Machine,
        Retry::AfterFix,
        format!("the agent went away twice ({why}) and cannot be asked how transaction {transaction} stands"),
    )
    .help(format!(
        "`landfall status {environment}` shows what is true; `agent.log` in the state folder says why the agent ended"
    ))
}
