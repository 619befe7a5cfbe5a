//! Takes connections in: each is registered, says who it comes from, does its handshake, and is served.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use landfall_model::canonical;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::client1;
use super::connection::Peer;
use super::http2;
use super::preamble;
use super::registered::Registered;
use super::socket::{Socket, notice_vanished};
use super::worker::Worker;

/// Ends the accepting on one socket.
#[derive(Default)]
pub(crate) struct Close {
    told: Notify,
    /// Whether what is queued is taken out before.
    empty: Cell<bool>,
}

impl Close {
    /// Ends it, after what is queued was taken out if `empty`.
    pub(crate) fn now(&self, empty: bool) {
        self.empty.set(empty);
        self.told.notify_one();
    }
}

/// Takes connections from a socket, of TLS if it is secure, until `close` says so.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    (address, secure): (SocketAddr, bool),
    close: Rc<Close>,
) {
    notice_vanished(&listener);
    loop {
        let accepted = tokio::select! {
            accepted = next(&worker, &listener) => accepted,
            () = close.told.notified() => break,
        };
        match accepted {
            Ok((socket, peer)) => accepted_one(&worker, socket, (address, secure), peer),
            // Out of descriptors, most likely: those that are there must end first.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    if !close.empty.get() {
        return;
    }
    // What the kernel already accepted would be reset.
    while let Ok(Ok((socket, peer))) = timeout(Duration::ZERO, listener.accept()).await {
        accepted_one(&worker, socket, (address, secure), peer);
    }
}

/// The next connection, once there is room for one.
async fn next(worker: &Worker, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    while worker.full() {
        sleep(Duration::from_millis(10)).await;
    }
    listener.accept().await
}

/// A connection came in; on an address for TLS its handshake is done first.
fn accepted_one(
    worker: &Rc<Worker>,
    socket: TcpStream,
    (listen, secure): (SocketAddr, bool),
    peer: SocketAddr,
) {
    let _ = socket.set_nodelay(true);
    let registered = Registered::connection(worker);
    tokio::task::spawn_local(async move {
        registered.attach().await;
        let (mut socket, mut told) = (socket, None);
        let local = local(&socket, listen);
        if registered.worker().expects_preamble(local, peer) {
            match Box::pin(preamble::read(&mut socket)).await {
                Ok(client) => told = client,
                Err(_) => return,
            }
        }
        let socket = if secure {
            let certificates = &registered.worker().shared.certificates;
            match Box::pin(Socket::secure(socket, local, certificates)).await {
                Some(socket) => socket,
                None => return,
            }
        } else {
            Socket::Plain(socket)
        };
        let peer = Peer::new(local, peer, told, socket.tls());
        connection(&registered, socket, peer).await;
    });
}

/// The address of this machine that a client reached, by the port that is listened on.
fn local(socket: &TcpStream, listen: SocketAddr) -> SocketAddr {
    let reached = || Some(SocketAddr::new(socket.local_addr().ok()?.ip(), listen.port()));
    let all = listen.ip().is_unspecified();
    canonical(all.then(reached).flatten().unwrap_or(listen))
}

/// Serves a connection until it ends.
async fn connection(registered: &Registered, socket: Socket, peer: Peer) {
    let (worker, progress) = (Rc::clone(registered.worker()), registered.shared_progress());
    if socket.speaks_h2() {
        Box::pin(http2::serve(worker, socket, peer, progress)).await;
    } else {
        client1::serve(worker, socket, peer, progress).await;
    }
}
