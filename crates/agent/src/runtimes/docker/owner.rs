//! Who a container's processes are, and what must belong to them: volumes, and files with secrets.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landfall_model::{Fault, Release, SecretsAs};
use rustix::fs::{AtFlags, CWD, Dir, Gid, Mode, OFlags, Uid, chown, chownat, fchown, fstat, openat};
use rustix::io::Errno;

use super::container;
use super::record::Built;
use crate::host::LocalHost;
use crate::secret_file;

/// Folders deep within a volume that are given to a new owner at most.
const MAX_DEPTH: usize = 128;

/// How a folder is opened, and nothing else: no link to one either.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

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
        give(&folder, owner).map_err(|e| {
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

/// Gives a folder and all in it to somebody, unless it is theirs already. The walk goes by descriptors: what runs may put
/// a link in the place of a folder at any moment, and what lies outside is nobody's to give.
fn give(folder: &Path, owner: (u32, u32)) -> io::Result<()> {
    let opened = openat(CWD, folder, FOLDER, Mode::empty())?;
    let facts = fstat(&opened)?;
    if (facts.st_uid, facts.st_gid) == owner {
        return Ok(());
    }
    let owner = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
    give_inside(&opened, owner, 1)?;
    // The folder itself comes last: a walk that is cut short is begun again.
    Ok(fchown(&opened, owner.0, owner.1)?)
}

/// Gives away all in a folder that lies so many folders deep.
fn give_inside(folder: &OwnedFd, owner: (Option<Uid>, Option<Gid>), depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!("folders in it lie more than {MAX_DEPTH} deep")));
    }
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let given = match openat(folder, name, FOLDER, Mode::empty()) {
            Ok(inner) => {
                give_inside(&inner, owner, depth + 1)?;
                fchown(&inner, owner.0, owner.1)
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {
                chownat(folder, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
            }
            Err(why) => Err(why),
        };
        match given {
            // Somebody removed it meanwhile.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::fs::{RenameFlags, renameat_with};

    use super::*;

    #[test]
    fn users_in_numbers() {
        assert_eq!(numbers("10001"), Some((10001, 10001)));
        assert_eq!(numbers("1:2"), Some((1, 2)));
        assert_eq!(numbers("app"), None);
        assert_eq!(numbers(""), None);
    }

    #[test]
    fn nothing_outside_a_volume_is_given_away_whatever_becomes_of_its_folders() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("volume/inner/deep")).unwrap();
        fs::create_dir(at("outside")).unwrap();
        fs::write(at("volume/inner/deep/file"), "").unwrap();
        fs::write(at("outside/file"), "").unwrap();
        symlink(at("outside"), at("link")).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, at("link"), CWD, at("volume/inner"), RenameFlags::EXCHANGE).unwrap();
                }
            });
            for user in 1..2000 {
                give(&at("volume"), (user, user)).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let owner = |path: &str| at(path).symlink_metadata().unwrap().uid();
        assert_eq!((owner("outside"), owner("outside/file"), owner("volume")), (0, 0, 1999));
    }

    #[test]
    fn folders_that_lie_too_deep_are_told() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", MAX_DEPTH).collect();
        fs::create_dir_all(folder.path().join(&deep)).unwrap();
        let why = give(folder.path(), (7, 7)).unwrap_err();
        assert!(why.to_string().contains("deep"), "{why}");
        fs::remove_dir(folder.path().join(&deep)).unwrap();
        give(folder.path(), (7, 7)).unwrap();
        assert_eq!(folder.path().join("d").metadata().unwrap().gid(), 7);
    }
}
