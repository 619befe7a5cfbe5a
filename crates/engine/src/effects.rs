//! Performs one step, or one action of taking back, on the host.

use landfall_fx::host::{Host, Note, Task};
use landfall_model::{Fault, PlanKind, Release, ReleaseId, ReleaseState, Step};

use crate::back::Back;
use crate::journal::Proof;
use crate::outlook::Outlook;

/// What a step that was performed leaves: a note, and of a read back the proof.
pub(crate) type Performed = (Note, Option<Proof>);

/// Performs a step.
pub(crate) fn perform(
    host: &dyn Host,
    outlook: &Outlook<'_>,
    step: &Step,
    task: &dyn Task,
) -> Result<Performed, Fault> {
    let release = |id: &ReleaseId| outlook.release(id);
    let note = match step {
        Step::Prepare { release: id } => {
            host.record(release(id)?)?;
            host.prepare(release(id)?, task)?
        }
        Step::Test { release: id } => host.test(release(id)?, task)?,
        Step::Hold { release: id } => host.hold(release(id)?)?,
        Step::Stop { release: id } => host.stop(release(id)?)?,
        Step::Start { release: id } => host.start(release(id)?, task)?,
        Step::AwaitHealthy { release: id } => host.await_healthy(release(id)?, task)?,
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
        Step::Retire { release: id } => {
            // First the state: draining may be over, and say so, before `retire` returns.
            host.set_state(release(id)?, ReleaseState::Retiring)?;
            host.retire(release(id)?)?
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
    if instances.len() != expected.len() {
        return wrong(format!("{} of {} instances were found", instances.len(), expected.len()));
    }
    for instance in &instances {
        if instance.digest != release.artifact {
            return wrong(format!(
                "instance {} ran from files with the digest {} instead of {}",
                instance.id, instance.digest, release.artifact
            ));
        }
        if !instance.healthy {
            return wrong(format!("instance {} was not healthy", instance.id));
        }
    }
    let traffic: std::collections::BTreeMap<String, u32> =
        host.traffic(release)?.into_iter().filter(|(_, share)| *share > 0).collect();
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
        Back::Stop(id) => host.stop(release(id)?).map(drop),
        Back::Start(id) => host.start(release(id)?, task).map(drop),
        Back::Await(id) => host.await_healthy(release(id)?, task).map(drop),
        Back::Hold(id) => host.hold(release(id)?).map(drop),
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
