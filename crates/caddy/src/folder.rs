//! The folder in which a Caddy finds who answers: written here, read by its file matcher with every request.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};

use landfall_fx::{Files as _, RealFiles};
use serde::{Deserialize, Serialize};

use crate::fault::CaddyError;
use crate::route::{Backend, Route, key_of};
use crate::table::{self, Node, Sides};

/// The version of `route.json`.
const FORMAT: u32 = 1;

/// The largest page that is copied, in bytes.
const MAX_PAGE: u64 = 1024 * 1024;

/// A route with what only this folder knows of it, as `route.json` keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// The version of this format.
    pub(crate) format: u32,
    /// The route.
    pub(crate) route: Route,
    /// Letters of pools.
    pub(crate) sides: Sides,
    /// Addresses in each pool's name.
    pub(crate) slots: usize,
    /// Goes up when the configuration that reads this folder changes: its subfolder, so that both may be read meanwhile.
    pub(crate) structure: u64,
    /// Where requests wait while they are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<SocketAddr>,
    /// Whether they wait until a person lets them through.
    #[serde(default)]
    pub(crate) paused: bool,
    /// Instances that do not answer and get no requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shunned: Vec<SocketAddr>,
}

/// Where a route's requests go now, as the links say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pointed {
    /// Labels and addresses of the pools that get requests.
    pub(crate) pools: Vec<(String, Vec<SocketAddr>)>,
    /// Whether requests wait.
    pub(crate) held: bool,
}

