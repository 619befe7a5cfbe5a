//! The proxy whose place this one took: as long as it has requests in hands, every change is repeated to it, and what it
//! counts is counted here.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use super::Plane;
use super::listeners::Listener;
use crate::data::worker::Command;
use crate::report::{Report, RouteReport};
use crate::{Client, ClientError};

impl Plane {
    /// Goes on with what the proxy of before counted, and follows it until `last` says that it has ended, with its last
    /// report if there is one.
    pub(crate) fn follow(
        self: &Rc<Self>,
        client: Client,
        report: Report,
        last: impl Future<Output = Option<Report>> + 'static,
    ) {
        for route in &report.routes {
            if let Ok(known) = self.route(&route.id) {
                known.inherit_meter(route.started.clone(), Duration::from_millis(route.pause_ms));
            }
        }
        self.inherit(report);
        *self.before.borrow_mut() = Some(client);
        let plane = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let last = last.await;
            plane.before.borrow_mut().take();
            if let Some(report) = last {
                plane.inherit(report);
            }
            plane.book.borrow().known.values().for_each(|route| route.alone());
        });
    }

    /// Whether there is still a proxy of before.
    pub(crate) fn has_before(&self) -> bool {
        self.before.borrow().is_some()
    }

    /// Makes the proxy of before end, as this one is told to.
    pub(crate) async fn end_before(&self) {
        self.repeat(async |before| before.shutdown().await).await;
    }

    /// Repeats a change to the proxy of before; `None` where there is none, or it has just gone.
    pub(super) async fn repeat<T>(
        &self,
        call: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> Option<T> {
        let client = self.before.borrow().clone()?;
        match call(&client).await {
            Ok(answer) => Some(answer),
            Err(ClientError::Unreachable { .. } | ClientError::Refused { status: 404, .. }) => None,
            Err(error) => {
                self.note(format!("the proxy of before, which still has requests, does not follow: {error}"));
                None
            }
        }
    }

    /// Learns what the proxy of before counts and has under way.
    pub(crate) async fn refresh(&self) {
        if let Some(report) = self.repeat(async |before| before.report().await).await {
            self.inherit(report);
        }
    }

    fn inherit(&self, report: Report) {
        for route in report.routes {
            if let Ok(known) = self.route(&route.id) {
                known.inherit(route);
            }
        }
    }

    /// What a proxy that takes over must know of all routes.
    pub(crate) fn report(&self) -> Report {
        let book = self.book.borrow();
        let routes: Vec<RouteReport> = book.known.iter().map(|(id, route)| route.report(id)).collect();
        let before = self.before.borrow().as_ref().map(|before| before.socket().to_owned());
        Report { before, routes }
    }

    /// The sockets of all listeners, for another process.
    pub(crate) fn sockets(&self) -> io::Result<Vec<(SocketAddr, Vec<TcpListener>)>> {
        let book = self.book.borrow();
        let open = book.listeners.iter().filter_map(|(address, listener)| match listener {
            Listener::Open(sockets) => Some((address, sockets)),
            Listener::Failed(_) => None,
        });
        open.map(|(address, sockets)| {
            let sockets: io::Result<Vec<TcpListener>> = sockets.iter().map(TcpListener::try_clone).collect();
            Ok((*address, sockets?))
        })
        .collect()
    }

    /// Accepts nothing more; what comes in waits in the kernel's queues. Nothing is written down from here on.
    pub(crate) fn stop_accepting(&self) {
        self.retired.set(true);
        for worker in &self.workers {
            let _ = worker.commands.send(Command::Retire);
        }
    }

    /// Accepts again after all.
    pub(crate) fn accept_again(&self) {
        self.retired.set(false);
        for (address, sockets) in self.sockets().unwrap_or_default() {
            self.listen(address, Some(sockets));
        }
    }

    /// Lets go of all listeners: another process has them, and keeps the certificates good.
    pub(crate) fn let_go(&self) {
        self.certificates.stop();
        self.book.borrow_mut().listeners.clear();
    }

    /// Uses the sockets that another process opened; workers get them with [`Plane::accept_again`].
    pub(crate) fn adopt(&self, listeners: Vec<(SocketAddr, Vec<TcpListener>)>) {
        let mut book = self.book.borrow_mut();
        book.listeners
            .extend(listeners.into_iter().map(|(address, sockets)| (address, Listener::Open(sockets))));
    }
}
