//! A real engine behind TLS that asks for a certificate, and what a person is told who shows none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_docker::{Engine, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;

/// An engine without networks, with an empty folder of its own; ended when dropped.
struct Daemon {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        // It ends its containerd, and lets go of what it mounted.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// An authority, and what it signed for a server on loopback and for a client: `ca.pem`, `cert.pem`, `key.pem` in a folder.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    for (name, names, purpose) in [
        ("server", vec!["127.0.0.1".to_owned()], ExtendedKeyUsagePurpose::ServerAuth),
        ("client", vec!["client".to_owned()], ExtendedKeyUsagePurpose::ClientAuth),
        ("nobody", vec![], ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let at = folder.join(name);
        fs::create_dir(&at).unwrap();
        fs::write(at.join("ca.pem"), authority.as_ref().pem()).unwrap();
        if name == "nobody" {
            continue;
        }
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![purpose];
        let signed = params.signed_by(&key, &authority).unwrap();
        fs::write(at.join("cert.pem"), signed.pem()).unwrap();
        fs::write(at.join("key.pem"), key.serialize_pem()).unwrap();
    }
}

async fn start() -> Option<Daemon> {
    let there = ["/usr/sbin/dockerd", "/usr/bin/dockerd"].iter().any(|path| Path::new(path).exists());
    if !there || !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: an engine of one's own needs root and docker.io");
        return None;
    }
    let folder = tempfile::Builder::new().prefix("lfd").tempdir_in("/tmp").unwrap();
    certificates(folder.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = folder.path().join("server");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("daemon.json"), "{}").unwrap();
    let mut command = Command::new("dockerd");
    command
        .args(["--host", &format!("tcp://127.0.0.1:{port}"), "--tlsverify"])
        .arg("--tlscacert")
        .arg(at.join("ca.pem"))
        .arg("--tlscert")
        .arg(at.join("cert.pem"))
        .arg("--tlskey")
        .arg(at.join("key.pem"))
        .args(["--data-root", &path("data"), "--exec-root", &path("exec"), "--pidfile", &path("pid")])
        .args(["--config-file", &path("daemon.json"), "--bridge=none", "--iptables=false"])
        .args(["--storage-driver=vfs", "--log-level=error"])
        .stdout(Stdio::null())
        .stderr(fs::File::create(path("log")).unwrap());
    let daemon = Daemon { process: command.spawn().unwrap(), folder, port };
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some(daemon);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("dockerd does not start: {}", fs::read_to_string(daemon.folder.path().join("log")).unwrap());
}

impl Daemon {
    fn host(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// TLS as somebody.
    fn tls(&self, who: &str) -> Tls {
        let folder = self.folder.path().join(who).display().to_string();
        let set = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", &folder)];
        let set: BTreeMap<_, _> = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Tls::read(&set).unwrap().unwrap()
    }
}

#[tokio::test]
async fn an_engine_with_tls_is_used_by_who_it_knows_and_nobody_else() {
    let Some(daemon) = start().await else { return };
    let host = daemon.host();
    let engine = Engine::connect(Some(&host), Some(daemon.tls("client"))).await.unwrap();
    // By both ways that calls go.
    assert!(engine.images(&[]).await.unwrap().is_empty());
    assert!(engine.disk().await.unwrap().images.is_empty());
    let fault = Engine::connect(Some(&host), Some(daemon.tls("nobody"))).await.unwrap_err();
    assert!(fault.message.contains("cannot be reached with TLS"), "{fault}");
    assert!(fault.help.unwrap().contains("DOCKER_CERT_PATH"));
    let fault = Engine::connect(Some(&host), None).await.unwrap_err();
    assert!(fault.message.contains("only reached with TLS"), "{fault}");
    // Another authority's engine is believed nothing.
    let other = TempDir::new().unwrap();
    certificates(other.path());
    let theirs = other.path().join("client/ca.pem");
    fs::copy(theirs, daemon.folder.path().join("client/ca.pem")).unwrap();
    let fault = Engine::connect(Some(&host), Some(daemon.tls("client"))).await.unwrap_err();
    assert!(fault.message.contains("cannot be reached with TLS"), "{fault}");
}

#[test]
fn what_is_wrong_with_the_files_is_told() {
    let read = |set: &[(&str, &str)]| {
        let owned = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Tls::read(&owned.collect())
    };
    assert!(read(&[("DOCKER_TLS_VERIFY", ""), ("DOCKER_CERT_PATH", "/nowhere")]).unwrap().is_none());
    let fault = read(&[("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/nowhere")]).unwrap_err();
    assert!(fault.message.contains("/nowhere/ca.pem"), "{fault}");
    assert!(read(&[("DOCKER_TLS", "1")]).unwrap_err().message.contains("whoever answers"));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("ca.pem"), "nothing").unwrap();
    let at = folder.path().display().to_string();
    let fault = read(&[("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", &at)]).unwrap_err();
    assert!(fault.message.contains("holds no certificate"), "{fault}");
}
