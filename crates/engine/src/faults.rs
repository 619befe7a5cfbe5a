//! The faults of a transaction as a whole: what is said when it stops, goes back, or cannot.

use std::io;
use std::path::Path;

use landfall_model::{Blame, EnvironmentName, Fault, FaultKind, Plan, ReleaseId, Retry};

/// The journal cannot be written any more; the transaction stays open.
pub(crate) fn unwritable(path: &Path, environment: &EnvironmentName, error: &io::Error) -> Fault {
    Fault::new(
        FaultKind::NeedsPerson,
        Blame::Machine,
        Retry::AfterFix,
        format!("the journal {} cannot be written: {error}; nothing more was done", path.display()),
    )
    .help(format!(
        "free space or mend the disk, then `landfall resume {environment}` goes on or `landfall undo {environment}` takes it back"
    ))
}

/// The journal could not even be begun: nothing happened.
pub(crate) fn not_begun(path: &Path, error: &io::Error) -> Fault {
    Fault::machine(format!(
        "the journal {} cannot be written: {error}; nothing was done, what served serves on",
        path.display()
    ))
    .help("free space or mend the disk, then try again")
}

/// The disk filled up under a transaction.
pub(crate) fn no_space(path: &Path) -> Fault {
    Fault::machine(format!(
        "no space is left for the journal {}; it was written with its reserve",
        path.display()
    ))
    .help("free space, then try again")
}

/// Another holds the lease: everything stops as it is.
pub(crate) fn fenced(fault: Fault) -> Fault {
    fault.kind(FaultKind::Interrupted)
}

/// A person asked to stop.
pub(crate) fn interrupted(environment: &EnvironmentName, before: &str) -> Fault {
    Fault::new(
        FaultKind::Interrupted,
        Blame::User,
        Retry::Safe,
        format!("stopped on request before `{before}`; the journal is intact"),
    )
    .help(format!("`landfall resume {environment}` goes on, `landfall undo {environment}` takes it back"))
}

/// A person asked to stop while a new release was made out of what the old one ran in, so that everything is taken back.
pub(crate) fn interrupted_in_replacement() -> Fault {
    Fault::new(
        FaultKind::Interrupted,
        Blame::User,
        Retry::Safe,
        "stopped on request while containers were replaced",
    )
}

/// A person asked to stop while requests were held, so that everything is taken back.
pub(crate) fn interrupted_in_pause() -> Fault {
    Fault::new(
        FaultKind::Interrupted,
        Blame::User,
        Retry::Safe,
        "stopped on request while requests were held",
    )
}

/// A person asked to stop while a new release had a share of the requests that nobody judges then.
pub(crate) fn interrupted_in_canary() -> Fault {
    Fault::new(
        FaultKind::Interrupted,
        Blame::User,
        Retry::Safe,
        "stopped on request in the middle of the canary, which nobody would judge any more",
    )
}

/// A person wants it taken back.
pub(crate) fn aborted() -> Fault {
    Fault::new(FaultKind::Failed, Blame::User, Retry::Safe, "it was aborted by hand")
}

/// A step's failure, with what serves now that all was taken back.
pub(crate) fn rolled_back(fault: Fault, plan: &Plan) -> Fault {
    let before: Vec<&ReleaseId> = plan
        .services
        .iter()
        .filter(|line| line.from != line.to)
        .filter_map(|line| line.from.as_ref())
        .collect();
    let now = match before.as_slice() {
        [] => "nothing served before, and nothing serves now".to_owned(),
        [release] => format!("{release} serves on"),
        several => format!("the {} releases before serve on", several.len()),
    };
    let kind = if fault.kind == FaultKind::Interrupted { fault.kind } else { FaultKind::Failed };
    let message = format!("{}; {now}", fault.message);
    Fault { message, ..fault.kind(kind) }
}

/// Taking back failed too.
pub(crate) fn stuck_back(why: Option<Fault>, failures: &[String], environment: &EnvironmentName) -> Fault {
    let what = failures.join("; ");
    let fault = why.unwrap_or_else(|| {
        Fault::new(FaultKind::NeedsPerson, Blame::Machine, Retry::AfterFix, "it was to be taken back")
    });
    let message = format!("{}; taking it back failed: {what}", fault.message);
    let help = format!("mend what is named, then `landfall undo {environment}` tries again");
    let mut fault = fault.kind(FaultKind::NeedsPerson).help(help);
    fault.retry = Retry::AfterFix;
    fault.message = message;
    fault
}

/// The new releases serve, but what was to be taken away is not.
pub(crate) fn stuck_forward(failures: &[String], environment: &EnvironmentName) -> Fault {
    Fault::new(
        FaultKind::NeedsPerson,
        Blame::Machine,
        Retry::AfterFix,
        format!("not everything could be taken away: {}", failures.join("; ")),
    )
    .help(format!("mend what is named, then `landfall resume {environment}` tries again"))
}

/// All was taken back, but what serves again is ill.
pub(crate) fn unwell(unwell: &[String]) -> Fault {
    Fault::new(
        FaultKind::NeedsPerson,
        Blame::Application,
        Retry::AfterFix,
        format!("all was taken back, but not all that serves again is healthy: {}", unwell.join("; ")),
    )
    .help("deploy a release that works; `landfall logs` shows what this one printed")
}
