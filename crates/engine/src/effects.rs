//! Performs one step, or one action of taking back, on the host.

use std::collections::BTreeMap;

use landfall_fx::host::{Host, Note, Part, Split, Task};
use landfall_model::{Fault, PlanKind, Release, ReleaseId, ReleaseState, Runtime, Step, percentages};

use crate::back::Back;
use crate::context::Context;
use crate::journal::Proof;
use crate::judge::{Bench, judge};
use crate::outlook::Outlook;

/// What a step that was performed leaves: a note, and of a read back the proof.
pub(crate) type Performed = (Note, Option<Proof>);

/// Performs a step.
pub(crate) fn perform(
    context: &Context<'_>,
    outlook: &Outlook<'_>,
    index: usize,
    task: &dyn Task,
) -> Result<Performed, Fault> {
    let (host, step) = (context.host, &outlook.plan.steps[index]);
    let release = |id: &ReleaseId| outlook.release(id);
    let note = match step {
        Step::Prepare { release: id } => {
            host.record(release(id)?)?;
            host.prepare(release(id)?, task)?
        }
        Step::Test { release: id } => host.test(release(id)?, task)?,
        Step::Hold { release: id } => host.hold(release(id)?, task)?,
        Step::Stop { release: id } => {
            // What went without a successor still has requests under way.
            let left = outlook.unrouted_before(id, index);
            let left = if left { host.drain(release(id)?, task)? } else { None };
            host.stop(release(id)?)?.or(left)
        }
        Step::Start { release: id, upto } => {
            let release = release(id)?;
            host.start(release, upto.unwrap_or(release.spec.replicas), task)?
        }
        Step::AwaitHealthy { release: id, upto } => {
            let release = release(id)?;
            host.await_healthy(release, upto.unwrap_or(release.spec.replicas), task)?
        }
        Step::Roll { from, to, old, new } => {
            let part = |id, count| Ok(Part { release: release(id)?, instances: count, weight: count });
            share(host, &Split { from: part(from, *old)?, to: part(to, *new)?, sticky: None })?
        }
        Step::Shift { from, to, percent } => shift(host, release(from)?, release(to)?, *percent)?,
        Step::Judge { from, to, percent } => {
            let (from, to, percent) = (release(from)?, release(to)?, *percent);
            judge(&Bench { context, from, to, percent, index }, task)?
        }
        Step::Shrink { release: id, left } => host.shrink(release(id)?, *left)?,
        Step::Switch { to, .. } => {
            let note = host.switch(release(to)?)?;
            activate(host, release(to)?)?;
            note
        }
        Step::ReadBack { release: id } => {
            let proof = read_back(host, release(id)?)?;
            return Ok((proof_note(&proof), Some(proof)));
        }
        Step::Unroute { release: id } => {
            host.unroute(release(id)?)?;
            None
        }
        Step::Retire { release: id, warm } => {
            // First the state: draining may be over, and say so, before `retire` returns.
            host.set_state(release(id)?, ReleaseState::Retiring)?;
            host.retire(release(id)?, *warm)?
        }
        Step::Prune { service, keep } => {
            let to = outlook.line(service).and_then(|line| line.to.as_ref());
            let to = to.ok_or_else(|| Fault::internal(format!("the plan prunes `{service}`, which goes")))?;
            host.prune(release(to)?, *keep)?
        }
        Step::Remove { release: id, volumes } => host.remove(release(id)?, *volumes)?,
    };
    Ok((note, None))
}

/// Sends a share of the requests to a new release.
fn shift(host: &dyn Host, from: &Release, to: &Release, percent: u32) -> Result<Note, Fault> {
    let part = |release, weight| Part { release, instances: release.spec.replicas, weight };
    let sticky = to.spec.canary.as_ref().and_then(|canary| canary.sticky.as_ref());
    share(host, &Split { from: part(from, 100_u32.saturating_sub(percent)), to: part(to, percent), sticky })
}

/// Lets two releases share the requests, and reads back that they do.
fn share(host: &dyn Host, split: &Split<'_>) -> Result<Note, Fault> {
    let note = host.split(split)?;
    let parts = [split.from, split.to];
    let names = parts.map(|part| part.release.id.version().to_string());
    let wanted: BTreeMap<String, u32> = names
        .into_iter()
        .zip(percentages(&parts.map(|part| part.weight)))
        .filter(|(_, share)| *share > 0)
        .collect();
    let traffic = shares(host, split.to.release)?;
    if traffic != wanted {
        return Err(Fault::machine(format!(
            "the proxy was told to share the requests as {wanted:?}, and shares them as {traffic:?}"
        )));
    }
    Ok(note)
}

