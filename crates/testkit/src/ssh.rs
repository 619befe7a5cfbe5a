//! An ssh server of one's own on loopback, whose `docker` is the test engine's, behind a relay that counts what goes over
//! the wire; and an `ssh` that knows it.

use std::fs;
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Tries until the server listens, `AGAIN` apart.
const TRIES: u32 = 200;
const AGAIN: Duration = Duration::from_millis(50);

/// Bytes that the relay takes at once.
const PIECE: usize = 64 * 1024;

/// A server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    process: Child,
    folder: TempDir,
    port: u16,
    bytes: Arc<AtomicU64>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts one whose sessions have `engine` as their `DOCKER_HOST`; `more` are lines for its `sshd_config`. `None`, with
    /// a loud line, without root, `openssh-server` or the `docker` command.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(engine: &str, more: &str) -> Option<Self> {
        let docker = ["/usr/bin/docker", "/usr/local/bin/docker"].iter().any(|path| Path::new(path).exists());
        if !Path::new("/usr/sbin/sshd").exists() || !docker || !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: an sshd of one's own needs root, openssh-server and the docker command");
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder");
        let at = folder.path();
        for key in ["host", "user"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at.join(key)).stdin(Stdio::null());
            assert!(command.status().expect("ssh-keygen starts").success());
        }
        fs::copy(at.join("user.pub"), at.join("authorized")).expect("the key is there");
        fs::create_dir_all("/run/sshd").expect("sshd's own folder");
        let inner = free_port();
        let (port, bytes) = relay(inner);
        let here = at.display();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {inner}\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n\
             SetEnv DOCKER_HOST={engine} PATH=/usr/local/bin:/usr/bin:/bin\n{more}\n"
        );
        let client = format!(
            "Host *\n  IdentityFile {here}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {here}/known\n  User root\n"
        );
        // The user's own ssh, with a configuration that a user would have in a file.
        let wrapper = format!("#!/bin/sh\nexec /usr/bin/ssh -F {here}/ssh_config \"$@\"\n");
        fs::create_dir(at.join("bin")).expect("a folder in a new folder");
        for (name, text) in [("sshd_config", &config), ("ssh_config", &client), ("bin/ssh", &wrapper)] {
            fs::write(at.join(name), text).expect("a file in a new folder");
        }
        let runs = fs::Permissions::from_mode(0o755);
        fs::set_permissions(at.join("bin/ssh"), runs).expect("a file of one's own");
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(at.join("sshd_config")).stderr(Stdio::null());
        let process = command.spawn().expect("sshd starts");
        let server = Self { process, folder, port, bytes };
        server.be_known(true);
        for _ in 0..TRIES {
            if TcpStream::connect(("127.0.0.1", inner)).is_ok() {
                return Some(server);
            }
            thread::park_timeout(AGAIN);
        }
        panic!("sshd does not answer");
    }

    /// A `PATH` whose first `ssh` knows the server, before `rest`.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("{}/bin:{rest}", self.folder.path().display())
    }

    /// The server as `DOCKER_HOST` names it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("ssh://root@127.0.0.1:{}", self.port)
    }

    /// Bytes that went over the wire since the last look, both ways together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.swap(0, Ordering::SeqCst)
    }

    /// Lets the client know the server's key, or not.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn be_known(&self, yes: bool) {
        let key = fs::read_to_string(self.folder.path().join("host.pub")).expect("the server's key");
        let line = if yes { format!("[127.0.0.1]:{} {key}", self.port) } else { String::new() };
        fs::write(self.folder.path().join("known"), line).expect("a file in a new folder");
    }

    /// Lets nobody in any more.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn refuse_all(&self) {
        fs::write(self.folder.path().join("authorized"), "").expect("a file in a new folder");
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("the port of a listener").port()
}

/// A port that leads to `to`, and what goes through it.
fn relay(to: u16) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("the port of a listener").port();
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&bytes);
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            for (from, to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                let (Ok(from), Ok(to)) = (from, to) else { continue };
                let counted = Arc::clone(&counted);
                thread::spawn(move || drop(carry(from, to, &counted)));
            }
        }
    });
    (port, bytes)
}

fn carry(mut from: TcpStream, mut to: TcpStream, counted: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return to.shutdown(Shutdown::Write);
        }
        counted.fetch_add(count as u64, Ordering::SeqCst);
        to.write_all(&buffer[..count])?;
    }
}
