//! The addresses that routes want: opened for all workers, tried again while somebody else has them.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::time::Instant;

use super::Plane;
use crate::data::worker::Command;
use crate::listen::{self, NotOpen};

/// Workers have surely closed an address after this long: it is theirs no more.
const CLOSING: Duration = Duration::from_secs(5);

/// An address that routes want.
pub(super) enum Listener {
    /// It is open; beside the workers' own descriptors of its sockets these are kept.
    Open(Vec<TcpListener>),
    /// Why it is not.
    Failed(String),
}

impl Plane {
    /// The addresses that are wanted, with what keeps them from being open.
    pub(crate) fn listeners(&self) -> Vec<(SocketAddr, Option<String>)> {
        let problem = |listener: &Listener| match listener {
            Listener::Open(_) => None,
            Listener::Failed(problem) => Some(problem.clone()),
        };
        let book = self.book.borrow();
        book.listeners.iter().map(|(address, listener)| (*address, problem(listener))).collect()
    }

    /// Whether an address is wanted that is not open.
    pub(crate) fn lacks_address(&self) -> bool {
        self.book.borrow().listeners.values().any(|listener| matches!(listener, Listener::Failed(_)))
    }

    /// Tries again to listen where that failed.
    pub(crate) fn retry_listeners(&self) {
        for (address, problem) in self.listeners() {
            if problem.is_some()
                && let Ok(sockets) = self.open(address)
            {
                self.listen(address, sockets);
            }
        }
    }

    /// Opens an address, one socket for each worker, unless it is open already.
    pub(super) fn open(&self, address: SocketAddr) -> Result<Option<Vec<TcpListener>>, NotOpen> {
        if self.retired.get() {
            return Ok(None);
        }
        let own: Vec<SocketAddr> = {
            let mut book = self.book.borrow_mut();
            let now = Instant::now();
            book.closing.retain(|(_, at)| now.duration_since(*at) < CLOSING);
            if let Some(Listener::Open(_)) = book.listeners.get(&address) {
                return Ok(None);
            }
            let open = book.listeners.iter().filter(|(_, listener)| matches!(listener, Listener::Open(_)));
            open.map(|(own, _)| *own).chain(book.closing.iter().map(|(own, _)| *own)).collect()
        };
        listen::open(address, self.workers.len(), &own).map(Some)
    }

    /// Gives the sockets of an address to the workers.
    pub(super) fn listen(&self, address: SocketAddr, sockets: Option<Vec<TcpListener>>) {
        let Some(mut sockets) = sockets else { return };
        let secure = self.book.borrow().live.values().any(|live| live.config.secure() == Some(address));
        // Another process had other workers: each of its sockets has a queue of its own, and none may be lost.
        while sockets.len() < self.workers.len()
            && let Ok(socket) = listen::open_one(address)
        {
            sockets.push(socket);
        }
        let mut kept = Vec::new();
        for (worker, socket) in self.workers.iter().cycle().zip(sockets) {
            // Without a second descriptor it can be served all the same, and not be handed over.
            kept.extend(socket.try_clone());
            let _ = worker.commands.send(Command::Listen { address, socket, secure });
        }
        self.book.borrow_mut().listeners.insert(address, Listener::Open(kept));
    }

    pub(super) fn listen_or_note(&self, address: SocketAddr) {
        match self.open(address) {
            Ok(sockets) => self.listen(address, sockets),
            Err(NotOpen { message, .. }) => {
                let failed = Listener::Failed(message.clone());
                if self.book.borrow_mut().listeners.insert(address, failed).is_none() {
                    self.note(message);
                }
            }
        }
    }

    /// Closes the addresses that no route wants any more.
    pub(super) fn close_unused(&self) {
        let mut book = self.book.borrow_mut();
        let used: Vec<SocketAddr> = book.live.values().flat_map(|live| live.config.addresses()).collect();
        let unused: Vec<SocketAddr> =
            book.listeners.keys().filter(|address| !used.contains(address)).copied().collect();
        for address in unused {
            book.listeners.remove(&address);
            book.closing.push((address, Instant::now()));
            for worker in &self.workers {
                let _ = worker.commands.send(Command::Close(address));
            }
        }
    }
}
