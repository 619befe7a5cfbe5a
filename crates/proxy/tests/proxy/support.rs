//! A proxy process, servers to put behind it, and clients.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use landfall_proxy::{
    Backend, Client, HoldLimits, HttpOptions, LogOptions, Options, Pool, RouteConfig, Share,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

/// Generous, for busy machines.
pub(crate) const SOON: Duration = Duration::from_secs(60);
const CHILD: &str = "LANDFALL_TEST_PROXY";
/// The workers of one that takes over.
const TAKEOVER: &str = "LANDFALL_TEST_TAKEOVER";
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// Not a test: the proxy's process, which tests start from this very executable.
#[test]
fn child() {
    if let Ok(folder) = std::env::var(CHILD) {
        let folder = PathBuf::from(folder);
        let mut options = Options::new(folder.join("proxy.sock"), folder.join("proxy.json"));
        options.workers = 2;
        if let Ok(count) = std::fs::read_to_string(folder.join("descriptors")) {
            let count = Some(count.parse().unwrap());
            setrlimit(Resource::Nofile, Rlimit { current: count, maximum: count }).unwrap();
        }
        // A test that wants a log makes its folder.
        let log = folder.join("log");
        options.log =
            log.exists().then(|| LogOptions { bytes: 100_000, ..LogOptions::new(log.join("access.log")) });
        options.metrics = std::fs::read_to_string(folder.join("metrics")).ok().map(|at| at.parse().unwrap());
        let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
        if let Some(workers) = number(TAKEOVER) {
            options.takeover = true;
            options.workers = usize::try_from(workers).unwrap();
        }
        if let Ok(drain) = std::fs::read_to_string(folder.join("drain")) {
            options.drain = Duration::from_millis(drain.parse().unwrap());
        }
        if let Err(error) = landfall_proxy::run(&options) {
            panic!("{error}");
        }
    }
}

/// An address of loopback that no other test uses.
pub(crate) fn address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = std::process::id();
    let part = |number: u32, of: u32, from: u8| from + u8::try_from(number % of).unwrap();
    (Ipv4Addr::new(127, part(process, 190, 10), part(process / 190, 250, 1), low), 18080 + u16::from(high))
        .into()
}

pub(crate) struct Proxy {
    pub(crate) folder: TempDir,
    pub(crate) child: Child,
    pub(crate) client: Client,
    pub(crate) listen: SocketAddr,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn start_in(folder: TempDir) -> Self {
        let child = spawn(&folder, None);
        let client = Client::new(folder.path().join("proxy.sock"));
        let proxy = Self { folder, child, client, listen: address() };
        proxy.ready().await;
        proxy
    }

    pub(crate) async fn ready(&self) {
        until("the proxy answers", async || {
            self.client.status().await.is_ok_and(|status| status.pid == self.child.id())
        })
        .await;
    }

    /// SIGKILL, and the same again.
    pub(crate) async fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.folder, None);
        self.ready().await;
    }

    /// SIGTERM, and the same again as soon as this one has let go of its place; gives the one that ends.
    pub(crate) async fn end_and_start(&mut self) -> Before {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let next = spawn(&self.folder, None);
        let before = std::mem::replace(&mut self.child, next);
        until("the next one answers", async || {
            // One that was too early has said so and ended.
            if self.child.try_wait().unwrap().is_some() {
                self.child = spawn(&self.folder, None);
            }
            self.client.status().await.is_ok_and(|status| status.pid == self.child.id())
        })
        .await;
        Before(before)
    }

    /// Starts another one that takes the place of this one, with so many workers; gives the one of before.
    pub(crate) async fn take_over(&mut self, workers: u64) -> Before {
        let successor = self.successor(workers);
        let before = std::mem::replace(&mut self.child, successor);
        self.ready().await;
        Before(before)
    }

    /// A proxy that is about to take the place of this one.
    pub(crate) fn successor(&self, workers: u64) -> Child {
        spawn(&self.folder, Some(workers))
    }

    pub(crate) fn route(&self, label: &str, backends: &[SocketAddr]) -> RouteConfig {
        RouteConfig {
            id: "app/dev/web".to_owned(),
            listen: self.listen,
            host: "*".to_owned(),
            prefix: "/".to_owned(),
            strip: false,
            hold: HoldLimits { requests: 1000, bytes: 1 << 20, time_ms: 30_000 },
            health: None,
            pools: vec![share(label, backends, 1)],
            sticky: None,
            tls: None,
            http: HttpOptions::default(),
        }
    }

    pub(crate) async fn put(&self, label: &str, backends: &[SocketAddr]) {
        self.client.put_route(&self.route(label, backends)).await.unwrap();
    }

    pub(crate) async fn held(&self) -> u64 {
        self.client.status().await.unwrap().routes[0].held_now
    }
}

