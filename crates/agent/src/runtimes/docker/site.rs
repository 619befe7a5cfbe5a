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

/// The folders that an engine puts something into in each container that it makes, unless the image has it: empty files and
/// folders, and a link. Source: moby, `daemon/initlayer/setup_unix.go`.
const ENGINES_OWN: [(&str, &[&str]); 4] = [
    ("dev", &["console", "pts", "shm"]),
    ("etc", &["hostname", "hosts", "mtab", "resolv.conf"]),
    ("proc", &[]),
    ("sys", &[]),
];

/// Where that link leads.
const MOUNTS: &str = "/proc/mounts";

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
        remove_engines_own(&folder)?;
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

/// Takes what the engine put into a container out of a copy of its files; what the image has of its own stays.
fn remove_engines_own(folder: &Path) -> Result<(), Fault> {
    let marker = folder.join(".dockerenv");
    if is_empty(&marker) {
        fs::remove_file(&marker).map_err(|e| disk(&marker, "removed", &e))?;
    }
    for (below, names) in ENGINES_OWN {
        let below = folder.join(below);
        // A link may lead to what is none of the copy.
        if !below.symlink_metadata().is_ok_and(|facts| facts.is_dir()) {
            continue;
        }
        if is_empty(&below) {
            remove_folder(&below)?;
            continue;
        }
        for path in names.iter().map(|name| below.join(name)).filter(|path| is_empty(path)) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|e| disk(&path, "removed", &e))?;
        }
    }
    Ok(())
}

/// Whether a path of a container is such as the engine lays it there: an empty file, the link, or a folder of nothing else.
fn is_empty(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(facts) if facts.is_dir() => {
            fs::read_dir(path).into_iter().flatten().flatten().all(|entry| is_empty(&entry.path()))
        }
        Ok(facts) if facts.is_symlink() => fs::read_link(path).is_ok_and(|to| to == Path::new(MOUNTS)),
        Ok(facts) => facts.len() == 0,
        Err(_) => false,
    }
}

fn site_digest(folder: &Path) -> Result<Digest, Fault> {
    bundle(folder, &[]).map(|made| made.digest).map_err(|e| Fault::application(e.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The files of a container as an engine makes it of an empty image.
    fn container() -> tempfile::TempDir {
        let made = tempfile::tempdir().unwrap();
        for folder in ["dev/pts", "dev/shm", "etc", "proc", "sys"] {
            fs::create_dir_all(made.path().join(folder)).unwrap();
        }
        for file in [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"] {
            fs::write(made.path().join(file), "").unwrap();
        }
        symlink(MOUNTS, made.path().join("etc/mtab")).unwrap();
        made
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_the_engine_lays_into_a_container_is_no_part_of_a_site() {
        let made = container();
        fs::write(made.path().join("index.html"), "hi").unwrap();
        remove_engines_own(made.path()).unwrap();
        assert_eq!(names(made.path()), ["index.html"]);
    }

    #[test]
    fn a_site_may_have_folders_of_these_names() {
        let made = container();
        fs::write(made.path().join("etc/hosts"), "of the site").unwrap();
        fs::create_dir(made.path().join("dev/docs")).unwrap();
        fs::write(made.path().join("dev/docs/index.html"), "of the site").unwrap();
        remove_engines_own(made.path()).unwrap();
        assert_eq!(names(made.path()), ["dev", "etc"]);
        assert_eq!(names(&made.path().join("etc")), ["hosts"]);
        assert_eq!(names(&made.path().join("dev")), ["docs"]);
    }

    #[test]
    fn nothing_is_removed_behind_a_link() {
        let (made, host) = (container(), container());
        fs::remove_dir_all(made.path().join("etc")).unwrap();
        symlink(host.path().join("etc"), made.path().join("etc")).unwrap();
        remove_engines_own(made.path()).unwrap();
        assert_eq!(names(&host.path().join("etc")), ["hostname", "hosts", "mtab", "resolv.conf"]);
    }
}
