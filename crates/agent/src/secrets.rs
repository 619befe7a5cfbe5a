//! Secret values in memory: they go when no release needs them any more, whichever way it came to that.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use landfall_model::{Fault, Release, ReleaseState};

use crate::exclusive::Place;
use crate::host::LocalHost;
use crate::runtimes::compose::files;

/// Removes the values that no release of a place needs. The caller has the place for itself. What cannot be found out
/// or removed now is left for the next time.
pub(crate) fn forget_unused(host: &LocalHost, place: &Place) {
    if let Ok(needed) = needed(host, place) {
        remove_others(host, &needed, &format!("{}.{}.", place.0, place.1));
    }
}

/// Removes the values that no release of any place needs, when the agent starts and nothing runs yet.
pub(crate) fn forget_all_unused(host: &LocalHost) -> Result<(), Fault> {
    let mut all = BTreeSet::new();
    for place in host.state().deployed()? {
        all.extend(needed(host, &(place.app, place.environment))?);
    }
    remove_others(host, &all, "");
    Ok(())
}

/// The files of the releases that are kept or may be gone on with.
fn needed(host: &LocalHost, (app, environment): &Place) -> Result<BTreeSet<PathBuf>, Fault> {
    let known = host.state().releases(app, environment)?.into_iter();
    let known = known.filter(|known| known.state != ReleaseState::Failed).map(|known| known.release);
    let open = host.open_releases(app, environment)?;
    let all = |release: Release| {
        let own = [host.dir().secrets(&release), host.dir().secret_files(&release)];
        own.into_iter().chain(files::needed(host.dir(), &release))
    };
    Ok(known.chain(open).flat_map(all).collect())
}

fn remove_others(host: &LocalHost, needed: &BTreeSet<PathBuf>, beginning: &str) {
    let named = |path: &Path| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(beginning))
    };
    for path in inside(host.dir().secrets_folder()).filter(|path| named(path)) {
        if !needed.contains(&path) {
            remove(&path);
        } else if needed.iter().any(|file| file.parent() == Some(&path)) {
            // A folder that several releases share.
            inside(&path).filter(|file| !needed.contains(file)).for_each(|file| remove(&file));
        }
    }
}

fn inside(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The next time finds again what cannot be removed now. Containers have a folder with a file for each value.
fn remove(path: &Path) {
    let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::release_of;
    use landfall_fx::StateDir;

    #[tokio::test]
    async fn values_stay_for_as_long_as_a_release_may_need_them() {
        let folder = tempfile::tempdir().unwrap();
        let dir = StateDir::open(folder.path()).unwrap();
        let host = LocalHost::open(dir, "landfall".into(), tokio::runtime::Handle::current()).unwrap();
        let kept = release_of("1.0.0-20260101000001");
        let failed = release_of("1.0.0-20260101000002");
        let gone = release_of("1.0.0-20260101000003");
        let values = [("KEY".to_owned(), "value".to_owned())].into();
        let mut other = release_of("1.0.0-20260101000004");
        other.environment = "dev-two".parse().unwrap();
        for release in [&kept, &failed, &gone, &other] {
            landfall_shim::write_secrets(&host.dir().secrets(release), &values).unwrap();
        }
        host.state().record(&kept).unwrap();
        host.state().record(&failed).unwrap();
        host.state().set_release_state(&kept, ReleaseState::Active).unwrap();
        forget_unused(&host, &(kept.app.clone(), kept.environment.clone()));
        let there = |release| host.dir().secrets(release).exists();
        assert_eq!([&kept, &failed, &gone, &other].map(there), [true, false, false, true]);
        forget_all_unused(&host).unwrap();
        assert_eq!([&kept, &other].map(there), [true, false]);
        std::fs::remove_dir_all(host.dir().secrets_folder()).unwrap();
    }
}
