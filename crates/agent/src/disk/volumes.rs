//! Volumes that no release needs: which they are, since when, and taking them away as a whole: a kill at any moment leaves
//! a volume as it was, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_model::api::{Holds, Pruned, VolumeId};
use landfall_model::{AppName, EnvironmentName, Fault, Release, Runtime, ServiceName, Timestamp};

use super::filesystem;
use super::folders::{Counter, children, name};
use super::idle::{Idle, Limits};
use crate::exclusive::Exclusive;
use crate::host::LocalHost;

/// The most volumes that are being removed at once.
const MAX_GOING: u32 = 10_000;

/// Held while a volume is put where it is removed, and while that folder goes: both may happen at once.
static GOING: Mutex<()> = Mutex::new(());

/// How long a person waits for a place where somebody works.
const BUSY: Duration = Duration::from_secs(10);

impl LocalHost {
    /// Every service that has volumes, whether or not anything is known of it any more, with its folder.
    pub(crate) fn kept_folders(&self) -> Vec<(AppName, EnvironmentName, ServiceName, PathBuf)> {
        let mut found = Vec::new();
        for app in children(&self.dir().apps()) {
            for environment in children(&app) {
                for service in children(&environment) {
                    let names = (name(&app).parse(), name(&environment).parse(), name(&service).parse());
                    if let (Ok(app), Ok(environment), Ok(named)) = names {
                        found.push((app, environment, named, service.join("volumes")));
                    }
                }
            }
        }
        found
    }

    /// The volumes that no release needs, with their folders. What is no folder in its place (a link, a mount) is its
    /// owner's, and is none of them.
    pub(super) fn idle_folders(&self) -> Result<BTreeMap<VolumeId, PathBuf>, Fault> {
        let mut idle = BTreeMap::new();
        for (app, environment, service, folder) in self.kept_folders() {
            let releases = self.releases_there(&app, &environment)?;
            for path in children(&folder).into_iter().filter(|path| is_own(path)) {
                let (app, environment, service) = (app.clone(), environment.clone(), service.clone());
                let id = VolumeId { app, environment, service, name: name(&path) };
                if !releases.iter().any(|release| needs(release, &id)) {
                    idle.insert(id, path);
                }
            }
        }
        Ok(idle)
    }

    /// Writes down since when volumes are idle, and gives it. Where nothing can be written, those that are new say that
    /// they are idle since now.
    pub(super) fn note_idle(
        &self,
        idle: &BTreeMap<VolumeId, PathBuf>,
    ) -> Result<BTreeMap<VolumeId, Timestamp>, Fault> {
        let (known, now) = (self.state().idle_volumes()?, self.clock().now());
        let since: BTreeMap<_, _> =
            idle.keys().map(|id| (id.clone(), known.get(id).copied().unwrap_or(now))).collect();
        // A full disk is where this is looked at: the next look writes it.
        let _ = self.state().set_idle_volumes(&since);
        Ok(since)
    }

    /// Takes away the volumes that a person named; each must be one that no release needs.
    ///
    /// # Errors
    /// One that is needed, in use, or not there: then nothing was taken away.
    pub(crate) fn remove_volumes(
        &self,
        asked: &[VolumeId],
        exclusive: &Arc<Exclusive>,
    ) -> Result<Pruned, Fault> {
        let places: BTreeSet<_> = asked.iter().map(|id| (id.app.clone(), id.environment.clone())).collect();
        let mut guards = Vec::new();
        for place in &places {
            let busy = || Fault::refused(format!("a transaction runs in {} of {}", place.1, place.0));
            guards.push(exclusive.acquire(place, BUSY).ok_or_else(busy)?);
        }
        let idle = self.idle_folders()?;
        let mut folders = Vec::new();
        for id in asked {
            let path = idle.get(id).ok_or_else(|| needed_after_all(id))?;
            if let Some(process) = user_of(path) {
                return Err(Fault::refused(format!("{id} is in use by the process {process}"))
                    .help("end it, then try again; nothing was taken away"));
            }
            folders.push((id, path));
        }
        let mut pruned = Pruned::default();
        for (id, path) in folders {
            pruned.bytes += self.remove_volume(path)?;
            pruned.removed.push(id.to_string());
        }
        Ok(pruned)
    }

