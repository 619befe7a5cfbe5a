//! Who a container's processes are, and what must belong to them: volumes, and files with secrets.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfall_model::{Fault, Release, SecretsAs};
use rustix::fs::{Gid, Uid, chown};

use super::container;
use super::record::Built;
use crate::host::LocalHost;
use crate::secret_file;

/// Folders deep within a volume that are given to a new owner at most.
const MAX_DEPTH: usize = 128;

impl LocalHost {
    /// Gives the volumes of a release to who its container runs as, where that is known in numbers. A volume that was a
    /// process's before belonged to somebody else.
    pub(super) fn own_volumes(&self, release: &Release, built: &Built) -> Result<(), Fault> {
        let names = release.spec.volumes.keys();
        own_folders(release, built, names.map(|name| self.volume_path(release, name)))
    }

    /// The folder with a file for each secret of a release, made anew; only where files are asked for.
    pub(super) fn secret_files(&self, release: &Release) -> Result<PathBuf, Fault> {
        let folder = self.dir().secret_files(release);
        if release.spec.secrets.is_empty() || container::of(release)?.secrets_as != SecretsAs::Files {
            return Ok(folder);
        }
        let values = self.secret_values(release)?;
        let owner = self.built(release)?.and_then(|built| owner(release, &built));
        let write = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            for (name, value) in &values {
                secret_file::lay(&folder.join(name), value, 0o400, |fresh| {
                    if let Some((uid, gid)) = owner {
                        let _ = chown(fresh, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
                    }
                })?;
            }
            Ok(())
        };
        write()
            .map_err(|e| Fault::machine(format!("secrets cannot be laid into {}: {e}", folder.display())))?;
        Ok(folder)
    }
}

/// Who a container is to run as where neither the manifest nor the image decide: an agent without root cannot give
/// volumes away, so that a container runs as the agent itself.
pub(super) fn user_of(release: &Release, built: &Built) -> Option<String> {
    let has_volumes = !release.spec.volumes.is_empty();
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    (!uid.is_root() && has_volumes && built.user.is_some())
        .then(|| format!("{}:{}", uid.as_raw(), gid.as_raw()))
}

/// Gives folders to who the container of a release runs as, where that is known in numbers and the agent may.
pub(super) fn own_folders(
    release: &Release,
    built: &Built,
    folders: impl Iterator<Item = PathBuf>,
) -> Result<(), Fault> {
    let Some(owner) = owner(release, built) else { return Ok(()) };
    if !rustix::process::getuid().is_root() {
        return Ok(());
    }
    for folder in folders {
        give(&folder, owner, 0).map_err(|e| {
            Fault::machine(format!("{} cannot be given to the user {}: {e}", folder.display(), owner.0))
        })?;
    }
    Ok(())
}

/// Who the container's processes are, in numbers; `None` when only the image knows.
fn owner(release: &Release, built: &Built) -> Option<(u32, u32)> {
    container::of(release).ok()?.user.as_deref().and_then(numbers).or(built.user)
}

/// `10001` or `10001:10001` as user and group; a user without a group has the one of its own number.
pub(super) fn numbers(user: &str) -> Option<(u32, u32)> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// Gives a folder and all in it to somebody, unless it is theirs already.
fn give(folder: &Path, owner: (u32, u32), depth: usize) -> io::Result<()> {
    let facts = folder.symlink_metadata()?;
    if (depth == 0 && (facts.uid(), facts.gid()) == owner) || depth > MAX_DEPTH {
        return Ok(());
    }
    if facts.is_dir() {
        for entry in fs::read_dir(folder)? {
            give(&entry?.path(), owner, depth + 1)?;
        }
    }
    // The folder itself comes last: a walk that is cut short is begun again.
    rustix::fs::chownat(
        rustix::fs::CWD,
        folder,
        Some(Uid::from_raw(owner.0)),
        Some(Gid::from_raw(owner.1)),
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_in_numbers() {
        assert_eq!(numbers("10001"), Some((10001, 10001)));
        assert_eq!(numbers("1:2"), Some((1, 2)));
        assert_eq!(numbers("app"), None);
        assert_eq!(numbers(""), None);
    }
}
