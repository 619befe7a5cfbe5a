//! The registry's connections: whoever is on this machine may open them, and nobody may hold so many, or hold one for so
//! long without a use, that the agent has no room left for its own work.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

use super::strangers::{Stranger, Strangers};
use super::{Registry, answer};

/// What connections may use up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many there may be. One more has the place of the oldest on which nothing was shown yet, or waits until one is
    /// closed. Each holds a descriptor and at most about a mebibyte of a blob.
    pub(super) connections: usize,
    /// How long the head of a request may take, and how long a connection may be without one.
    pub(super) head: Duration,
    /// How long a client may take nothing of an answer.
    pub(super) taken: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 64, head: Duration::from_secs(15), taken: Duration::from_secs(60) }
    }
}

/// Bytes that the HTTP server keeps of an answer before it waits for its client.
const WRITTEN_AHEAD: usize = 64 * 1024;

/// Between two tries to take a connection on when the system has none left to give.
const NONE_LEFT: Duration = Duration::from_millis(500);

/// Serves the connections of `listener` until `ended`, and then those that are there to their end. Dropped, it ends them.
pub(super) async fn serve(
    registry: Arc<Registry>,
    listener: TcpListener,
    limits: Limits,
    ended: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let strangers = Strangers::default();
    let (told, ending) = watch::channel(false);
    let mut open = JoinSet::new();
    let mut ended = std::pin::pin!(ended);
    loop {
        let accepted = async {
            let (stream, _) = listener.accept().await?;
            if room.available_permits() == 0 {
                strangers.close_oldest();
            }
            // Never closed.
            io::Result::Ok((stream, Arc::clone(&room).acquire_owned().await.ok()))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = &mut ended => break,
        };
        while open.try_join_next().is_some() {}
        let Ok((stream, permit)) = accepted else {
            sleep(NONE_LEFT).await;
            continue;
        };
        let (registry, ending) = (Arc::clone(&registry), ending.clone());
        let (stranger, goes) = strangers.welcome();
        open.spawn(async move {
            tokio::select! {
                () = one(registry, stream, limits, ending, Arc::new(stranger)) => {}
                () = goes => {}
            }
            drop(permit);
        });
    }
    told.send_replace(true);
    while open.join_next().await.is_some() {}
}

