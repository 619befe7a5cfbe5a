//! Releases, whatever they are made of: laid out, tested, kept, pruned, removed with their service.

use std::fs;
use std::io;
use std::path::Path;

use landfall_artifact::Index;
use landfall_fx::host::{Instances as _, Note, Releases, Task};
use landfall_model::{Fault, Release};
use landfall_shim::read_secrets;

use super::of;
use super::process::environment::Variables;
use crate::host::LocalHost;

pub(super) fn disk(path: &Path, doing: &str, error: &io::Error) -> Fault {
    let fault = Fault::machine(format!("{} cannot be {doing}: {error}", path.display()));
    if error.kind() == io::ErrorKind::StorageFull {
        return fault.help(
            "free space on that disk (`landfall` keeps old releases: lower `keep`), then deploy again",
        );
    }
    fault
}

/// Removes a folder with all in it; fine when it is not there.
pub(super) fn remove_folder(path: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(disk(path, "removed", &error)),
    }
}

impl LocalHost {
    /// The values of the release's secrets; empty when it names none.
    pub(crate) fn secret_values(&self, release: &Release) -> Result<Variables, Fault> {
        if release.spec.secrets.is_empty() {
            return Ok(Variables::new());
        }
        read_secrets(&self.dir().secrets(release)).map_err(|error| {
            Fault::machine(format!("the secrets of {} are not in memory any more: {error}", release.id))
                .help("they do not survive a reboot; `landfall deploy` supplies them again")
        })
    }

    /// The index of a release's artifact.
    pub(crate) fn index(&self, release: &Release) -> Result<Index, Fault> {
        self.store().read_index(&release.artifact).map_err(Fault::from)
    }

    /// Makes the folders of a release's volumes that are not there.
    pub(super) fn make_volumes(&self, release: &Release) -> Result<(), Fault> {
        for name in release.spec.volumes.keys() {
            let volume = self.volume_path(release, name);
            fs::create_dir_all(&volume).map_err(|e| disk(&volume, "made", &e))?;
        }
        Ok(())
    }
}

impl Releases for LocalHost {
    fn prepare(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        if self.is_prepared(release)? {
            return Ok(Some("kept from before".to_owned()));
        }
        of(release).prepare(self, release, task)
    }

    fn is_prepared(&self, release: &Release) -> Result<bool, Fault> {
        of(release).is_prepared(self, release)
    }

    fn test(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        of(release).test(self, release, task)
    }

    fn discard(&self, release: &Release) -> Result<(), Fault> {
        of(release).discard(self, release)?;
        let secrets = self.dir().secrets(release);
        self.files().remove(&secrets).map_err(|e| disk(&secrets, "removed", &e))?;
        for instance in release.instances() {
            remove_folder(&self.dir().instance(&instance))?;
        }
        Ok(())
    }

    fn prune(&self, release: &Release, keep: u32) -> Result<Note, Fault> {
        let old = self.state().superfluous(release, keep)?;
        for release in &old {
            self.discard(release)?;
            self.state().forget_release(release)?;
        }
        let plural = if old.len() == 1 { "" } else { "s" };
        Ok((!old.is_empty()).then(|| format!("{} old release{plural} removed", old.len())))
    }

    fn remove(&self, release: &Release, volumes: bool) -> Result<Note, Fault> {
        let (app, environment) = (&release.app, &release.environment);
        for known in self.state().releases(app, environment)? {
            if known.release.service() == release.service() {
                // One that is still being drained, or that nobody saw when the plan was made.
                self.stop(&known.release)?;
                self.discard(&known.release)?;
            }
        }
        of(release).remove(self, release, volumes)?;
        let folder = self.dir().service(app, environment, release.service());
        remove_folder(&folder.join("releases"))?;
        if volumes {
            remove_folder(&folder)?;
        }
        self.state().forget_service(release)?;
        let kept = !volumes && folder.join("volumes").is_dir();
        Ok(kept.then(|| format!("volumes kept in {}", folder.join("volumes").display())))
    }
}