/// A Caddy's folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder `root`, absolute; made when it is first written to.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything of one route.
    pub(crate) fn route(&self, id: &str) -> PathBuf {
        self.root.join("routes").join(key_of(id))
    }

    /// Where access is logged.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log/access.log")
    }

    /// Whether any route was ever put.
    #[must_use]
    pub fn is_used(&self) -> bool {
        fs::read_dir(self.root.join("routes")).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Makes the folders that Caddy itself writes to.
    pub(crate) fn prepare(&self) -> Result<(), CaddyError> {
        for name in ["routes", "log", "data", "config"] {
            make(&self.root.join(name))?;
        }
        Ok(())
    }

    /// The routes, by id.
    pub(crate) fn routes(&self) -> Result<Vec<Stored>, CaddyError> {
        let folder = self.root.join("routes");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(CaddyError::File { path: folder, error }),
        };
        let mut routes = Vec::new();
        for entry in entries {
            let entry = entry.map_err(CaddyError::file(&folder))?;
            routes.extend(load(&entry.path().join("route.json"))?);
        }
        routes.sort_by(|one, other| one.route.id.cmp(&other.route.id));
        Ok(routes)
    }

    /// One route.
    pub(crate) fn get(&self, id: &str) -> Result<Option<Stored>, CaddyError> {
        load(&self.route(id).join("route.json"))
    }

    /// Writes a route down; who answers does not change by that.
    pub(crate) fn store(&self, stored: &Stored) -> Result<(), CaddyError> {
        let path = self.route(&stored.route.id).join("route.json");
        let text = serde_json::to_vec_pretty(&Stored { format: FORMAT, ..stored.clone() });
        let text = text.map_err(|error| CaddyError::Wrong(error.to_string()))?;
        RealFiles.replace(&path, &text).map_err(CaddyError::file(path))
    }

    /// Makes who answers what `stored` says, in one step. Generations before the last one are removed.
    pub(crate) fn publish(&self, stored: &Stored) -> Result<(), CaddyError> {
        let route = self.route(&stored.route.id);
        self.publish_sites(stored)?;
        let folder = route.join(format!("s{}", stored.structure));
        let last = generation(&folder);
        let next = last.unwrap_or(0) + 1;
        let fresh = folder.join(format!("g{next}"));
        match fs::remove_dir_all(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CaddyError::File { path: fresh, error });
            }
            _ => make(&fresh)?,
        }
        for (path, node) in table::nodes(stored) {
            let path = fresh.join(path);
            make(path.parent().unwrap_or(&fresh))?;
            match node {
                Node::File => fs::write(&path, b""),
                Node::Link(target) => symlink(target, &path),
            }
            .map_err(CaddyError::file(path))?;
        }
        point(&folder.join("now"), &format!("g{next}"))?;
        clean(&folder, 'g', &[Some(next), last]);
        Ok(())
    }

    /// Links the folders of sites, and copies pages, so that their paths stay the same from release to release.
    fn publish_sites(&self, stored: &Stored) -> Result<(), CaddyError> {
        let route = self.route(&stored.route.id);
        for share in &stored.route.pools {
            if let (Backend::Files(root), Some(side)) = (&share.backend, stored.sides.of(&share.label)) {
                make(&route.join("sites"))?;
                point(&route.join("sites").join(side.to_string()), &root.to_string_lossy())?;
            }
        }
        let http = &stored.route.http;
        let errors = http.errors.iter().map(|(status, page)| (format!("{status}.html"), page));
        let maintenance = http.maintenance.iter().map(|page| ("maintenance.html".to_owned(), page));
        for (name, page) in errors.chain(maintenance) {
            let size = fs::metadata(page).map_err(CaddyError::file(page))?.len();
            if size > MAX_PAGE {
                return Err(CaddyError::Wrong(format!("the page {} is larger than 1 MiB", page.display())));
            }
            let text = fs::read(page).map_err(CaddyError::file(page))?;
            let path = route.join("pages").join(name);
            make(&route.join("pages"))?;
            RealFiles.replace(&path, &text).map_err(CaddyError::file(path))?;
        }
        Ok(())
    }

    /// Removes the folders that no configuration reads any more.
    pub(crate) fn clean(&self, stored: &Stored) {
        clean(&self.route(&stored.route.id), 's', &[Some(stored.structure)]);
    }

    /// Where requests go now.
    pub(crate) fn pointed(&self, stored: &Stored) -> Pointed {
        let now = self.route(&stored.route.id).join(format!("s{}/now", stored.structure));
        if let Some(name) = names(&now.join("held")).next() {
            let label = table::read_name(&name).map(|(_, label, _)| (label, Vec::new()));
            return Pointed { pools: label.into_iter().collect(), held: true };
        }
        let mut targets: Vec<PathBuf> = Vec::new();
        for bucket in names(&now.join("b")).map(|name| now.join("b").join(name)).chain([now.join("one")]) {
            if let Ok(target) = fs::canonicalize(bucket)
                && !targets.contains(&target)
            {
                targets.push(target);
            }
        }
        let pools = targets.iter().filter_map(|target| {
            let (_, label, mut addresses) = table::read_name(&whole_name(target)?)?;
            let mut seen = Vec::new();
            addresses.retain(|address| {
                !seen.contains(address) && {
                    seen.push(*address);
                    true
                }
            });
            Some((label, addresses))
        });
        Pointed { pools: pools.collect(), held: false }
    }

    /// Removes everything of a route; fine when there is nothing.
    pub(crate) fn remove(&self, id: &str) -> Result<(), CaddyError> {
        let route = self.route(id);
        match fs::remove_dir_all(&route) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CaddyError::File { path: route, error })
            }
            _ => Ok(()),
        }
    }

    /// Turns maintenance on or off: a file that is there or not.
    pub(crate) fn set_maintenance(&self, id: &str, on: bool) -> Result<(), CaddyError> {
        let path = self.route(id).join("maintenance");
        let done = if on { fs::write(&path, b"") } else { fs::remove_file(&path) };
        match done {
            Err(error) if on || error.kind() != io::ErrorKind::NotFound => {
                Err(CaddyError::File { path, error })
            }
            _ => Ok(()),
        }
    }

    /// Whether maintenance is on.
    pub(crate) fn in_maintenance(&self, id: &str) -> bool {
        self.route(id).join("maintenance").exists()
    }
}

/// Makes a folder that Caddy may read also where it is another user; the state folder above keeps others out.
fn make(path: &Path) -> Result<(), CaddyError> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(CaddyError::file(path))
}

