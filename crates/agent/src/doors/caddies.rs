//! The Caddys of this host: the one that Landfall starts, and those that run already.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use landfall_caddy::{Address, Admin, Caddy, Folder, OLDEST, Version};
use landfall_fx::StateDir;
use landfall_model::{Fault, Feature, Lack, ObservedProxy, Proxy};
use landfall_proxy::Meter;

/// The executable, looked for in the folders of `PATH`.
const PROGRAM: &str = "caddy";

/// Who is asked for a Caddy gets the same one each time.
#[derive(Debug)]
pub(crate) struct Caddies {
    dir: StateDir,
    known: Mutex<BTreeMap<Option<String>, Arc<Caddy>>>,
    /// The version of the executable, by its path and build.
    version: Mutex<Option<(PathBuf, String, Version)>>,
    /// What requests that were held came to, by route, since its meter was started.
    pub(super) waited: Mutex<BTreeMap<String, Meter>>,
    /// Whether instances answered when they were last asked.
    pub(super) health: Mutex<BTreeMap<SocketAddr, bool>>,
    /// One start at a time.
    pub(super) starting: tokio::sync::Mutex<()>,
}

impl Caddies {
    pub(crate) fn new(dir: &StateDir) -> Self {
        Self {
            dir: dir.clone(),
            known: Mutex::default(),
            version: Mutex::default(),
            waited: Mutex::default(),
            health: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// The Caddy with that admin API; the one of Landfall's own with `None`. It need not run.
    pub(super) fn get(&self, admin: Option<&str>) -> Result<Arc<Caddy>, Fault> {
        let key = admin.map(str::to_owned);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caddy) = known.get(&key) {
            return Ok(Arc::clone(caddy));
        }
        let version = self.version()?;
        let folder = self.dir.caddy(admin);
        let address = match admin {
            None => Address::Unix(folder.join("admin.sock")),
            Some(admin) => Address::Tcp(admin.to_owned()),
        };
        let caddy = Arc::new(Caddy::new(Folder::new(folder), Admin::new(address), version));
        known.insert(key, Arc::clone(&caddy));
        Ok(caddy)
    }

    /// The admin APIs of those that were ever told to serve anything; `None` is Landfall's own.
    pub(super) fn used(&self) -> Vec<Option<String>> {
        let mut used = Vec::new();
        if Folder::new(self.dir.caddy(None)).is_used() {
            used.push(None);
        }
        let entries = std::fs::read_dir(self.dir.root()).into_iter().flatten().flatten();
        let others = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("caddy-"));
        let admin = |path: PathBuf| {
            let admin = std::fs::read_to_string(path.join("admin")).ok()?;
            Folder::new(path).is_used().then_some(admin)
        };
        used.extend(others.filter_map(|entry| admin(entry.path())).map(Some));
        used
    }

    /// The version of the Caddy that is installed.
    pub(super) fn version(&self) -> Result<Version, Fault> {
        let program = program().ok_or_else(not_installed)?;
        let build = landfall_fx::build_id(&program).unwrap_or_default();
        let mut known = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, seen, version)) = known.as_ref()
            && (path, seen) == (&program, &build)
        {
            return Ok(*version);
        }
        let version = ask_version(&program).ok_or_else(|| {
            Fault::machine(format!("`{} version` does not say which version it is", program.display()))
        })?;
        *known = Some((program, build, version));
        Ok(version)
    }

    /// What the Caddy of this host cannot do, for a plan.
    pub(crate) fn observed(&self) -> ObservedProxy {
        let proxy = Proxy::Caddy { admin: None };
        match self.version() {
            Ok(version) => {
                ObservedProxy { proxy, version: Some(version.to_string()), lacks: version.lacks() }
            }
            Err(fault) => {
                let instead = fault.help.unwrap_or_else(|| "look at its installation".to_owned());
                let lack = Lack { feature: Feature::Routes, why: fault.message, instead };
                ObservedProxy { proxy, version: None, lacks: vec![lack] }
            }
        }
    }
}

/// The executable.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file())
}

pub(super) fn not_installed() -> Fault {
    Fault::refused(format!("no `{PROGRAM}` is installed on this host")).help(format!(
        "`apt-get install caddy` (then `systemctl disable --now caddy`, unless it is to serve as well), version {OLDEST} or \
         newer; or leave `proxy` out: Landfall has a proxy of its own"
    ))
}

fn ask_version(program: &Path) -> Option<Version> {
    let mut command = Command::new(program);
    command.arg("version").stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Version::read(&String::from_utf8_lossy(&output.stdout))
}
