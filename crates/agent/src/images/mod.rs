//! The host's own images: the store, and the registry on loopback from which its engine pulls by digest. Both are there
//! from the first need on, and not before.

mod afar;
mod carry;
mod logins;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use landfall_artifact::Store;
use landfall_fx::{Files as _, Random as _, RealFiles, StateDir, SystemRandom};
use landfall_model::{AppName, Digest, Fault, ServiceName};
use landfall_oci::server::{self, Access, May, Pass, Passes};
use landfall_oci::{Images, Repository};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::host::LocalHost;

/// The longest of the two small files here, in bytes.
const MAX_SMALL: usize = 256;

/// Bytes of chance in the token.
const TOKEN: usize = 32;

/// The store once it was opened, and its registry once it runs.
#[derive(Default)]
pub(crate) struct HostImages {
    opened: OnceLock<Images>,
    running: Mutex<Option<Running>>,
}

struct Running {
    registry: Registry,
    task: JoinHandle<()>,
}

/// The registry.
#[derive(Clone)]
pub(crate) struct Registry {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    /// No engine gets to know the store's token: one with a network of its own has another loopback, and somebody else may
    /// listen there.
    passes: Passes,
    /// For engines that are to pull what somebody named by the registry's address.
    reader: Arc<Pass>,
}

impl Registry {
    /// A pass for one push or pull.
    fn pass(&self, repository: &Repository, may: May) -> Result<Pass, Fault> {
        Ok(self.passes.issue(fresh_token()?, repository.clone(), may))
    }
}

impl HostImages {
    /// The store, if there ever was need of one.
    pub(crate) fn if_there(&self, dir: &StateDir, chunks: &Store) -> Result<Option<&Images>, Fault> {
        if dir.images().is_dir() { self.get(dir, chunks).map(Some) } else { Ok(None) }
    }

    fn get(&self, dir: &StateDir, chunks: &Store) -> Result<&Images, Fault> {
        if let Some(images) = self.opened.get() {
            return Ok(images);
        }
        let root = dir.images();
        let opened = Images::open(&root, chunks.clone()).map_err(|error| cannot(&root, &error))?;
        Ok(self.opened.get_or_init(|| opened))
    }
}

impl LocalHost {
    /// The image store.
    pub(crate) fn images(&self) -> Result<&Images, Fault> {
        self.host_images().get(self.dir(), self.store())
    }

    /// The image store, if there ever was need of one.
    pub(crate) fn images_if_there(&self) -> Result<Option<&Images>, Fault> {
        self.host_images().if_there(self.dir(), self.store())
    }

    /// The store's registry, started when it does not run: on the port that it had before, if that is free.
    pub(crate) async fn image_registry(&self) -> Result<Registry, Fault> {
        let images = self.images()?.clone();
        let mut running = self.host_images().running.lock().await;
        if let Some(running) = running.as_ref().filter(|running| !running.task.is_finished()) {
            return Ok(running.registry.clone());
        }
        let token = token(&self.dir().image_token())?;
        let path = self.dir().image_port();
        let before = small(&path)?.and_then(|text| text.trim().parse().ok());
        let bound = server::listen(before).await;
        let listener = bound.map_err(|error| no_port(&error))?;
        let port = listener.local_addr().map_err(|error| no_port(&error))?.port();
        if before != Some(port) {
            RealFiles.replace(&path, format!("{port}\n").as_bytes()).map_err(|e| cannot(&path, &e))?;
        }
        let random = Box::new(SystemRandom);
        let passes = Passes::default();
        let access = Access::whole(token).with_passes(passes.clone());
        // One that broke is started again by whoever needs it next.
        let task = tokio::spawn(server::serve(images, access, random, listener, std::future::pending()));
        let reader = Arc::new(passes.issue_reader(fresh_token()?));
        let registry = Registry { host: format!("127.0.0.1:{port}"), passes, reader };
        *running = Some(Running { registry: registry.clone(), task });
        Ok(registry)
    }

