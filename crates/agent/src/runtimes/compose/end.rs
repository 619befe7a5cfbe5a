//! Stopping a project, and removing what it leaves. Asked of the engine itself: neither files, secrets nor the tool have to
//! be there for it.

use std::collections::BTreeSet;

use landfall_docker::Engine;
use landfall_fx::host::Instances as _;
use landfall_model::{Fault, Release};
use tokio::task::JoinSet;

use super::declared::Things;
use super::pinned::{Pinned, own_folder, record};
use super::seen::{PROJECT_LABEL, Seen};
use super::{names, project_of};
use crate::host::LocalHost;
use crate::runtimes::Ending;
use crate::runtimes::process::leftovers;
use crate::runtimes::releases::{disk, remove_folder};

/// A project that is being stopped.
pub(super) struct Stopping;

impl Ending for Stopping {
    fn has_ended(&mut self, host: &LocalHost, release: &Release) -> Result<bool, Fault> {
        host.stop_project(release)?;
        Ok(true)
    }
}

impl LocalHost {
    /// Stops every container, those that others need last. They stay, so that what they hold beside volumes is there
    /// when the project is started again.
    fn stop_project(&self, release: &Release) -> Result<(), Fault> {
        self.end_orphans(release)?;
        let engine = self.docker()?;
        let pinned = self.pinned(release)?;
        let mut left: Vec<Seen> = self.seen(release)?;
        left.retain(|one| self.has_made(&one.container));
        while !left.is_empty() {
            let (now, later) = next_to_stop(pinned.as_ref(), left);
            self.wait_for(stop_at_once(&engine, pinned.as_ref(), release, now))?;
            left = later;
        }
        Ok(())
    }

    /// Removes what `prepare` made for a release; when no other release of the service is there, its containers too.
    pub(super) fn discard_project(&self, release: &Release) -> Result<(), Fault> {
        if self.is_running(release)? {
            return Err(Fault::machine(format!("{} still runs: its files stay", release.id)));
        }
        let folder = self.dir().release(release);
        leftovers::end(&folder, self.clock());
        let pinned = self.pinned(release)?;
        if own_folder(&folder).exists() {
            self.clear_project(release, &names::gate(release), true)?;
            if !self.is_in_use(release)? && !self.give_back(release)? {
                let tails = self.tails(release);
                self.clear_project(release, &project_of(release)?, false)?;
                // A few lines less to be shown are no reason to fail.
                let _ = self.keep_replaced(release, tails);
            }
        }
        // The record goes first: without it the rest counts as not prepared, whenever this is cut short.
        let record = record(&folder);
        self.files().remove(&record).map_err(|e| disk(&record, "removed", &e))?;
        self.untag(pinned.as_ref());
        remove_folder(&own_folder(&folder))?;
        remove_folder(&folder)?;
        remove_folder(&self.dir().secret_files(release))
    }

    /// Whether any release of the same service has the project now.
    fn is_in_use(&self, release: &Release) -> Result<bool, Fault> {
        let project = project_of(release)?;
        for row in self.state().instances()? {
            let same = (&row.app, &row.environment) == (&release.app, &release.environment)
                && row.release.service() == release.service();
            if same && self.has_project(&row, &project)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes the tags of a release away; the images go with their last one. What is used still stays.
    fn untag(&self, pinned: Option<&Pinned>) {
        let parts = pinned.into_iter().flat_map(|pinned| pinned.parts.values());
        for name in parts.filter(|part| part.built).map(|part| &part.name) {
            // One that cannot be removed now is found when room is made.
            let _ = self.docker().and_then(|engine| self.wait_for(engine.remove_image(name)));
        }
    }

    /// Removes the containers and networks of a project, and its volumes where they are not wanted any more: the containers
    /// that this agent made, and what the service's compose files declared. Whatever else carries the project's name is
    /// somebody's.
    pub(super) fn clear_project(&self, release: &Release, project: &str, volumes: bool) -> Result<(), Fault> {
        self.end_orphans(release)?;
        let engine = self.docker()?;
        let all = self.containers_of(project)?;
        let (ours, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| self.has_made(one));
        let things = match self.declared_by(release, project)? {
            _ if project_of(release)? != project => Things::of_any(project),
            Some(things) => things,
            // Somebody else's project of the same name.
            None if ours.is_empty() && !others.is_empty() => return Ok(()),
            None => self.named_by_compose(project)?,
        };
        for container in ours {
            self.wait_for(engine.remove(&container.id))?;
        }
        let used: BTreeSet<&String> = others.iter().flat_map(|other| other.aliases.keys()).collect();
        let filter = [format!("{PROJECT_LABEL}={project}")];
        self.wait_for(async {
            for network in engine.networks(&filter).await? {
                if things.networks.contains(&network.name) && !used.contains(&network.name) {
                    engine.remove_network(&network.name).await?;
                }
            }
            if volumes {
                for volume in engine.volumes(&filter).await? {
                    if !things.volumes.contains(&volume) {
                        continue;
                    }
                    match engine.remove_volume(&volume).await {
                        // By one of those that stay.
                        Err(fault) if !others.is_empty() && fault.message.contains("in use") => {}
                        other => _ = other?,
                    }
                }
            }
            Ok(())
        })
    }
}

/// Stops containers beside each other, each with the time that its part gives it.
async fn stop_at_once(
    engine: &Engine,
    pinned: Option<&Pinned>,
    release: &Release,
    containers: Vec<Seen>,
) -> Result<(), Fault> {
    let mut stops = JoinSet::new();
    for one in containers {
        let part = pinned.and_then(|pinned| pinned.parts.get(&one.part));
        let grace = part.and_then(|part| part.grace).unwrap_or(release.spec.stop.grace);
        let engine = engine.clone();
        stops.spawn(async move { engine.stop(&one.container.id, grace.duration()).await });
    }
    while let Some(stopped) = stops.join_next().await {
        stopped.map_err(|e| Fault::internal(format!("a stop failed inside: {e}")))??;
    }
    Ok(())
}

/// Those that may be stopped now, because nobody that is left needs them; all where they need each other.
fn next_to_stop(pinned: Option<&Pinned>, left: Vec<Seen>) -> (Vec<Seen>, Vec<Seen>) {
    let part = |one: &Seen| pinned.and_then(|pinned| pinned.parts.get(&one.part));
    let needed: BTreeSet<String> =
        left.iter().filter_map(part).flat_map(|part| part.after.iter().cloned()).collect();
    let all = left.len();
    let (now, later): (Vec<Seen>, Vec<Seen>) = left.into_iter().partition(|one| !needed.contains(&one.part));
    if later.len() == all { (later, now) } else { (now, later) }
}
