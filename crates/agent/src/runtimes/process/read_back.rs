//! Proof: what really runs, read from the kernel and the disk and not from what was ordered.

use std::path::Path;

use landfall_model::{Digest, Fault, Kind, ReceiptInstance, Release};
use landfall_shim::{Handle, evidence};

use super::health;
use super::prepared::snapshot;
use crate::host::LocalHost;
use crate::state::InstanceRow;

impl LocalHost {
    /// Reads back each instance: it runs from the release's folder, was started as this release, holds the port that
    /// the proxy sends to, answers, and the files there are still the artifact's. A `site` has its files read.
    pub(crate) fn read_back_release(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        let folder = self.dir().release(release);
        let digest = self.files_digest(release, &folder)?;
        if release.spec.kind == Kind::Site {
            return Ok(Vec::new());
        }
        self.rows_of(release, u32::MAX)?
            .iter()
            .map(|row| self.read_back_instance(release, row, &folder, digest))
            .collect()
    }

    /// The artifact's digest, when the files are what they were after `prepare`.
    fn files_digest(&self, release: &Release, folder: &Path) -> Result<Digest, Fault> {
        let prepared = self.prepared(release)?.ok_or_else(|| {
            Fault::machine(format!("the files of {} are gone from {}", release.id, folder.display()))
        })?;
        let changed = |what: &str| {
            Fault::machine(format!("{what} of {} in {} are not the ones that were deployed", release.id, folder.display()))
                .help("something changed them after the deploy; does the application write into its own folder? Use a volume")
        };
        let found = snapshot(folder, &self.index(release)?)
            .map_err(|e| Fault::machine(format!("{} cannot be read: {e}", folder.display())))?;
        if found != prepared.files {
            return Err(changed("the files"));
        }
        if let Some(output) = prepared.output
            && self.output_digest(release)? != output
        {
            return Err(changed("the built files"));
        }
        Ok(release.artifact)
    }

    fn read_back_instance(
        &self,
        release: &Release,
        row: &InstanceRow,
        folder: &Path,
        digest: Digest,
    ) -> Result<ReceiptInstance, Fault> {
        let wrong = |what: String| Fault::machine(format!("instance {} of {} {what}", row.id, release.id));
        let handle = Handle::connect(&self.dir().instance(&row.id))
            .map_err(|_| wrong("has no supervisor".to_owned()))?;
        let pid = handle.report().pid.ok_or_else(|| wrong("does not run".to_owned()))?;
        identify(release, pid, folder).map_err(wrong)?;
        let mut healthy = true;
        if let Some(address) = &row.address {
            let processes = evidence::processes(pid);
            let port = address.rsplit(':').next().unwrap_or_default();
            let holds =
                evidence::listeners(&processes).iter().any(|l| l.address.rsplit(':').next() == Some(port));
            if !holds {
                return Err(wrong(format!("does not hold {address}: another process answers there")));
            }
            healthy = self.wait_for(health::check(address, &release.spec.health)).is_ok();
        }
        if healthy {
            Ok(ReceiptInstance {
                host: self.host_name().to_owned(),
                id: row.id.clone(),
                pid: Some(pid),
                digest,
                wanted: None,
                container: None,
                healthy,
            })
        } else {
            Err(wrong("is not healthy any more".to_owned()))
        }
    }
}

/// Whether a process is this release: what it was started as, or where it runs, says so, and neither another one.
fn identify(release: &Release, pid: u32, folder: &Path) -> Result<(), String> {
    let version = release.id.version().to_string();
    // A program may write over the memory its environment lies in (process titles), or change its folder.
    let environ = evidence::environ_of(pid).ok_or("cannot be looked at")?;
    let runs_in = evidence::folder_of(pid).ok_or("cannot be looked at")?;
    match environ.get("LANDFALL_VERSION") {
        Some(started_as) if *started_as != version => Err(format!("was started as version {started_as}")),
        Some(_) => Ok(()),
        None if runs_in.starts_with(folder) => Ok(()),
        None => Err(format!("runs in {}, not in {}", runs_in.display(), folder.display())),
    }
}
