//! How a transaction ended: what happened, why, and what serves now.

use std::time::Duration;

use landfall_model::{AppName, EnvironmentName, Fault, Outcome, PlanKind, Receipt, TransactionId};

use crate::amount::{length, millis};
use crate::fault;
use crate::line::Line;
use crate::open::command;
use crate::page::Page;
use crate::receipt::summary;
use crate::style::Ink;
use crate::words;

/// Which transaction it is.
pub(super) struct Headline {
    pub(super) transaction: TransactionId,
    pub(super) app: AppName,
    pub(super) environment: EnvironmentName,
    pub(super) kind: PlanKind,
}

impl Headline {
    /// `deploy #12 of guestbook to dev`.
    pub(super) fn name(&self) -> String {
        let place = if self.kind == PlanKind::Deploy { "to" } else { "in" };
        format!(
            "{} {} of {} {place} {}",
            words::kind(self.kind),
            self.transaction,
            self.app,
            self.environment
        )
    }

    fn done(&self) -> String {
        let Self { app, environment, kind, .. } = self;
        match kind {
            PlanKind::Deploy => format!("{app} is deployed to {environment}"),
            PlanKind::Rollback => format!("{app} is rolled back in {environment}"),
            PlanKind::Down => format!("{app} is taken down in {environment}"),
        }
    }
}

/// What is known at the end.
pub(super) struct Ending<'a> {
    pub(super) outcome: Outcome,
    pub(super) receipts: &'a [Receipt],
    pub(super) fault: Option<&'a Fault>,
    pub(super) took: Option<Duration>,
}

/// Shows it. A transaction whose beginning was not seen has no headline.
pub(super) fn ended(page: &mut Page<'_>, headline: Option<&Headline>, ending: &Ending<'_>) {
    let name = headline.map_or_else(|| "the transaction".to_owned(), Headline::name);
    let took = ending.took.map(|took| length(millis(took)));
    let (ink, text) = match ending.outcome {
        Outcome::Done => {
            let done = headline.map_or_else(|| "done".to_owned(), Headline::done);
            let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
            (Ink::Good, format!("{done}{took}"))
        }
        Outcome::Unchanged => (Ink::Good, format!("{name}: nothing changed")),
        Outcome::RolledBack if ending.fault.is_none() => {
            // Nothing failed: it was asked for.
            (Ink::Good, format!("{name} is taken back"))
        }
        Outcome::RolledBack => {
            let took = took.map(|took| format!(" after {took}")).unwrap_or_default();
            (Ink::Bad, format!("{name} failed{took} and was taken back"))
        }
        Outcome::Interrupted => {
            (Ink::Warn, format!("{name} was stopped before it was done; its journal is intact"))
        }
        Outcome::NeedsPerson => {
            (Ink::Bad, format!("{name} failed and could not be taken back: it needs a person"))
        }
    };
    let mark = match ink {
        Ink::Good => page.sign("✓ ", "ok   "),
        Ink::Bad => page.sign("✗ ", "FAIL "),
        _ => "! ",
    };
    page.flow(Line::of(ink, mark), 2, Line::of(Ink::Strong, text));
    if let Some(fault) = ending.fault {
        page.blank();
        fault::draw(page, fault);
    }
    for receipt in ending.receipts {
        page.blank();
        summary(page, receipt);
    }
    if ending.outcome == Outcome::RolledBack && ending.receipts.is_empty() {
        page.blank();
        page.flow(Line::from("  "), 2, Line::from("What served before serves on."));
    }
    if let Some(headline) = headline {
        advice(page, headline, ending.outcome);
    }
}

fn advice(page: &mut Page<'_>, headline: &Headline, outcome: Outcome) {
    let environment = &headline.environment;
    match outcome {
        Outcome::Interrupted => {
            let line = Line::of(Ink::Strong, command("resume", environment))
                .and(" finishes it, ")
                .with(Ink::Strong, command("undo", environment))
                .and(" takes it back");
            page.flow(Line::new(), 2, line);
        }
        Outcome::NeedsPerson => {
            let line = Line::from("look with ")
                .with(Ink::Strong, command("status", environment))
                .and(", then give ")
                .with(Ink::Strong, command("resume", environment))
                .and(" or ")
                .with(Ink::Strong, command("undo", environment));
            page.blank();
            page.flow(Line::new(), 2, line);
        }
        Outcome::Done | Outcome::Unchanged | Outcome::RolledBack => {}
    }
}
