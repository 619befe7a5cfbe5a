//! Where a host keeps everything: one folder, mode 0700, and beside it a folder in memory for secrets.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use landfall_model::{
    AppName, Digest, EnvironmentName, InstanceId, Release, ReleaseId, ServiceName, TransactionId,
};

use crate::TlsDir;

/// The longest path of a unix socket, `sun_path` of `unix(7)` less its closing zero.
const MAX_SOCKET: usize = 107;

/// The layout of the state folder. Knows paths; makes nothing but the folder itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
    secrets: PathBuf,
}

/// Why there is no state folder.
#[derive(Debug)]
pub enum StateDirError {
    /// Neither `LANDFALL_STATE`, `XDG_STATE_HOME` nor `HOME` is set.
    Unknown,
    /// A path in it would be too long for a unix socket.
    TooLong(PathBuf),
    /// It cannot be made or used.
    Io(PathBuf, io::Error),
    /// It, or its secrets' folder, belongs to somebody else or is open to others.
    NotOurs(PathBuf),
}

impl std::fmt::Display for StateDirError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("no state folder: set LANDFALL_STATE, XDG_STATE_HOME or HOME"),
            Self::TooLong(path) => write!(
                f,
                "the state folder {} is too long for a unix socket inside it; set LANDFALL_STATE to a shorter path",
                path.display()
            ),
            Self::Io(path, error) => write!(f, "the state folder {} cannot be used: {error}", path.display()),
            Self::NotOurs(path) => {
                write!(
                    f,
                    "{} belongs to another user or is open to others; Landfall does not use it",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for StateDirError {}

impl StateDir {
    /// Finds the folder from the environment (`variable` reads one) and makes it if it is not there.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, StateDirError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set(landfall_model::api::STATE_VARIABLE)
            .or_else(|| set("XDG_STATE_HOME").map(|home| home.join("landfall")))
            .or_else(|| set("HOME").map(|home| home.join(".local/state/landfall")))
            .ok_or(StateDirError::Unknown)?;
        Self::open(&root)
    }

    /// Uses `root` as the state folder and makes it if it is not there.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn open(root: &Path) -> Result<Self, StateDirError> {
        let io = |error| StateDirError::Io(root.to_owned(), error);
        let root = std::path::absolute(root).map_err(io)?;
        make_private(&root)?;
        let root = root.canonicalize().map_err(io)?;
        let memory = PathBuf::from(format!("/dev/shm/landfall-{}", rustix::process::getuid().as_raw()));
        let key = Digest::of(root.as_os_str().as_encoded_bytes()).short();
        let state = Self { secrets: memory.join(key), root };
        if state.instance(&InstanceId::of_zero()).join("shim.sock").as_os_str().len() > MAX_SOCKET {
            return Err(StateDirError::TooLong(state.root));
        }
        make_private(&memory)?;
        make_private(&state.secrets)?;
        Ok(state)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The agent's socket.
    #[must_use]
    pub fn agent_socket(&self) -> PathBuf {
        self.root.join("agent.sock")
    }

    /// The file that a running agent holds locked.
    #[must_use]
    pub fn agent_lock(&self) -> PathBuf {
        self.root.join("agent.lock")
    }

    /// What the agent logs.
    #[must_use]
    pub fn agent_log(&self) -> PathBuf {
        self.root.join("agent.log")
    }

    /// The proxy's control socket.
    #[must_use]
    pub fn proxy_socket(&self) -> PathBuf {
        self.root.join("proxy.sock")
    }

    /// What the proxy serves; it reads this when it starts.
    #[must_use]
    pub fn proxy_config(&self) -> PathBuf {
        self.root.join("proxy.json")
    }

    /// What the proxy logs.
    #[must_use]
    pub fn proxy_log(&self) -> PathBuf {
        self.root.join("proxy.log")
    }

    /// The requests that the proxy answered. Older ones lie beside it, with `.1` and so on at the end.
    #[must_use]
    pub fn proxy_access_log(&self) -> PathBuf {
        self.root.join("proxy-access.log")
    }

    /// Certificates and their keys.
    #[must_use]
    pub fn tls(&self) -> TlsDir {
        TlsDir::new(&self.root.join("tls"))
    }

    /// Everything of a Caddy that Landfall drives: the one it starts itself, or the one with that admin API.
    #[must_use]
    pub fn caddy(&self, admin: Option<&str>) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        match admin {
            None => self.root.join("caddy"),
            Some(admin) => self.root.join(format!("caddy-{}", admin.chars().map(plain).collect::<String>())),
        }
    }

    /// What the Caddy that Landfall starts logs.
    #[must_use]
    pub fn caddy_log(&self) -> PathBuf {
        self.root.join("caddy.log")
    }

    /// The agent's database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("state.db")
    }

    /// The journal of one transaction.
    #[must_use]
    pub fn journal(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        transaction: TransactionId,
    ) -> PathBuf {
        self.root.join(format!("journal/{app}.{environment}/{:08}.journal", transaction.0))
    }

    /// The store of file contents by digest.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The image store: manifests, tags, and the lists of chunks that lie in [`StateDir::store`].
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// The port that the image store's registry had last.
    #[must_use]
    pub fn image_port(&self) -> PathBuf {
        self.images().join("port")
    }

    /// What pushing to the image store takes; mode 0600.
    #[must_use]
    pub fn image_token(&self) -> PathBuf {
        self.images().join("token")
    }

    /// Prepared dependencies, a folder for each lock file's digest.
    #[must_use]
    pub fn dependencies(&self) -> PathBuf {
        self.root.join("deps")
    }

    /// Where throwaway copies live.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// What is kept of applications, a folder for each, and in it for each environment, and in that for each service.
    #[must_use]
    pub fn apps(&self) -> PathBuf {
        self.root.join("apps")
    }

    /// Where what is being removed is put first, so that it goes from its place as a whole.
    #[must_use]
    pub fn going(&self) -> PathBuf {
        self.root.join("going")
    }

    /// Everything of one service.
    #[must_use]
    pub fn service(&self, app: &AppName, environment: &EnvironmentName, service: &ServiceName) -> PathBuf {
        self.root.join(format!("apps/{app}/{environment}/{service}"))
    }

    /// The dates of the files in a service's images.
    #[must_use]
    pub fn dates(&self, app: &AppName, environment: &EnvironmentName, service: &ServiceName) -> PathBuf {
        self.service(app, environment, service).join("dates.json")
    }

    /// The unpacked artifact of a release: where its instances run.
    #[must_use]
    pub fn release(&self, release: &Release) -> PathBuf {
        self.release_of(&release.app, &release.environment, &release.id)
    }

    /// The same, of a release that only its name is known of.
    #[must_use]
    pub fn release_of(&self, app: &AppName, environment: &EnvironmentName, id: &ReleaseId) -> PathBuf {
        self.service(app, environment, id.service()).join(format!("releases/{}", id.version()))
    }

    /// A volume's folder. `name` is checked by the manifest to hold only what a name may.
    #[must_use]
    pub fn volume(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        service: &ServiceName,
        name: &str,
    ) -> PathBuf {
        self.service(app, environment, service).join(format!("volumes/{name}"))
    }

    /// Everything of one instance: what it runs, its supervisor's socket, its output.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> PathBuf {
        self.instances().join(id.as_str())
    }

    /// The folder of all instances.
    #[must_use]
    pub fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    /// The file in memory with a release's secret values; mode 0600, gone with a reboot.
    #[must_use]
    pub fn secrets(&self, release: &Release) -> PathBuf {
        self.secrets.join(format!("{}.{}.{}", release.app, release.environment, release.id))
    }

    /// The folder in memory with a file for each of them, for containers that want files.
    #[must_use]
    pub fn secret_files(&self, release: &Release) -> PathBuf {
        self.secrets.join(format!("{}.{}.{}.files", release.app, release.environment, release.id))
    }

    /// The folder in memory with a file for each value that a service's releases read as files: those of compose
    /// projects, whose containers outlive a release.
    #[must_use]
    pub fn service_secret_files(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        service: &ServiceName,
    ) -> PathBuf {
        self.secrets.join(format!("{app}.{environment}.{service}.files"))
    }

    /// The folder in memory with all secrets of this state.
    #[must_use]
    pub fn secrets_folder(&self) -> &Path {
        &self.secrets
    }
}

fn make_private(path: &Path) -> Result<(), StateDirError> {
    let io = |error| StateDirError::Io(path.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
    let facts = fs::symlink_metadata(path).map_err(io)?;
    let facts = if facts.is_symlink() { fs::metadata(path).map_err(io)? } else { facts };
    if facts.uid() != rustix::process::getuid().as_raw() {
        return Err(StateDirError::NotOurs(path.to_owned()));
    }
    if facts.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}
