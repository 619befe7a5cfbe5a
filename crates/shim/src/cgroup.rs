//! A control group for one instance's memory, where this process may make one: version 2, or version 1's memory
//! controller. (`cgroups(7)`; `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst` of the kernel.)

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A control group with a limit on its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

/// Where control groups may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The group to make one in.
    parent: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroup {
    /// Makes a group called `landfall-NAME` with a limit of `bytes` below this process's own group or, where that
    /// cannot be, in a group `landfall` at the root.
    ///
    /// # Errors
    /// What the last place refused; ordinary for whoever is not root.
    pub(crate) fn make(name: &str, bytes: u64) -> io::Result<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut refused = io::Error::new(io::ErrorKind::Unsupported, "no memory controller is mounted");
        for place in places(&mountinfo, &own) {
            match place.make(name, bytes) {
                Ok(path) => return Ok(Self { path }),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// The group that an earlier shim made; `None` when it is gone.
    pub(crate) fn existing(path: &Path) -> Option<Self> {
        path.join("cgroup.procs").exists().then(|| Self { path: path.to_owned() })
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What a process writes itself into to join.
    pub(crate) fn procs(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))
    }

    /// How many of its processes the kernel has killed for their memory so far.
    pub(crate) fn oom_kills(&self) -> u64 {
        ["memory.events", "memory.oom_control"]
            .iter()
            .filter_map(|file| fs::read_to_string(self.path.join(file)).ok())
            .find_map(|text| {
                text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
            })
            .unwrap_or(0)
    }

    /// Removes it; it stays while a process is in it.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir(&self.path);
    }
}

impl Place {
    fn make(&self, name: &str, bytes: u64) -> io::Result<PathBuf> {
        if self.version == Version::Two {
            delegate(&self.parent)?;
        }
        let path = self.parent.join(format!("landfall-{name}"));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&self.parent)?;
                if self.version == Version::Two {
                    delegate(&self.parent)?;
                }
                fs::create_dir(&path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let limited = self.limit(&path, bytes);
        if limited.is_err() {
            let _ = fs::remove_dir(&path);
        }
        limited.map(|()| path)
    }

    fn limit(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let bytes = bytes.to_string();
        let (limit, swap, no_swap) = match self.version {
            Version::One => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes.as_str()),
            Version::Two => ("memory.max", "memory.swap.max", "0"),
        };
        fs::write(path.join(limit), &bytes)?;
        // Where swap is not counted there is none to be limited.
        let _ = fs::write(path.join(swap), no_swap);
        Ok(())
    }
}

/// Lets groups below `parent` limit memory. Fails where `parent` may not itself, and, but at the root, where processes
/// live in it ("no internal processes").
fn delegate(parent: &Path) -> io::Result<()> {
    let control = parent.join("cgroup.subtree_control");
    match fs::read_to_string(&control) {
        Ok(text) if text.split_ascii_whitespace().any(|name| name == "memory") => Ok(()),
        Ok(_) => fs::write(&control, "+memory"),
        // It is not there yet: whoever makes it comes back.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match parent.parent() {
            Some(above) => delegate(above),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The places to try, the best first, out of `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn places(mountinfo: &str, own: &str) -> Vec<Place> {
    let own_path = |wanted: &dyn Fn(&str, &str) -> bool| {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers) = (fields.next()?, fields.next()?);
            let path = fields.next()?;
            wanted(number, controllers).then_some(path)
        })
    };
    let mut places = Vec::new();
    for line in mountinfo.lines() {
        let Some((root, mount, version)) = parse_mount(line) else { continue };
        let own = match version {
            Version::Two => own_path(&|number, controllers| number == "0" && controllers.is_empty()),
            Version::One => own_path(&|_, controllers| controllers.split(',').any(|name| name == "memory")),
        };
        let below = own.and_then(|own| Path::new(own).strip_prefix(root).ok());
        places.extend(below.map(|below| Place { parent: mount.join(below), version }));
        places.push(Place { parent: mount.join("landfall"), version });
    }
    // Version 2 first: its limit counts more kinds of memory. A machine has the controller in one of them only.
    places.sort_by_key(|place| place.version == Version::One);
    places
}

/// The root, the mount point and the version of a line of `mountinfo` that mounts a memory controller.
fn parse_mount(line: &str) -> Option<(&str, PathBuf, Version)> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, mount) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let version = match (right.next()?, right.nth(1)?) {
        ("cgroup2", _) => Version::Two,
        ("cgroup", options) if options.split(',').any(|option| option == "memory") => Version::One,
        _ => return None,
    };
    Some((root, PathBuf::from(mount), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mountinfo: &str, own: &str, expected: &[(&str, Version)]) {
        let found = places(mountinfo, own);
        let found: Vec<_> = found.iter().map(|p| (p.parent.to_str().unwrap(), p.version)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn places_are_found_in_either_version() {
        check(
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            "0::/user.slice/user-1000.slice/session-1.scope\n",
            &[
                ("/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope", Version::Two),
                ("/sys/fs/cgroup/landfall", Version::Two),
            ],
        );
        check(
            "24 21 0:21 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
             25 21 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             26 21 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "4:memory:/a/b\n1:cpu:/\n0::/\n",
            &[
                ("/sys/fs/cgroup/unified/", Version::Two),
                ("/sys/fs/cgroup/unified/landfall", Version::Two),
                ("/sys/fs/cgroup/memory/a/b", Version::One),
                ("/sys/fs/cgroup/memory/landfall", Version::One),
            ],
        );
        // In a container that sees its own part of the tree only.
        check(
            "25 21 0:22 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
            "4:memory:/docker/x/y\n",
            &[("/sys/fs/cgroup/memory/y", Version::One), ("/sys/fs/cgroup/memory/landfall", Version::One)],
        );
        check("21 1 0:20 / /proc rw - proc proc rw\n", "", &[]);
    }
}
