//! Where a host keeps everything: one folder, mode 0700, and beside it a folder in memory for secrets.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use landfall_model::{
    AppName, Digest, EnvironmentName, InstanceId, Release, ReleaseId, ServiceName, TransactionId,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

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
    /// The secrets' folder is a link, or no folder: somebody else may have put it there.
    NoFolder(PathBuf),
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
            Self::NoFolder(path) => {
                write!(
                    f,
                    "{} is a link or a file where Landfall keeps secrets in a folder of its own; find out who put it there (`ls -l`), and remove it",
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
        make_private(&root, OFlags::empty())?;
        let root = root.canonicalize().map_err(io)?;
        let memory = PathBuf::from(format!("/dev/shm/landfall-{}", rustix::process::getuid().as_raw()));
        let key = Digest::of(root.as_os_str().as_encoded_bytes()).short();
        let state = Self { secrets: memory.join(key), root };
        if state.instance(&InstanceId::of_zero()).join("shim.sock").as_os_str().len() > MAX_SOCKET {
            return Err(StateDirError::TooLong(state.root));
        }
        // Everybody may write to the folder above.
        make_private(&memory, OFlags::NOFOLLOW)?;
        make_private(&state.secrets, OFlags::NOFOLLOW)?;
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

/// Makes a folder that nobody else may look into, or takes the one that is there; with `NOFOLLOW` no link to one.
fn make_private(path: &Path, follow: OFlags) -> Result<(), StateDirError> {
    let io = |error| StateDirError::Io(path.to_owned(), error);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => File::from(folder),
        Err(Errno::LOOP | Errno::NOTDIR) if follow.contains(OFlags::NOFOLLOW) => {
            return Err(StateDirError::NoFolder(path.to_owned()));
        }
        Err(error) => return Err(io(made.err().unwrap_or_else(|| error.into()))),
    };
    let facts = folder.metadata().map_err(io)?;
    if facts.uid() != rustix::process::getuid().as_raw() {
        return Err(StateDirError::NotOurs(path.to_owned()));
    }
    if facts.permissions().mode() & 0o077 != 0 {
        folder.set_permissions(fs::Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn no_link_is_followed_to_where_secrets_would_lie() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("shown")).unwrap();
        fs::set_permissions(at("shown"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(at("file"), "").unwrap();
        for (link, target) in [("link", "shown"), ("nowhere", "nothing"), ("to-file", "file")] {
            std::os::unix::fs::symlink(at(target), at(link)).unwrap();
            let refused = make_private(&at(link), OFlags::NOFOLLOW).unwrap_err();
            assert!(matches!(refused, StateDirError::NoFolder(_)), "{link}: {refused}");
        }
        let refused = make_private(&at("file"), OFlags::NOFOLLOW).unwrap_err();
        assert!(matches!(refused, StateDirError::NoFolder(_)), "{refused}");
        assert_eq!((mode(&at("shown")), at("nothing").exists()), (0o755, false));
        // The state folder may lie behind a link of its owner's.
        make_private(&at("link"), OFlags::empty()).unwrap();
        assert_eq!(mode(&at("shown")), 0o700);
        make_private(&at("new/er"), OFlags::NOFOLLOW).unwrap();
        assert_eq!(mode(&at("new/er")), 0o700);
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_used() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(folder.path(), Some(65534), None).unwrap();
        let refused = make_private(folder.path(), OFlags::NOFOLLOW).unwrap_err();
        assert!(matches!(refused, StateDirError::NotOurs(_)), "{refused}");
    }
}
