//! Begins a transaction, finishes one that was interrupted, or takes it back.

use std::path::Path;

use landfall_model::{Event, Fault, FaultKind, Outcome, ServiceName, Step};

use crate::context::{Context, Ended, Order};
use crate::driver::Driver;
use crate::faults;
use crate::forward::Walked;
use crate::journal::{Begun, FORMAT, Journal, Progress, Record, Writer, read};
use crate::outlook::Outlook;
use crate::receipt::metered_release;

/// What to do with a transaction that is open and at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Take it back.
    Undo,
    /// Finish it.
    Resume,
}

/// The shorter way to an end: back as long as nothing was switched or when it was on its way back, forward otherwise.
#[must_use]
pub fn shorter_way(journal: &Journal) -> Way {
    if !journal.undoing && journal.switched() { Way::Resume } else { Way::Undo }
}

/// Performs a plan from its begin. Emits every event but the last, which is [`Ended::event`].
pub fn run(context: &Context<'_>, journal: &Path, order: Order) -> Ended {
    let begun = Begun {
        format: FORMAT,
        transaction: order.transaction,
        holder: order.holder,
        begun: context.clock.now(),
        bytes_shipped: order.bytes_shipped,
        plan: order.plan,
    };
    if let Err(fault) = context.control.fence() {
        return nothing_done(fault);
    }
    let writer = match Writer::create(context.files, journal, begun.clone()) {
        Ok(writer) => writer,
        Err(error) => return nothing_done(faults::not_begun(journal, &error)),
    };
    let outlook = Outlook::new(&begun.plan);
    let driver = Driver::begin(*context, &outlook, journal, &begun, writer);
    driver.announce(false);
    if begun.plan.is_empty() {
        return driver.end(Outcome::Unchanged, None);
    }
    if let Err(fault) = start_meters(&driver) {
        return driver.end(Outcome::RolledBack, Some(faults::rolled_back(fault, &begun.plan)));
    }
    let steps = begun.plan.steps.len();
    walk(driver, &vec![true; steps], &vec![false; steps])
}

/// Finishes an interrupted transaction: one on its way forward is walked to its end, one on its way back is taken
/// back. Of one that has ended it gives what its journal says.
///
/// # Errors
/// A journal that cannot be read or written: nothing was done then.
pub fn resume(context: &Context<'_>, journal: &Path) -> Result<Ended, Fault> {
    go_on(context, journal, false)
}

/// Finishes an interrupted transaction without judging what is left of its canary.
///
/// # Errors
/// As [`resume`].
pub fn promote(context: &Context<'_>, journal: &Path) -> Result<Ended, Fault> {
    go_on(context, journal, true)
}

fn go_on(context: &Context<'_>, journal: &Path, promote: bool) -> Result<Ended, Fault> {
    let Some(read) = read(context.files, journal)? else { return Ok(never_begun(context, journal)) };
    if let Some(ended) = read.ended {
        return Ok(ended);
    }
    let outlook = Outlook::new(&read.plan);
    let mut driver = reopen(context, journal, &read, &outlook)?;
    if read.undoing {
        return Ok(driver.take_all_back(read.why.clone()));
    }
    if promote && let Err(halt) = driver.promote() {
        return Ok(halt.0);
    }
    let todo = todo(&outlook, &read);
    let probe: Vec<bool> = read.steps.iter().map(|step| *step == Progress::Open).collect();
    let done = read.steps.iter().enumerate().filter(|(index, _)| !todo[*index]);
    for (index, step) in done {
        if let Progress::Done { ms, note } = step {
            driver.emit(Event::StepDone { index, ms: *ms, note: note.clone() });
        }
    }
    if read.steps.iter().all(|step| *step == Progress::Waiting)
        && let Err(fault) = start_meters(&driver)
    {
        return Ok(driver.end(Outcome::RolledBack, Some(faults::rolled_back(fault, &read.plan))));
    }
    Ok(walk(driver, &todo, &probe))
}

/// Takes an open transaction back, whatever it was doing.
///
/// # Errors
/// A refusal when it has ended, or when what it took over from is gone: only `resume` is left then. A journal that
/// cannot be read or written: nothing was done.
pub fn undo(context: &Context<'_>, journal: &Path) -> Result<Ended, Fault> {
    let Some(read) = read(context.files, journal)? else { return Ok(never_begun(context, journal)) };
    if let Some(ended) = read.ended {
        if ended.outcome == Outcome::RolledBack {
            return Ok(ended);
        }
        return Err(Fault::refused(format!(
            "transaction {} has ended and cannot be undone",
            read.transaction
        ))
        .help("`landfall rollback` makes the release before serve again"));
    }
    let outlook = Outlook::new(&read.plan);
    if !read.undoing {
        refuse_irreversible(context, &outlook, &read)?;
    }
    let driver = reopen(context, journal, &read, &outlook)?;
    Ok(driver.take_all_back(read.why.clone()))
}

