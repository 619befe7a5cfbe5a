//! What takes what on this host: Landfall's folders, and what is in the Docker engine.

mod folders;
mod idle;
pub(crate) mod most;
mod volumes;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use landfall_fx::StateDir;
use landfall_model::api::{DiskEntry, DiskKind, DiskView, Filesystem, Holds, Whose};
use landfall_model::{AppName, EnvironmentName, Fault, ServiceName};

use crate::host::LocalHost;
use crate::runtimes::compose;
use folders::{Counter, Size, children, name};

/// What of the state folder's own files is no folder with a name of its own in the list: databases, journals, logs.
const STATE: [&str; 5] = ["journal", "tls", "caddy", "scratch", "going"];

/// Which service a thing belongs to.
type Of<'a> = Option<(&'a AppName, &'a EnvironmentName, &'a ServiceName)>;

impl LocalHost {
    /// What takes what. Looks at every file of Landfall's: seconds on a large host.
    pub(crate) fn disk_view(&self) -> Result<DiskView, Fault> {
        let mut view = DiskView::default();
        view.filesystems.extend(filesystem(self.dir().root(), Holds::State));
        let mut counter = Counter::default();
        // Before what may hold the same files under other names.
        view.entries.push(entry(DiskKind::Store, None, "", counter.of(&self.dir().store())));
        let images = counter.of(&self.dir().images());
        if images.bytes > 0 {
            view.entries.push(entry(DiskKind::Store, None, "images", images));
        }
        view.entries.push(entry(DiskKind::Dependencies, None, "", counter.of(&self.dir().dependencies())));
        self.services(&mut view.entries, &mut counter)?;
        self.volumes(&mut view.entries, &mut counter)?;
        self.logs(&mut view.entries, &mut counter)?;
        view.entries.push(entry(DiskKind::State, None, "", state(self.dir(), &mut counter)));
        if self.uses_engine()? {
            match self.engine_entries() {
                Ok((entries, root)) => {
                    view.entries.extend(entries);
                    self.engine_root(&mut view, root.as_deref());
                }
                Err(fault) => view.engine = Some(fault.message),
            }
        }
        Ok(view)
    }

    /// Adds the engine's file system, unless it is the one that is known already.
    fn engine_root(&self, view: &mut DiskView, root: Option<&Path>) {
        let Some(root) = root else { return };
        let device = |path: &Path| std::fs::metadata(path).map(|facts| facts.dev()).ok();
        match view.filesystems.first_mut() {
            Some(first) if device(root) == device(self.dir().root()) => first.holds.push(Holds::Engine),
            _ => view.filesystems.extend(filesystem(root, Holds::Engine)),
        }
    }

    /// Volumes of every service, also of those that are gone.
    fn volumes(&self, entries: &mut Vec<DiskEntry>, counter: &mut Counter) -> Result<(), Fault> {
        let idle = self.note_idle(&self.idle_folders()?)?;
        for (app, environment, service, folder) in self.kept_folders() {
            let of = Some((&app, &environment, &service));
            for volume in children(&folder) {
                let entry = entry(DiskKind::Volume, of, &name(&volume), counter.of(&volume));
                let id = DiskEntry { needed: false, ..entry.clone() }.idle_volume();
                let idle_since = id.and_then(|id| idle.get(&id).copied());
                entries.push(DiskEntry { needed: idle_since.is_none(), idle_since, ..entry });
            }
        }
        Ok(())
    }

    /// Releases of every service.
    fn services(&self, entries: &mut Vec<DiskEntry>, counter: &mut Counter) -> Result<(), Fault> {
        for place in self.state().deployed()? {
            let (app, environment) = (&place.app, &place.environment);
            let known = self.state().releases(app, environment)?;
            let mut services: Vec<&ServiceName> = known.iter().map(|known| known.release.service()).collect();
            services.sort();
            services.dedup();
            for service in services {
                let of = Some((app, environment, service));
                let folder = self.dir().service(app, environment, service);
                let mut sizes: BTreeMap<String, Size> = BTreeMap::new();
                for path in children(&folder.join("releases")).iter().filter(|path| path.is_dir()) {
                    let (named, size) = (name(path), counter.of(path));
                    // What Landfall wrote of a release beside its sources.
                    let release = named.strip_suffix(compose::BESIDE).unwrap_or(&named);
                    sizes.entry(release.to_owned()).or_default().add(size);
                }
                let releases = sizes.iter().map(|(name, size)| entry(DiskKind::Release, of, name, *size));
                entries.extend(releases);
            }
        }
        Ok(())
    }

    /// What instances printed, by service.
    fn logs(&self, entries: &mut Vec<DiskEntry>, counter: &mut Counter) -> Result<(), Fault> {
        let rows = self.state().instances()?;
        let mut sizes: BTreeMap<_, Size> = BTreeMap::new();
        for row in &rows {
            let size = counter.of(&self.dir().instance(&row.id));
            let sum: &mut Size =
                sizes.entry((&row.app, &row.environment, row.release.service())).or_default();
            sum.add(size);
        }
        entries.extend(sizes.into_iter().map(|(of, size)| entry(DiskKind::Log, Some(of), "", size)));
        Ok(())
    }
}

/// The agent's own: databases, journals, certificates, logs.
fn state(dir: &StateDir, counter: &mut Counter) -> Size {
    let mut sum = Size::default();
    for path in children(dir.root()) {
        if path.is_file() || STATE.iter().any(|own| name(&path).starts_with(own)) {
            sum.bytes += counter.of(&path).bytes;
        }
    }
    sum
}

fn entry(kind: DiskKind, of: Of<'_>, name: &str, size: Size) -> DiskEntry {
    let (app, environment, service) = of.map_or((None, None, None), |(app, environment, service)| {
        (Some(app.clone()), Some(environment.clone()), Some(service.clone()))
    });
    DiskEntry {
        kind,
        whose: Whose::Ours,
        app,
        environment,
        service,
        name: name.to_owned(),
        bytes: size.bytes,
        shared: 0,
        needed: true,
        idle_since: None,
        partial: size.partial,
    }
}

/// The file system that `path` is on; `None` when it cannot be asked.
pub(crate) fn filesystem(path: &Path, holds: Holds) -> Option<Filesystem> {
    let told = rustix::fs::statvfs(path).ok()?;
    Some(Filesystem {
        path: path.display().to_string(),
        holds: vec![holds],
        total: told.f_blocks.saturating_mul(told.f_frsize),
        free: told.f_bavail.saturating_mul(told.f_frsize),
    })
}