    /// Notes which volumes are idle, finishes what a kill left half removed, and takes away what the owner's limits say;
    /// nothing of a place where somebody works, and nothing that is in use.
    pub(crate) fn remove_volumes_over(&self, exclusive: &Arc<Exclusive>) -> Result<Pruned, Fault> {
        self.empty_going();
        let idle = self.idle_folders()?;
        let since = self.note_idle(&idle)?;
        let mut pruned = Pruned::default();
        let limits = Limits::read(self.variables())?;
        if limits.is_none() || idle.is_empty() {
            return Ok(pruned);
        }
        let mut counter = Counter::default();
        let all = idle.iter().zip(since.values());
        let all = all.map(|((id, path), since)| Idle {
            id: id.clone(),
            since: *since,
            bytes: counter.of(path).bytes,
        });
        let total = filesystem(self.dir().root(), Holds::State).map_or(u64::MAX, |there| there.total);
        for one in limits.over(all.collect(), total, self.clock().now()) {
            let place = (one.id.app.clone(), one.id.environment.clone());
            let Some(_guard) = exclusive.acquire(&place, Duration::ZERO) else { continue };
            // Since the look above a release may have come that needs it.
            let releases = self.releases_there(&place.0, &place.1)?;
            let needed = releases.iter().any(|release| needs(release, &one.id));
            let Some(path) = idle.get(&one.id).filter(|path| !needed && user_of(path).is_none()) else {
                continue;
            };
            pruned.bytes += self.remove_volume(path)?;
            pruned.removed.push(one.id.to_string());
        }
        Ok(pruned)
    }

    /// Every release of a place that may run again: whatever is known, and what open transactions speak of.
    fn releases_there(&self, app: &AppName, environment: &EnvironmentName) -> Result<Vec<Release>, Fault> {
        let known = self.state().releases(app, environment)?.into_iter().map(|known| known.release);
        Ok(known.chain(self.open_releases(app, environment)?).collect())
    }

    /// Takes a volume from its place in one move; what it holds is removed beside everything else. Gives its bytes.
    fn remove_volume(&self, path: &Path) -> Result<u64, Fault> {
        let failed = |error: io::Error| {
            Fault::machine(format!("{} cannot be removed: {error}", path.display()))
                .help("look at its permissions, and whether something is mounted there")
        };
        let bytes = Counter::default().of(path).bytes;
        let going = self.dir().going();
        let held = hold();
        fs::create_dir_all(&going).map_err(failed)?;
        let free = (1..=MAX_GOING).map(|number| going.join(number.to_string())).find(|path| !path.exists());
        let free = free.ok_or_else(|| failed(io::Error::other("too much is being removed at once")))?;
        fs::rename(path, free).map_err(failed)?;
        // It is gone from its place for good before anything in it is.
        for folder in path.parent().into_iter().chain([going.as_path()]) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        drop(held);
        // Folders that held nothing else go too; one that is not empty stays.
        let empty = path.ancestors().skip(1).take_while(|above| *above != self.dir().apps());
        empty.map(fs::remove_dir).take_while(Result::is_ok).for_each(drop);
        self.empty_going();
        Ok(bytes)
    }

    /// Removes what was moved away, also by an agent that was killed; on a thread of its own, for it may be much.
    fn empty_going(&self) {
        let going = self.dir().going();
        if going.is_dir() {
            self.spawn_blocking(move || {
                // What cannot be removed stays where the next look finds it.
                children(&going).iter().for_each(|path| drop(fs::remove_dir_all(path)));
                let _held = hold();
                let _ = fs::remove_dir(&going);
            });
        }
    }
}

fn hold() -> MutexGuard<'static, ()> {
    // A panic elsewhere leaves what the next one removes.
    GOING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a release has a volume. Which folders a compose project binds only its file says: all of them count.
fn needs(release: &Release, id: &VolumeId) -> bool {
    *release.service() == id.service
        && (release.spec.runtime == Runtime::Compose || release.spec.volumes.contains_key(&id.name))
}

/// Whether a path is a folder of its own place: no link, and on the file system of the folder that it is in.
fn is_own(path: &Path) -> bool {
    let device = |path: &Path| fs::symlink_metadata(path).ok().map(|facts| (facts.is_dir(), facts.dev()));
    let above = path.parent().and_then(device);
    device(path).is_some_and(|(is_dir, dev)| is_dir && above.is_some_and(|(_, above)| above == dev))
}

/// A process that works in a folder, or has a file of it open.
fn user_of(folder: &Path) -> Option<String> {
    children(Path::new("/proc")).into_iter().filter(|path| name(path).parse::<u32>().is_ok()).find_map(
        |process| {
            let files = children(&process.join("fd")).into_iter().chain([process.join("cwd")]);
            let mut targets = files.filter_map(|link| fs::read_link(link).ok());
            targets.any(|target| target.starts_with(folder)).then(|| name(&process))
        },
    )
}

fn needed_after_all(id: &VolumeId) -> Fault {
    Fault::refused(format!("{id} is needed by a release, or is not there any more"))
        .help("`landfall disk` shows what no release needs; nothing was taken away")
}