fn reopen<'a>(
    context: &Context<'a>,
    path: &'a Path,
    journal: &Journal,
    outlook: &'a Outlook<'a>,
) -> Result<Driver<'a>, Fault> {
    context.control.fence()?;
    let unwritable = |error| faults::unwritable(path, &journal.plan.environment, &error);
    let mut writer = Writer::reopen(context.files, path, journal).map_err(unwritable)?;
    writer.append(&Record::Resumed { at: context.clock.now() }).map_err(unwritable)?;
    let driver = Driver::go_on(*context, outlook, path, journal, writer);
    driver.announce(true);
    if let Some(cut) = &journal.cut {
        let what = if cut.torn { "a torn end was" } else { "a damaged part was" };
        driver.note(format!(
            "{what} cut off the journal: {} bytes from line {}, {}; they lie beside it in a file ending in .cut",
            cut.bytes, cut.line, cut.why
        ));
    }
    Ok(driver)
}

fn walk(mut driver: Driver<'_>, todo: &[bool], probe: &[bool]) -> Ended {
    match driver.forward(todo, probe) {
        Err(halt) => halt.0,
        Ok(Walked::Through) => driver.end(Outcome::Done, None),
        Ok(Walked::Short(failures)) => {
            let fault = faults::stuck_forward(&failures, &driver.outlook.plan.environment);
            Ended::without_receipts(Outcome::NeedsPerson, fault)
        }
        Ok(Walked::Failed(fault)) => driver.take_all_back(Some(fault)),
        Ok(Walked::Stopped(fault)) => Ended::without_receipts(Outcome::Interrupted, fault),
    }
}

/// The steps that are still to do. A restart of the machine may have undone, or the agent done again, what stops, starts
/// and switches: these steps are done once more until what they lead to is certain, which costs nothing where they are
/// still true. Old releases stay stopped until the switch, new ones run until they were read back.
fn todo(outlook: &Outlook<'_>, journal: &Journal) -> Vec<bool> {
    let done = |index: usize| matches!(journal.steps[index], Progress::Done { .. });
    let mixed = |service: &ServiceName| {
        let steps = outlook.plan.steps.iter().enumerate();
        let mixing = |step: &Step| matches!(step, Step::Roll { .. } | Step::Shift { .. });
        steps.rev().find(|(index, step)| step.service() == service && mixing(step) && done(*index))
    };
    let steps = outlook.plan.steps.iter().enumerate();
    steps
        .map(|(index, step)| {
            let service = step.service();
            let again = match step {
                Step::Hold { .. } | Step::Stop { .. } => !outlook.switch_of(service).is_some_and(done),
                // The proxy keeps what it was told last, unless its own file was lost.
                Step::Roll { .. } | Step::Shift { .. } => {
                    !outlook.switch_of(service).is_some_and(done)
                        && mixed(service).is_some_and(|(latest, _)| latest == index)
                }
                Step::Start { .. } | Step::AwaitHealthy { .. } | Step::Switch { .. } => {
                    !outlook.read_back_of(service).is_some_and(done)
                }
                _ => false,
            };
            again || !done(index)
        })
        .collect()
}

/// Refuses to take back what cannot come back: a service whose files are being removed, an old release that is gone.
fn refuse_irreversible(context: &Context<'_>, outlook: &Outlook<'_>, journal: &Journal) -> Result<(), Fault> {
    let environment = &journal.plan.environment;
    let only_forward = |what: String| {
        Fault::refused(format!("{what}, so that the transaction cannot be taken back"))
            .help(format!("`landfall resume {environment}` finishes it"))
    };
    let mut pruned = journal.damaged;
    for (step, progress) in journal.plan.steps.iter().zip(&journal.steps) {
        if *progress == Progress::Waiting {
            continue;
        }
        match step {
            Step::Remove { release, .. } => {
                return Err(only_forward(format!("the files of `{}` are being removed", release.service())));
            }
            Step::Prune { .. } => pruned = true,
            _ => {}
        }
    }
    let moved = journal.plan.services.iter().filter(|line| line.from != line.to);
    for from in moved.filter_map(|line| line.from.as_ref()).filter(|_| pruned) {
        if !context.host.is_prepared(outlook.release(from)?)? {
            return Err(only_forward(format!("the files of {from} are gone")));
        }
    }
    Ok(())
}

fn start_meters(driver: &Driver<'_>) -> Result<(), Fault> {
    let lines = driver.outlook.plan.services.iter();
    lines
        .filter_map(|line| metered_release(driver, line))
        .try_for_each(|release| driver.context.host.start_meter(release))
}

fn nothing_done(fault: Fault) -> Ended {
    Ended::without_receipts(Outcome::RolledBack, fault)
}

/// There is no first record: whoever began was killed before anything was done.
fn never_begun(context: &Context<'_>, journal: &Path) -> Ended {
    let fault = Fault::machine("it was interrupted before anything was done").kind(FaultKind::Failed);
    // What is left is no journal; should it stay, the next one to look finds the same.
    let _ = context.files.remove(journal);
    nothing_done(fault)
}