/// Serves one connection. One that breaks has nobody who would want to know.
async fn one(
    registry: Arc<Registry>,
    stream: TcpStream,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
    stranger: Arc<Stranger>,
) {
    // Without it answers of two parts wait for each other; nothing breaks.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        if registry.access.recognizes(request.headers()) {
            stranger.is_known();
        }
        let registry = Arc::clone(&registry);
        async move { Ok::<_, Infallible>(answer(&registry, request.map(Body::new)).await) }
    });
    let wire = TokioIo::new(Taken::new(stream, limits.taken));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(WRITTEN_AHEAD)
            .serve_connection(wire, service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// A connection that breaks once nothing of what is written was taken for a while.
struct Taken {
    stream: TcpStream,
    limit: Duration,
    /// Since when a write waits.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Taken {
    fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit, waits: None }
    }

    /// What came of a write, or that it has waited for too long.
    fn within<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let limit = self.limit;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(waits.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Taken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Taken {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.within(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.within(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::access::Access;
    use crate::server::uploads::Uploads;
    use crate::store::Images;
    use landfall_artifact::Store;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    /// Longer than anything here takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// Longer than anybody waits here.
    const LONG: Duration = Duration::from_secs(600);

    struct Served {
        port: u16,
        blob: String,
        _folder: tempfile::TempDir,
    }

    /// A registry with one blob of 32 MiB.
    async fn served(limits: Limits) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let chunks = Store::open(&folder.path().join("store")).unwrap();
        let images = Images::open(&folder.path().join("images"), chunks).unwrap();
        let written = images.put_blob(&vec![7; 32 * 1024 * 1024]).unwrap();
        images.adopt(&"app/web".parse().unwrap(), &written.digest).unwrap();
        let access = Access::whole("token".into());
        let random = Box::new(landfall_fx::SystemRandom);
        let registry = Arc::new(Registry { images, access, uploads: Uploads::default(), random });
        let listener = super::super::listen(None).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(registry, listener, limits, std::future::pending()));
        Served { port, blob: format!("/v2/app/web/blobs/{}", written.digest), _folder: folder }
    }

    impl Served {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
        }

        /// Asks for a path and gives the connection with the whole answer still to come.
        async fn ask(&self, path: &str) -> TcpStream {
            let mut stream = self.connect().await;
            self.ask_on(&mut stream, path).await;
            stream
        }

        async fn ask_on(&self, stream: &mut TcpStream, path: &str) {
            let head =
                format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
        }

        /// A connection on which a path without a body was asked for and answered.
        async fn answered(&self, path: &str) -> TcpStream {
            let mut stream = self.ask(path).await;
            assert_eq!(status(&mut stream).await, "200");
            stream
        }
    }

    /// Reads the head of an answer and gives its status.
    async fn status(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("an answer"));
            }
        };
        timeout(PATIENCE, read).await.expect("it is answered");
        String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    /// Everything that comes until the other end closes.
    async fn rest(mut stream: TcpStream) -> usize {
        let mut buffer = vec![0; 64 * 1024];
        let mut all = 0;
        let read = async {
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                all += length;
            }
        };
        timeout(PATIENCE, read).await.expect("it is closed");
        all
    }

    #[tokio::test]
    async fn what_says_nothing_is_closed() {
        let served = served(Limits { head: Duration::from_secs(1), ..Limits::default() }).await;
        assert_eq!(rest(served.connect().await).await, 0);
        let mut slow = served.connect().await;
        slow.write_all(b"GET /v2/ HTTP/1.1\r\nhost: loc").await.unwrap();
        rest(slow).await;
        // An answer, and nothing more for as long.
        assert!(rest(served.ask("/v2/").await).await > 0);
    }

    #[tokio::test]
    async fn one_more_than_may_be_waits_for_its_turn() {
        let served = served(Limits { connections: 2, head: LONG, ..Limits::default() }).await;
        let known = [served.answered("/v2/").await, served.answered("/v2/").await];
        let mut third = served.ask("/v2/").await;
        let early = timeout(Duration::from_millis(300), third.read_u8()).await;
        assert!(early.is_err(), "two are there already");
        drop(known);
        timeout(PATIENCE, third.read_u8()).await.expect("a turn comes").unwrap();
    }

    #[tokio::test]
    async fn those_that_have_shown_nothing_make_room() {
        let served = served(Limits { connections: 3, head: LONG, ..Limits::default() }).await;
        let known = served.answered("/v2/").await;
        let silent = served.connect().await;
        let mut refused = served.connect().await;
        refused.write_all(b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(status(&mut refused).await, "401");
        // Each has the place of the oldest of them, and none that of the first.
        let third = served.answered("/v2/").await;
        assert_eq!(rest(silent).await, 0);
        let fourth = served.answered("/v2/").await;
        rest(refused).await;
        for mut stream in [known, third, fourth] {
            served.ask_on(&mut stream, "/v2/").await;
            assert_eq!(status(&mut stream).await, "200");
        }
    }

    #[tokio::test]
    async fn what_takes_nothing_of_an_answer_is_cut() {
        let taken = Duration::from_secs(2);
        let served = served(Limits { connections: 1, taken, ..Limits::default() }).await;
        let mut asleep = served.ask(&served.blob).await;
        timeout(PATIENCE, asleep.read_u8()).await.expect("an answer begins").unwrap();
        // There is room for the next one without a word from the first.
        drop(served.answered("/v2/").await);
        assert!(rest(asleep).await < 32 * 1024 * 1024);
        // One that takes it has all of it.
        let mut awake = served.answered(&served.blob).await;
        let mut blob = vec![0; 32 * 1024 * 1024];
        timeout(PATIENCE, awake.read_exact(&mut blob)).await.expect("it goes on").unwrap();
    }
}
