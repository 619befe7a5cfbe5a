//! The place of a proxy: its lock, its control socket, and whether it is still the one that is called there.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::serve;
use crate::Options;
use crate::access::LogCounts;
use crate::plane::{Plane, Refused, Shared};

/// Whether calls are answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// They are.
    Serving,
    /// They wait: another proxy is about to take over.
    HandingOver,
    /// They are to be made again: another proxy took over.
    Gone,
}

/// What calls act on.
pub(crate) struct Control {
    pub(crate) plane: Rc<Plane>,
    pub(crate) shared: Arc<Shared>,
    /// What became of the lines of the access log.
    pub(crate) log: Arc<LogCounts>,
    /// Told when the proxy is to end.
    pub(crate) end: Notify,
    pub(crate) options: Options,
    stage: watch::Sender<Stage>,
    held: RefCell<Held>,
}

/// What only one proxy has.
struct Held {
    /// Keeps a second proxy away, for as long as it is open.
    lock: Option<File>,
    listener: Option<UnixListener>,
    serving: Option<AbortHandle>,
    /// Where another proxy took over: the connection to it, the private socket, and when.
    gone: Option<(UnixStream, PathBuf, Instant)>,
}

/// Opens the control socket in place of one that a killed proxy left; nobody else can ever open it.
///
/// # Errors
/// What the system says.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// A listener for the control thread's runtime.
///
/// # Errors
/// What the system says.
pub(crate) fn asynchronous(listener: UnixListener) -> io::Result<tokio::net::UnixListener> {
    listener.set_nonblocking(true)?;
    tokio::net::UnixListener::from_std(listener)
}

impl Control {
    pub(crate) fn new(
        options: &Options,
        plane: Rc<Plane>,
        shared: Arc<Shared>,
        log: Arc<LogCounts>,
        (lock, listener): (File, UnixListener),
    ) -> Self {
        let held = Held { lock: Some(lock), listener: Some(listener), serving: None, gone: None };
        Self {
            plane,
            shared,
            log,
            end: Notify::new(),
            options: options.clone(),
            stage: watch::Sender::new(Stage::Serving),
            held: RefCell::new(held),
        }
    }

    /// Waits while another proxy is about to take over.
    ///
    /// # Errors
    /// That it did.
    pub(crate) async fn admit(&self) -> Result<(), Refused> {
        let mut stage = self.stage.subscribe();
        let settled = stage.wait_for(|stage| *stage != Stage::HandingOver).await;
        match settled.map(|stage| *stage) {
            Ok(Stage::Serving) => Ok(()),
            _ => Err(Refused::Moved),
        }
    }

    /// Makes calls wait; `false` when they do already.
    pub(crate) fn begin_handover(&self) -> bool {
        self.stage.send_if_modified(|stage| {
            let serving = *stage == Stage::Serving;
            if serving {
                *stage = Stage::HandingOver;
            }
            serving
        })
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Answers calls on the control socket from now on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listen(self: &Rc<Self>) -> io::Result<()> {
        let listener = self.listener()?;
        let serving = tokio::task::spawn_local(serve(
            asynchronous(UnixListener::from(listener))?,
            Rc::clone(self),
            false,
        ));
        self.held.borrow_mut().serving = Some(serving.abort_handle());
        Ok(())
    }

    /// Takes no more connections on the control socket; they wait.
    pub(crate) fn stop_listening(&self) {
        if let Some(serving) = self.held.borrow_mut().serving.take() {
            serving.abort();
        }
    }

    /// A second descriptor of the lock.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn lock(&self) -> io::Result<OwnedFd> {
        let held = self.held.borrow();
        held.lock.as_ref().ok_or(io::ErrorKind::NotFound)?.try_clone().map(OwnedFd::from)
    }

    /// A second descriptor of the control socket.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listener(&self) -> io::Result<OwnedFd> {
        let held = self.held.borrow();
        held.listener.as_ref().ok_or(io::ErrorKind::NotFound)?.try_clone().map(OwnedFd::from)
    }

    /// Lets go of everything that only one proxy has: another one serves now.
    pub(crate) fn gone(&self, successor: UnixStream, private: PathBuf) {
        self.plane.let_go();
        let mut held = self.held.borrow_mut();
        (held.lock, held.listener) = (None, None);
        held.gone = Some((successor, private, Instant::now()));
        self.set_stage(Stage::Gone);
    }

    /// Since when another proxy serves.
    pub(crate) fn gone_since(&self) -> Option<Instant> {
        self.held.borrow().gone.as_ref().map(|(_, _, since)| *since)
    }

    /// Takes away the socket that is this proxy's own and lets go of the lock, so that another one can start; gives the
    /// connection to the one that took over.
    pub(crate) fn leave(&self) -> Option<UnixStream> {
        let mut held = self.held.borrow_mut();
        let gone = held.gone.take();
        // The lock is still ours where nobody took over, so that this is our own socket. What is gone is gone.
        let own = gone.as_ref().map_or(&self.options.control, |(_, private, _)| private);
        let _ = fs::remove_file(own);
        (held.lock, held.listener) = (None, None);
        gone.map(|(stream, _, _)| stream)
    }
}
