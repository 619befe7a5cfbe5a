//! What a worker watches over: connections and streams, for as long as they last.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::connection::Progress;
use super::worker::Worker;

/// Something that lasts, in the sweeper's list for as long as it lives.
pub(crate) struct Registered {
    worker: Rc<Worker>,
    number: u64,
    counts: bool,
    progress: Rc<Progress>,
}

impl Registered {
    /// A connection, which counts as one.
    pub(crate) fn connection(worker: &Rc<Worker>) -> Self {
        Self::new(worker, true)
    }

    /// A stream of a connection.
    pub(crate) fn stream(worker: &Rc<Worker>) -> Self {
        Self::new(worker, false)
    }

    fn new(worker: &Rc<Worker>, counts: bool) -> Self {
        let number = worker.registered.get();
        worker.registered.set(number + 1);
        let progress = Rc::new(Progress::new());
        let mut connections = worker.connections.borrow_mut();
        connections.insert(number, Rc::clone(&progress));
        drop(connections);
        worker.open.fetch_add(usize::from(counts), Ordering::Relaxed);
        Self { worker: Rc::clone(worker), number, counts, progress }
    }

    /// Its worker.
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// How far it is, for the sweeper.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The same, for who keeps it.
    pub(crate) fn shared_progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// Makes the sweeper wake the task that calls this.
    pub(crate) async fn attach(&self) {
        poll_fn(|cx| {
            self.progress.attach(cx.waker());
            Poll::Ready(())
        })
        .await;
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut connections = self.worker.connections.borrow_mut();
        connections.remove(&self.number);
        self.worker.open.fetch_sub(usize::from(self.counts), Ordering::Relaxed);
    }
}
