//! How each container of a project is, and whether it is what was deployed.

use landfall_docker::State;
use landfall_model::{Digest, Fault, InstanceState, InstanceStatus, ReceiptInstance, Release};
use landfall_shim::evidence;

use super::boot::{exit, instance_id};
use super::judge;
use super::pinned::PinnedPart;
use super::seen::Seen;
use crate::host::LocalHost;
use crate::runtimes::process::health;
use crate::runtimes::steady;
use crate::state::InstanceRow;

impl LocalHost {
    /// Reads back every container: there, of the image that it was pinned to, healthy; and nothing beside them.
    pub(super) fn read_back_project(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        let pinned = self.pinned_before(release)?;
        let wrong = |what: String| Fault::machine(format!("{}: {what}", release.id));
        let seen = self.seen(release)?;
        if let Some(drift) = judge::drift(&pinned, &seen).into_iter().next() {
            return Err(wrong(drift).help("somebody changed the project while it was deployed; deploy again"));
        }
        let address = self.state().instances_of(release)?.into_iter().find_map(|row| row.address);
        if let Some(address) = address.filter(|_| release.spec.health.path.is_some())
            && self.wait_for(health::check(&address, &release.spec.health)).is_err()
        {
            return Err(wrong("it does not answer well any more".to_owned()));
        }
        seen.iter()
            .map(|one| {
                let part = &pinned.parts[&one.part];
                let digest = |text: &str| {
                    text.parse::<Digest>().map_err(|_| wrong(format!("the image `{text}` has no digest")))
                };
                Ok(ReceiptInstance {
                    host: self.host_name().to_owned(),
                    id: instance_id(&one.container.id),
                    pid: one.container.pid,
                    digest: digest(one.container.image.as_str())?,
                    wanted: Some(digest(&part.id)?),
                    container: Some(one.container.name.clone()),
                    healthy: judge::state(Some(part), one) == InstanceState::Healthy,
                })
            })
            .collect()
    }

    /// A line for each container, and one for each thing that differs from what was deployed. An engine that does not
    /// answer shows nothing that runs.
    pub(super) fn project_status(&self, row: &InstanceRow, release: &Release) -> Vec<InstanceStatus> {
        let pinned = self.pinned(release).ok().flatten();
        let seen = self.seen(release).unwrap_or_default();
        let answers = pinned.as_ref().and_then(|pinned| pinned.answers.clone());
        let mut all: Vec<InstanceStatus> = seen
            .iter()
            .map(|one| {
                let part = pinned.as_ref().and_then(|pinned| pinned.parts.get(&one.part));
                let address = answers.as_ref().filter(|(name, _)| *name == one.part).and(row.address.clone());
                let container = &one.container;
                InstanceStatus {
                    id: instance_id(&container.id),
                    state: judge::state(part, one),
                    address,
                    pid: container.pid,
                    started: container.started.filter(|_| container.is_running()),
                    restarts: container.restarts,
                    last_exit: exit(one)
                        .filter(|_| container.state != State::Running || container.restarts > 0),
                    memory: container.pid.and_then(|pid| evidence::memory(&evidence::processes(pid))),
                    container: Some(container.name.clone()),
                    checks: steady::counted(container),
                    drift: pinned.as_ref().and_then(|_| self.drift_of(part, one)),
                    ..blank(row)
                }
            })
            .collect();
        let drift = pinned.map(|pinned| judge::missing(&pinned, &seen)).unwrap_or_default();
        all.extend(drift.into_iter().map(|drift| InstanceStatus { drift: Some(drift), ..blank(row) }));
        if all.is_empty() {
            all.push(blank(row));
        }
        all
    }

    /// What is wrong with one container: its image, its part, or where the name of its image leads by now.
    fn drift_of(&self, part: Option<&PinnedPart>, one: &Seen) -> Option<String> {
        let Some(part) = part else { return Some(judge::strange(one)) };
        judge::other_image(part, one).or_else(|| {
            let engine = self.docker().ok()?;
            let now = self.wait_for(engine.image(&part.name)).ok()??;
            judge::moved(part, now.id.as_str())
        })
    }
}

/// A line about nothing that runs.
fn blank(row: &InstanceRow) -> InstanceStatus {
    InstanceStatus {
        id: row.id.clone(),
        release: row.release.clone(),
        ordinal: row.ordinal,
        state: InstanceState::Stopped,
        address: None,
        pid: None,
        started: None,
        restarts: 0,
        last_exit: None,
        memory: None,
        leaving: None,
        container: None,
        checks: None,
        drift: None,
    }
}
