//! A small server with certificates: HTTPS that answers every request, HTTP that only answers ACME servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall_fx::{RealFiles, SystemClock, TlsDir};
use landfall_model::{Certificate, CertificateStatus};
use landfall_tls::{Approval, Approver, Certificates, Options, Pace, Wanted};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;

use crate::wire::{SOON, address};

/// Fast enough for a test.
pub(crate) const PACE: Pace = Pace {
    files: Duration::from_millis(50),
    first_retry: Duration::from_millis(500),
    last_retry: Duration::from_secs(2),
    window: Duration::from_secs(3600),
};

/// An application that allows what is in its list.
#[derive(Default)]
pub(crate) struct Application {
    pub(crate) allowed: Mutex<Vec<String>>,
    pub(crate) down: Mutex<bool>,
    pub(crate) asked: AtomicUsize,
}

impl Approver for Application {
    fn approve(&self, route: &str, path: &str, host: &str) -> Approval {
        assert_eq!((route, path), ("app/web", "/allowed"));
        self.asked.fetch_add(1, Ordering::SeqCst);
        let allowed = self.allowed.lock().unwrap().iter().any(|name| name == host);
        let answer =
            if *self.down.lock().unwrap() { Err("connection refused".to_owned()) } else { Ok(allowed) };
        Box::pin(async { answer })
    }
}

/// The server; it ends when dropped.
pub(crate) struct Site {
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) application: Arc<Application>,
    pub(crate) tls: SocketAddr,
    tasks: Vec<AbortHandle>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.certificates.stop();
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Site {
    /// One that keeps its certificates in a folder.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_at(folder, address(), None).await
    }

    /// The same, which answers every request with this.
    pub(crate) async fn start_saying(folder: &Path, answer: &'static str) -> Self {
        Self::start_all(folder, address(), None, answer).await
    }

    /// The same, on these addresses.
    pub(crate) async fn start_at(folder: &Path, tls: SocketAddr, http: Option<SocketAddr>) -> Self {
        Self::start_all(folder, tls, http, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello\n").await
    }

    async fn start_all(
        folder: &Path,
        tls: SocketAddr,
        http: Option<SocketAddr>,
        answer: &'static str,
    ) -> Self {
        let application = Arc::new(Application::default());
        let certificates = Certificates::new(Options {
            folder: TlsDir::new(folder),
            files: Arc::new(RealFiles),
            clock: Arc::new(SystemClock::new()),
            approver: Arc::clone(&application) as Arc<dyn Approver>,
            http2: true,
            pace: PACE,
        });
        let certificates = Arc::new(certificates.unwrap());
        let mut tasks = vec![serve_tls(Arc::clone(&certificates), tls, answer).await];
        if let Some(http) = http {
            tasks.push(serve_http(Arc::clone(&certificates), http).await);
        }
        Self { certificates, application, tls, tasks }
    }

    pub(crate) fn wanted(&self, host: &str, certificate: &Certificate) -> Wanted {
        Wanted {
            listen: self.tls,
            host: host.to_owned(),
            certificate: certificate.clone(),
            route: "app/web".to_owned(),
        }
    }

    /// Checks and wants certificates for these hosts.
    pub(crate) fn want(&self, hosts: &[(&str, &Certificate)]) {
        let wanted: Vec<Wanted> = hosts.iter().map(|(host, one)| self.wanted(host, one)).collect();
        wanted.iter().for_each(|one| self.certificates.check(one, &wanted).unwrap());
        self.certificates.want(&wanted);
    }

    pub(crate) fn status(&self, host: &str) -> CertificateStatus {
        let all = self.certificates.status();
        all.iter().find(|status| status.host == host).unwrap_or_else(|| panic!("{host}: {all:?}")).clone()
    }

    /// Waits until the status of a host is as it should be.
    pub(crate) async fn until(
        &self,
        host: &str,
        what: &str,
        mut holds: impl FnMut(&CertificateStatus) -> bool,
    ) {
        let deadline = Instant::now() + SOON;
        while !holds(&self.status(host)) {
            assert!(Instant::now() < deadline, "waited in vain until {what}: {:#?}", self.status(host));
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The site before on the same address may not be gone yet.
async fn bind(address: SocketAddr) -> TcpListener {
    let deadline = Instant::now() + SOON;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn serve_tls(
    certificates: Arc<Certificates>,
    address: SocketAddr,
    answer: &'static str,
) -> AbortHandle {
    let listener = bind(address).await;
    let serving = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let certificates = Arc::clone(&certificates);
            connections.spawn(async move {
                let local = socket.local_addr().unwrap();
                let Ok(Some(mut accepted)) = certificates.accept(local, socket).await else {
                    return;
                };
                let mut buffer = [0; 4096];
                while let Ok(count) = accepted.stream.read(&mut buffer).await
                    && count > 0
                {
                    if accepted.stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    serving.abort_handle()
}

async fn serve_http(certificates: Arc<Certificates>, address: SocketAddr) -> AbortHandle {
    let listener = bind(address).await;
    let serving = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let count = socket.read(&mut buffer).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let path = head.split_whitespace().nth(1).unwrap_or_default();
            let answer = match certificates.http_answer(path) {
                Some(text) => format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{}",
                    text.len(),
                    String::from_utf8_lossy(&text)
                ),
                None => "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
            };
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    serving.abort_handle()
}

/// One request on a connection.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let asked = async {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    timeout(SOON, asked).await.expect("no answer in time")
}

/// Every file below a folder with its mode.
pub(crate) fn modes(folder: &Path) -> BTreeMap<String, u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let facts = entry.metadata().unwrap();
            let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
            found.insert(name, facts.permissions().mode() & 0o777);
            if facts.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// A folder of a test's own.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
