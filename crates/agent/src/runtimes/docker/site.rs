//! Sites that are built in a container: what the image holds is laid out on the host, where the proxy serves it.

use std::fs;
use std::path::Path;

use landfall_artifact::bundle;
use landfall_docker::Engine;
use landfall_model::{Digest, Fault, Release};

use super::record::Built;
use crate::background::flatten;
use crate::host::LocalHost;
use crate::runtimes::releases::{disk, remove_folder};

impl LocalHost {
    /// Copies all that the image holds into the release's folder; gives the digest of what lies there.
    pub(super) fn lay_out_site(
        &self,
        docker: &Engine,
        release: &Release,
        image: &Digest,
    ) -> Result<Digest, Fault> {
        let folder = self.dir().release(release);
        remove_folder(&folder)?;
        fs::create_dir_all(&folder).map_err(|e| disk(&folder, "made", &e))?;
        let into = folder.as_path();
        self.open_image(docker, release, (image, "files"), async |opened: String| {
            unpack(docker, &opened, into).await
        })?;
        // An engine puts these into each container that it makes.
        for own in ["dev", "etc", "proc", "sys", ".dockerenv"] {
            let path = folder.join(own);
            if path.is_file() {
                fs::remove_file(&path).map_err(|e| disk(&path, "removed", &e))?;
            } else if path.is_dir() && is_engines_own(&path) {
                remove_folder(&path)?;
            }
        }
        site_digest(&folder)
    }

    /// Fails when what is served is not what was built.
    pub(super) fn read_back_site(&self, release: &Release, built: &Built) -> Result<(), Fault> {
        let folder = self.site_root(release);
        if built.output == Some(site_digest(&folder)?) {
            return Ok(());
        }
        Err(Fault::machine(format!(
            "the built files of {} in {} are not the ones that were deployed",
            release.id,
            folder.display()
        ))
        .help("something changed them after the deploy; deploy again"))
    }
}

/// Copies all files of a container into a folder.
async fn unpack(docker: &Engine, container: &str, folder: &Path) -> Result<(), Fault> {
    let archive = docker.copy_out(container, "/.").await?;
    let into = folder.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || {
        tar::Archive::new(archive.blocking()).unpack(&into).map_err(|e| disk(&into, "written", &e))
    });
    flatten(unpacked.await)
}

/// Whether a folder of a container holds only what the engine lays there: empty files and folders.
fn is_engines_own(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.into_iter().all(|entry| {
        let path = entry.path();
        match path.symlink_metadata() {
            Ok(facts) if facts.is_dir() => is_engines_own(&path),
            Ok(facts) => facts.is_symlink() || facts.len() == 0,
            Err(_) => false,
        }
    })
}

fn site_digest(folder: &Path) -> Result<Digest, Fault> {
    bundle(folder, &[]).map(|made| made.digest).map_err(|e| Fault::application(e.to_string()))
}
