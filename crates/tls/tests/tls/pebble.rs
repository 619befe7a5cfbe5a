//! A real ACME server: Let's Encrypt's `pebble`, with its own resolver, in a folder of the test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use landfall_model::{Acme, Certificate, Challenge};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::ClientConfig;

use crate::wire::{SOON, address, connect, trusting};

/// Where `./test` puts tools.
const TOOLS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../tools");

/// The program of this name, from the tools or the path.
fn program(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&paths).map(|place| place.join(name));
    std::iter::once(Path::new(TOOLS).join(name)).chain(places).find(|path| path.is_file())
}

/// How a pebble is started.
pub(crate) struct Setup {
    /// How long its certificates live, in seconds.
    pub(crate) life: u64,
    /// Nonces in a hundred that it refuses for nothing.
    pub(crate) refused_nonces: u32,
    /// Orders in a hundred that find the host proved before.
    pub(crate) reused: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self { life: 90 * 24 * 3600, refused_nonces: 5, reused: 0 }
    }
}

/// A running pebble. Every host is the machine of `address`, on the ports that a site of the test has.
pub(crate) struct Pebble {
    folder: TempDir,
    listen: SocketAddr,
    manage: SocketAddr,
    http: SocketAddr,
    tls: SocketAddr,
    setup: Setup,
    children: Vec<Child>,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Pebble {
    /// Starts one; `None`, loudly, when there is no pebble.
    pub(crate) async fn start(setup: Setup) -> Option<Self> {
        if program("pebble").is_none() || program("pebble-challtestsrv").is_none() {
            eprintln!("SKIPPED: no pebble, a real ACME server: ./test fetches it");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let tls = address();
        let (listen, mut http, mut manage) = (address(), tls, address());
        http.set_port(18080);
        manage.set_port(18444);
        let certificate = CertificateParams::new(vec![listen.ip().to_string(), manage.ip().to_string()]);
        let certificate = certificate.unwrap().self_signed(&key).unwrap();
        fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": listen.to_string(),
            "managementListenAddress": manage.to_string(),
            "certificate": folder.path().join("cert.pem"),
            "privateKey": folder.path().join("key.pem"),
            "httpPort": http.port(),
            "tlsPort": tls.port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "domainBlocklist": ["blocked.example"],
            "retryAfter": { "authz": 0, "order": 0 },
            "certificateValidityPeriod": setup.life,
        }});
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let mut pebble = Self { folder, listen, manage, http, tls, setup, children: Vec::new() };
        pebble.resume().await;
        Some(pebble)
    }

    /// Starts it again, with new keys and no memory: it keeps nothing.
    pub(crate) async fn resume(&mut self) {
        let mut dns = self.listen;
        dns.set_port(18053);
        let resolver = Command::new(program("pebble-challtestsrv").unwrap())
            .args(["-defaultIPv4", &self.tls.ip().to_string(), "-defaultIPv6", ""])
            .args(["-dns01", &dns.to_string(), "-management", &format!("{}:18055", self.listen.ip())])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let pebble = Command::new(program("pebble").unwrap())
            .args(["-config", "config.json", "-dnsserver", &dns.to_string()])
            .current_dir(self.folder.path())
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_VA_ALWAYS_VALID", "0")
            .env("PEBBLE_WFE_NONCEREJECT", self.setup.refused_nonces.to_string())
            .env("PEBBLE_AUTHZREUSE", self.setup.reused.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.children = vec![resolver, pebble];
        let deadline = Instant::now() + SOON;
        while TcpStream::connect(self.listen).await.is_err() {
            assert!(Instant::now() < deadline, "pebble does not start: {}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn stop(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where a site must listen for pebble to find it: HTTPS and HTTP.
    pub(crate) fn site(&self) -> (SocketAddr, SocketAddr) {
        (self.tls, self.http)
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How a certificate is had from it.
    pub(crate) fn acme(&self, challenges: &[Challenge]) -> Acme {
        Acme {
            directory: format!("https://{}/dir", self.listen),
            email: Some("admin@landfall.example".to_owned()),
            authority: Some(self.folder.path().join("cert.pem").display().to_string()),
            challenges: challenges.to_vec(),
            on_demand: None,
        }
    }

    pub(crate) fn certificate(&self, challenges: &[Challenge]) -> Certificate {
        Certificate::Acme(self.acme(challenges))
    }

    /// Its root, which changes when it is started again, PEM.
    pub(crate) async fn root(&self) -> Vec<u8> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let own = fs::read(self.folder.path().join("cert.pem")).unwrap();
        let mut stream = connect(&trusting(&own), self.manage, &self.manage.ip().to_string()).await.unwrap();
        stream.write_all(b"GET /roots/0 HTTP/1.0\r\nhost: pebble\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8(answer).unwrap();
        text.as_bytes()[text.find("-----BEGIN").unwrap()..].to_vec()
    }

    /// A client that trusts its root.
    pub(crate) async fn client(&self) -> Arc<ClientConfig> {
        trusting(&self.root().await)
    }
}