fn load(path: &Path) -> Result<Option<Stored>, CaddyError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CaddyError::File { path: path.to_owned(), error }),
    };
    let unreadable = |why: String| CaddyError::File { path: path.to_owned(), error: io::Error::other(why) };
    let stored: Stored = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    if stored.format > FORMAT {
        return Err(unreadable(format!("it is of the newer format {}", stored.format)));
    }
    Ok(Some(stored))
}

/// Points a link to somewhere else, in one step.
fn point(link: &Path, target: &str) -> Result<(), CaddyError> {
    let new = link.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(CaddyError::File { path: new, error });
        }
        _ => {}
    }
    symlink(target, &new).and_then(|()| fs::rename(&new, link)).map_err(CaddyError::file(link))
}

/// The number of the generation that counts.
fn generation(folder: &Path) -> Option<u64> {
    fs::read_link(folder.join("now")).ok()?.to_str()?.strip_prefix('g')?.parse().ok()
}

/// Removes the numbered folders with this first letter but those to be kept. What cannot be removed is in nobody's way.
fn clean(folder: &Path, letter: char, keep: &[Option<u64>]) {
    for name in names(folder) {
        let number = name.strip_prefix(letter).and_then(|number| number.parse().ok());
        if number.is_some() && !keep.contains(&number) {
            let _ = fs::remove_dir_all(folder.join(name));
        }
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// The name of the one file below a folder, with the folders that it goes on in.
fn whole_name(folder: &Path) -> Option<String> {
    let name = names(folder).next()?;
    let path = folder.join(&name);
    if path.is_dir() { Some(format!("{name}/{}", whole_name(&path)?)) } else { Some(name) }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A route that was put for the first time.
    pub(crate) fn stored(route: Route) -> Stored {
        let mut sides = Sides::default();
        sides.assign(&route.pools);
        let slots = table::slots(&route, None);
        let (structure, waiting, paused, shunned) = (1, None, false, Vec::new());
        Stored { format: FORMAT, route, sides, slots, structure, waiting, paused, shunned }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::stored;
    use super::*;
    use crate::route::testing::{route, share};

    #[test]
    fn what_is_published_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let addresses: Vec<String> = (1..=8).map(|port| format!("127.0.0.1:{port}")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let mut now = stored(route("1.0.0", &addresses));
        folder.store(&now).unwrap();
        folder.publish(&now).unwrap();
        assert_eq!(folder.get("app/dev/web").unwrap().unwrap(), now);
        let pointed = folder.pointed(&now);
        assert_eq!(pointed.pools.len(), 1);
        assert_eq!(pointed.pools[0].0, "1.0.0");
        assert_eq!(pointed.pools[0].1.len(), 8);
        now.waiting = Some("127.0.0.1:9".parse().unwrap());
        folder.publish(&now).unwrap();
        assert!(folder.pointed(&now).held);
        now.waiting = None;
        now.route.pools.push(share("1.0.1", &["127.0.0.1:10"], 1));
        now.sides.assign(&now.route.pools);
        folder.publish(&now).unwrap();
        let mut labels: Vec<_> = folder.pointed(&now).pools.into_iter().collect();
        labels.sort();
        assert_eq!(labels[1], ("1.0.1".to_owned(), vec!["127.0.0.1:10".parse().unwrap()]));
        let kept =
            names(&folder.route("app/dev/web").join("s1")).filter(|name| name.starts_with('g')).count();
        assert_eq!(kept, 2, "the generation that counts and the one before");
    }

    #[test]
    fn a_route_that_is_removed_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let now = stored(route("1.0.0", &["127.0.0.1:1"]));
        folder.store(&now).unwrap();
        folder.publish(&now).unwrap();
        assert!(folder.is_used());
        folder.remove("app/dev/web").unwrap();
        folder.remove("app/dev/web").unwrap();
        assert!(!folder.is_used());
        assert!(folder.routes().unwrap().is_empty());
    }
}