/// Who gets the requests, as the proxy says; those with none are left out.
fn shares(host: &dyn Host, release: &Release) -> Result<BTreeMap<String, u32>, Fault> {
    Ok(host.traffic(release)?.into_iter().filter(|(_, share)| *share > 0).collect())
}

/// Whether a step whose outcome was not written down is done for certain.
pub(crate) fn is_done(host: &dyn Host, outlook: &Outlook<'_>, step: &Step) -> Result<bool, Fault> {
    match step {
        Step::Prepare { release } => host.is_prepared(outlook.release(release)?),
        Step::Stop { release } => host.is_running(outlook.release(release)?).map(|running| !running),
        // Doing the others again costs no more than asking; a switch done again also lets through what was held again.
        _ => Ok(false),
    }
}

fn is_active(host: &dyn Host, release: &Release) -> Result<bool, Fault> {
    let active = host.active(&release.app, &release.environment, release.service())?;
    Ok(active.as_ref() == Some(&release.id))
}

/// Makes a release the active one, once: a second time would make it its own predecessor.
fn activate(host: &dyn Host, release: &Release) -> Result<(), Fault> {
    if is_active(host, release)? { Ok(()) } else { host.set_state(release, ReleaseState::Active) }
}

/// Reads back a release that took over, and fails unless all of it runs from the right files, is healthy and gets
/// every request.
fn read_back(host: &dyn Host, release: &Release) -> Result<Proof, Fault> {
    let version = release.id.version().to_string();
    let wrong = |what: String| {
        Err(Fault::application(format!("{} was switched to, and then {what}", release.id))
            .help(format!("`landfall logs` shows what `{}` printed", release.service())))
    };
    let instances = host.read_back(release)?;
    let expected = release.instances();
    // A compose project is one instance of as many containers as its file says.
    let enough = match release.spec.runtime {
        Runtime::Compose => !instances.is_empty(),
        Runtime::Process | Runtime::Docker => instances.len() == expected.len(),
    };
    if !enough {
        return wrong(format!("{} of {} instances were found", instances.len(), expected.len()));
    }
    for instance in &instances {
        if !instance.is_right(&release.artifact) {
            return wrong(format!(
                "instance {} ran what has the digest {} instead of {}",
                instance.container.as_deref().unwrap_or(instance.id.as_str()),
                instance.digest,
                instance.wanted.unwrap_or(release.artifact)
            ));
        }
        if !instance.healthy {
            return wrong(format!("instance {} was not healthy", instance.id));
        }
    }
    let traffic = shares(host, release)?;
    if release.spec.route.is_some() && (traffic.len() != 1 || traffic.get(&version) != Some(&100)) {
        return wrong(format!("the proxy gave its requests to {traffic:?} instead of all to {version}"));
    }
    let served = host.prove(release)?;
    if let Some(served) = &served
        && served.version != version
    {
        return wrong(format!("a request for {} was answered by {}", served.path, served.version));
    }
    Ok(Proof { instances, traffic, served })
}

fn proof_note(proof: &Proof) -> Note {
    let served = proof
        .served
        .as_ref()
        .map(|served| format!("{} answered {} for {}", served.version, served.status, served.path));
    served.or_else(|| match proof.instances.len() {
        0 => None,
        1 => Some("1 instance, digest right".to_owned()),
        count => Some(format!("{count} instances, digests right")),
    })
}

/// Performs one action of taking back.
pub(crate) fn take_back(
    host: &dyn Host,
    outlook: &Outlook<'_>,
    action: &Back,
    task: &dyn Task,
) -> Result<(), Fault> {
    let release = |id: &ReleaseId| outlook.release(id);
    match action {
        Back::Discard(id) => host.discard(release(id)?),
        Back::Drain(id) => host.drain(release(id)?, task).map(drop),
        Back::Stop(id) => host.stop(release(id)?).map(drop),
        Back::Start(id) => {
            let release = release(id)?;
            host.start(release, release.spec.replicas, task).map(drop)
        }
        Back::Await(id) => {
            let release = release(id)?;
            host.await_healthy(release, release.spec.replicas, task).map(drop)
        }
        Back::Hold(id) => host.hold(release(id)?, task).map(drop),
        Back::Switch(id) => host.switch(release(id)?).map(drop),
        Back::Unroute(id) => host.unroute(release(id)?),
        Back::Ledger { from, to } => ledger_back(host, outlook, from.as_ref(), release(to)?),
    }
}

fn ledger_back(
    host: &dyn Host,
    outlook: &Outlook<'_>,
    from: Option<&ReleaseId>,
    to: &Release,
) -> Result<(), Fault> {
    if let Some(from) = from {
        activate(host, outlook.release(from)?)?;
    }
    let state =
        if outlook.plan.kind == PlanKind::Rollback { ReleaseState::Kept } else { ReleaseState::Failed };
    host.set_state(to, state)
}