/// A proxy whose place another one took.
pub(crate) struct Before(pub(crate) Child);

impl Before {
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(folder: &TempDir, takeover: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    if let Some(workers) = takeover {
        command.env(TAKEOVER, workers.to_string());
    }
    command
        .args(["support::child", "--exact", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pool with its weight.
pub(crate) fn share(label: &str, backends: &[SocketAddr], weight: u32) -> Share {
    let backend = Backend::Instances { addresses: backends.to_vec() };
    Share { pool: Pool { label: label.to_owned(), backend }, weight }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A server; it ends with all its connections when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// One that does with each connection what `serve` says; it gets the connection's number, from 0.
    pub(crate) async fn raw<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream, usize) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::raw_at(address(), serve).await
    }

    pub(crate) async fn raw_at<F, R>(address: SocketAddr, serve: F) -> Self
    where
        F: Fn(TcpStream, usize) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                tasks.spawn(serve(socket, count.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, connections, task: task.abort_handle() }
    }

    /// An HTTP server.
    pub(crate) async fn http<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::raw(move |socket, _| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async { Ok::<_, Infallible>(answer.await) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .with_upgrades()
                    .await;
            }
        })
        .await
    }

    /// One that reads and never answers, and how many bytes it read.
    pub(crate) async fn silent() -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let read = Arc::clone(&count);
        let server = Self::raw(move |mut socket, _| {
            let count = Arc::clone(&count);
            async move {
                let mut buffer = [0; 4096];
                while let Ok(read) = socket.read(&mut buffer).await
                    && read > 0
                {
                    count.fetch_add(read, Ordering::SeqCst);
                }
            }
        });
        (server.await, read)
    }

    /// One that answers everything with the same text.
    pub(crate) async fn saying(text: &'static str) -> Self {
        Self::http(move |_| async move { Response::new(full(text)) }).await
    }
}

/// Reads a head, a request's or an answer's, to its empty line; `None` when the other side closes before.
pub(crate) async fn head(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(SOON, socket.read_u8()).await.ok()?.ok()?);
    }
    String::from_utf8(head).ok()
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// A client connection that stays open.
pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Body> {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

/// An answer with its whole body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One GET on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "test.example");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(&mut connect(address).await, request.body(full("")).unwrap()).await.unwrap()
}

/// One request on a connection.
pub(crate) async fn ask(
    sender: &mut SendRequest<Body>,
    request: Request<Body>,
) -> Result<Answer, hyper::Error> {
    let exchange = async {
        sender.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, text })
    };
    timeout(SOON, exchange).await.expect("no answer in time")
}

/// Sends bytes as they are and reads until the other side closes, or has said something and then nothing for two seconds.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let mut patience = SOON;
    while let Ok(Ok(count)) = timeout(patience, socket.read(&mut buffer)).await
        && count > 0
    {
        all.extend_from_slice(&buffer[..count]);
        patience = Duration::from_secs(2);
    }
    String::from_utf8_lossy(&all).into_owned()
}