    /// What pulls from the store's registry, if that is what is at `host`.
    async fn reader_of(&self, host: &str) -> Result<Option<SecretString>, Fault> {
        let port = small(&self.dir().image_port())?;
        let own = port.is_some_and(|port| host == format!("127.0.0.1:{}", port.trim()));
        if own { Ok(Some(self.image_registry().await?.reader.token().clone())) } else { Ok(None) }
    }
}

/// A service's repository in the store.
pub(crate) fn repository(app: &AppName, service: &ServiceName) -> Result<Repository, Fault> {
    format!("{app}/{service}")
        .parse()
        .map_err(|error: landfall_oci::WrongName| Fault::internal(error.to_string()))
}

/// What engines pull an image of the store by.
pub(crate) fn reference(registry: &Registry, repository: &Repository, digest: &Digest) -> String {
    format!("{}/{repository}@{digest}", registry.host)
}

/// The token, made when there is none; nobody but the owner of the state folder reads it.
fn token(path: &Path) -> Result<SecretString, Fault> {
    if let Some(token) = small(path)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
        return Ok(token.into());
    }
    let token = fresh_token()?;
    RealFiles.replace(path, token.expose_secret().as_bytes()).map_err(|error| cannot(path, &error))?;
    Ok(token)
}

/// A token that nobody has yet.
fn fresh_token() -> Result<SecretString, Fault> {
    let mut bytes = [0; TOKEN];
    let no_chance = |error| Fault::machine(format!("no chance is to be had: {error}"));
    SystemRandom.fill(&mut bytes).map_err(no_chance)?;
    Ok(Digest::of(&bytes).hex().into())
}

/// A small text; `None` when it is not there.
fn small(path: &Path) -> Result<Option<String>, Fault> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_SMALL)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(path, &error)),
    }
}

fn no_port(error: &io::Error) -> Fault {
    Fault::machine(format!("no port can be had for the image store's registry: {error}"))
        .help("look whether 127.0.0.1 is up and the system has ports left")
}

fn cannot(path: &Path, error: &io::Error) -> Fault {
    Fault::machine(format!("the image store {} cannot be used: {error}", path.display()))
        .help("look at the permissions of the state folder and at the free space")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn host(folder: &Path) -> Arc<LocalHost> {
        let dir = StateDir::open(folder).unwrap();
        LocalHost::open(dir, std::env::current_exe().unwrap(), tokio::runtime::Handle::current()).unwrap()
    }

    #[tokio::test]
    async fn the_registry_comes_with_the_first_need_and_keeps_its_port_and_token() {
        let folder = tempfile::tempdir().unwrap();
        let first = host(folder.path());
        assert!(first.images_if_there().unwrap().is_none());
        let before = first.image_registry().await.unwrap();
        assert_eq!(first.image_registry().await.unwrap().host, before.host);
        let mode = fs::metadata(first.dir().image_token()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // The agent ends, and another one comes.
        first.host_images().running.lock().await.take().unwrap().task.abort();
        let port = before.host.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        while std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
            tokio::task::yield_now().await;
        }
        let token = small(&first.dir().image_token()).unwrap();
        let second = host(folder.path());
        let after = second.image_registry().await.unwrap();
        assert_eq!((after.host, small(&second.dir().image_token()).unwrap()), (before.host.clone(), token));
        // Who names it by its address is told how to pull from it, and of no other.
        assert!(second.reader_of(&before.host).await.unwrap().is_some());
        assert!(second.reader_of("127.0.0.1:1").await.unwrap().is_none());
        // Somebody else has the port: another one is taken, and written down.
        let third = host(folder.path()).image_registry().await.unwrap();
        assert_ne!(third.host, before.host);
        let secrets = StateDir::open(folder.path()).unwrap().secrets_folder().to_owned();
        fs::remove_dir_all(secrets).unwrap();
    }
}
