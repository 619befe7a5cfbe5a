//! Connections that stay open through deploys: websockets that are echoed and server-sent events that are counted, each
//! opened anew when it is cut. What cut them, and when, is in the report.

mod feed;
mod report;
mod socket;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use report::{Cut, StreamKind, StreamReport};

use feed::Feed;
use socket::Socket;

/// From a cut to the next attempt, as clients do it that care.
const PAUSE: Duration = Duration::from_millis(20);

/// What to open.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// The address to connect to: `127.0.0.1:8080`.
    pub address: String,
    /// The `Host` field.
    pub host: String,
    /// Websockets at once. The server greets with one text message and echoes all that it gets.
    pub sockets: usize,
    /// Their path.
    pub socket_path: String,
    /// Feeds of server-sent events at once. The first event is a greeting; the data of the others count up by one.
    pub feeds: usize,
    /// Their path.
    pub feed_path: String,
    /// From an echo to the next message.
    pub beat: Duration,
    /// The longest time without a message; a stream that is silent for longer is cut.
    pub silence: Duration,
}

impl StreamPlan {
    /// As many websockets on `/socket` and feeds on `/events`, ten messages a second, ten seconds of silence at most.
    #[must_use]
    pub fn new(address: &str, host: &str, sockets: usize, feeds: usize) -> Self {
        Self {
            address: address.to_owned(),
            host: host.to_owned(),
            sockets,
            socket_path: "/socket".to_owned(),
            feeds,
            feed_path: "/events".to_owned(),
            beat: Duration::from_millis(100),
            silence: Duration::from_secs(10),
        }
    }
}

/// Streams that are held open, on a thread of their own.
#[derive(Debug)]
pub struct Streams {
    stop: watch::Sender<bool>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<StreamReport>,
}

impl Streams {
    /// Opens them.
    ///
    /// # Panics
    /// When no thread can be had.
    #[must_use]
    pub fn start(plan: StreamPlan) -> Self {
        let (stop, told) = watch::channel(false);
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        let thread = std::thread::Builder::new().name("streams".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime.expect("a runtime"), hold_all(plan, told, count))
        });
        Self { stop, open, thread: thread.expect("a thread for the streams") }
    }

    /// How many are open now, greeted by the server.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Closes them, which is no cut, and tells what came of them.
    ///
    /// # Panics
    /// When the streams themselves panicked.
    #[must_use]
    pub fn stop(self) -> StreamReport {
        // They are gone already when nobody listens, and say why below.
        let _ = self.stop.send(true);
        self.thread.join().expect("the streams do not panic")
    }
}

async fn hold_all(plan: StreamPlan, stop: watch::Receiver<bool>, open: Arc<AtomicUsize>) -> StreamReport {
    let held = Held { plan: Rc::new(plan), report: Rc::default(), open, stop };
    let sockets = std::iter::repeat_n(StreamKind::Socket, held.plan.sockets);
    let kinds = sockets.chain(std::iter::repeat_n(StreamKind::Feed, held.plan.feeds));
    let mut tasks: JoinSet<()> = JoinSet::new();
    for kind in kinds {
        tasks.spawn_local(held.clone().hold(kind));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a stream does not panic");
    }
    held.report.take()
}

/// What the tasks of all streams share.
#[derive(Clone)]
struct Held {
    plan: Rc<StreamPlan>,
    report: Rc<RefCell<StreamReport>>,
    open: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
}

/// An open stream.
enum Stream {
    Socket(Socket),
    Feed(Feed),
}

impl Stream {
    /// The next message.
    async fn next(&mut self, beat: Duration) -> Result<(), String> {
        match self {
            Self::Socket(socket) => socket.echo(beat).await,
            Self::Feed(feed) => feed.next().await,
        }
    }
}

impl Held {
    /// Keeps one stream open until all are to stop.
    async fn hold(mut self, kind: StreamKind) {
        let mut stop = self.stop.clone();
        loop {
            let opened = tokio::select! {
                opened = self.open_one(kind) => opened,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match opened {
                Ok((stream, greeting)) => {
                    let since = SystemClock::new().now();
                    self.report.borrow_mut().opened += 1;
                    self.open.fetch_add(1, Ordering::Relaxed);
                    let reason = self.live(stream).await;
                    self.open.fetch_sub(1, Ordering::Relaxed);
                    let Some(reason) = reason else { return };
                    let at = SystemClock::new().now();
                    self.report.borrow_mut().cut(Cut { kind, greeting, since, at, reason });
                }
                Err(reason) => self.report.borrow_mut().refuse(kind, &reason),
            }
            sleep(PAUSE).await;
        }
    }

    async fn open_one(&self, kind: StreamKind) -> Result<(Stream, String), String> {
        let plan = &self.plan;
        let opening = async {
            match kind {
                StreamKind::Socket => {
                    Socket::open(plan).await.map(|(socket, greeting)| (Stream::Socket(socket), greeting))
                }
                StreamKind::Feed => {
                    Feed::open(plan).await.map(|(feed, greeting)| (Stream::Feed(feed), greeting))
                }
            }
        };
        timeout(plan.silence, opening).await.unwrap_or_else(|_| Err("nobody greets".to_owned()))
    }

    /// Exchanges messages until the stream is cut, and says by what; `None` when it was to stop.
    async fn live(&mut self, mut stream: Stream) -> Option<String> {
        let StreamPlan { beat, silence, .. } = *self.plan;
        loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return None,
                next = timeout(silence, stream.next(beat)) => match next {
                    Ok(Ok(())) => self.report.borrow_mut().messages += 1,
                    Ok(Err(reason)) => return Some(reason),
                    Err(_) => return Some(format!("nothing for {silence:?}")),
                },
            }
        }
    }
}
