//! A proxy that runs, of any kind, and is ended when it is dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_model::api::STATE_VARIABLE;
use landfall_model::{self as model, Tls};
use landfall_proxy::{Backend, Client, HoldLimits, HttpOptions, Pool, RouteConfig, Share};
use landfall_testkit::sandbox::{free_address, signal};
use landfall_testkit::wait::wait_for;

use super::certificate::Certificate;
use super::configuration::{self, Places, TlsPlace};
use super::peer::Peer;
use super::usage::Usage;
use super::wrk::accepts;

/// For a proxy to listen, and to end when it is told to.
const LIMIT: Duration = Duration::from_secs(15);

/// A proxy that serves.
pub(crate) struct Started {
    /// Where it listens for plain HTTP.
    pub(crate) front: String,
    /// Where it listens for HTTPS, if it does.
    pub(crate) tls: Option<String>,
    process: Killed,
    _folder: tempfile::TempDir,
}

impl Started {
    /// Starts a proxy before this back end, for HTTPS too where there is a certificate.
    ///
    /// # Panics
    /// When it does not serve.
    pub(crate) fn new(peer: Peer, binary: &Path, back: &str, certificate: Option<&Certificate>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tls = certificate.map(|certificate| TlsPlace {
            front: free_address(),
            chain: certificate.chain(),
            key: certificate.key(),
            both: certificate.both(),
        });
        let places = Places { front: free_address(), back: back.to_owned(), tls };
        let command = command(peer, binary, folder.path(), &places);
        let output = folder.path().join("output");
        let process = Killed::start(command, &output);
        if peer.is_ours() {
            put_route(&folder.path().join("proxy.sock"), &places, peer == Peer::Landfall);
        }
        let text = || std::fs::read_to_string(&output).unwrap_or_default();
        let tls = places.tls.map(|tls| tls.front);
        for front in std::iter::once(&places.front).chain(&tls) {
            assert!(accepts(front, LIMIT), "{peer} does not listen:\n{}", text());
        }
        Self { front: places.front, tls, process, _folder: folder }
    }

    /// What it has used until now.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.process.0.id())
    }
}

fn command(peer: Peer, binary: &Path, folder: &Path, places: &Places) -> Command {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    match peer {
        Peer::Landfall | Peer::Unlogged => {
            let mut command = Command::new(binary);
            command.args(["proxy", "run", "--workers", "2"]).env(STATE_VARIABLE, folder);
            command
        }
        Peer::Nginx => {
            let config = write("nginx.conf", &configuration::nginx(folder, places));
            let mut command = Command::new("nginx");
            command.arg("-p").arg(folder).arg("-c").arg(config);
            command
        }
        Peer::HaProxy => {
            let config = write("haproxy.cfg", &configuration::haproxy(places));
            let mut command = Command::new("haproxy");
            // In the foreground, one process.
            command.arg("-db").arg("-f").arg(config);
            command
        }
        Peer::Caddy => {
            let config = write("Caddyfile", &configuration::caddy(places));
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
            command.env("GOMAXPROCS", "2").env("HOME", folder).env("XDG_DATA_HOME", folder);
            command
        }
    }
}

/// Gives ours its route over the control socket, as the agent does.
fn put_route(socket: &Path, places: &Places, access_log: bool) {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address with its port");
    let pool = Pool {
        label: "bench".to_owned(),
        backend: Backend::Instances { addresses: vec![address(&places.back)] },
    };
    let route = RouteConfig {
        id: "bench".to_owned(),
        listen: address(&places.front),
        host: "*".to_owned(),
        prefix: "/".to_owned(),
        strip: false,
        hold: HoldLimits { requests: 10_000, bytes: 64 << 20, time_ms: 30_000 },
        health: None,
        pools: vec![Share { pool, weight: 1 }],
        sticky: None,
        tls: places.tls.as_ref().map(|tls| Tls {
            listen: tls.front.clone(),
            certificate: model::Certificate::Files {
                certificate: tls.chain.display().to_string(),
                key: tls.key.display().to_string(),
            },
            redirect: false,
            hsts: None,
        }),
        http: HttpOptions { access_log, ..HttpOptions::default() },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = Client::new(socket);
    let put = wait_for(LIMIT, || runtime.block_on(client.put_route(&route)).ok());
    assert!(put.is_some(), "the proxy takes no route");
}

/// A process that is told to end when it is dropped, and waited for.
pub(crate) struct Killed(Child);

impl Killed {
    /// Starts a process with its output in a file.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn start(mut command: Command, output: &Path) -> Self {
        let file = std::fs::File::create(output).expect("a file for the output");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("another handle")).stderr(file);
        Self(command.spawn().expect("the program can be started"))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        signal(self.0.id(), rustix::process::Signal::TERM);
        let ended = wait_for(LIMIT, || self.0.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
