//! The client behind a proxy: a registry that only the proxy can name, with TLS and without.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall_fx::SystemClock;
use landfall_oci::client::{Client, Credential, Patience, Place, Proxies};
use landfall_oci::{Repository, Tag, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::remote::{here, image};
use crate::tools::have;
use crate::world::Disk;

/// Set where this program runs itself again, trusting the registry's certificate: the registry's place.
const INNER: &str = "LANDFALL_TEST_PROXIED";

/// A name that nothing resolves.
const NAME: &str = "registry.test";

/// Debian's registry; ended when dropped.
struct Distribution(Child);

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a registry with these lines below `http`; gives its port.
async fn registry(folder: &std::path::Path, http: &str) -> (Distribution, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = folder.join(port.to_string());
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
         http:\n  addr: 127.0.0.1:{port}\n  secret: s\n  relativeurls: true\n{http}",
        at.display()
    );
    let file = at.with_extension("yml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Distribution(command.spawn().unwrap());
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return (started, port);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("docker-registry does not start");
}

/// A proxy that leads every name to `to`, for who shows `account`. Gives its port, and the first line of each connection.
async fn proxy(to: u16, account: Option<&'static str>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    if client.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let text = String::from_utf8_lossy(&head).into_owned();
                noted.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                let shown = text.to_ascii_lowercase();
                let shown = shown.lines().find_map(|line| line.strip_prefix("proxy-authorization: basic "));
                if shown != account.map(str::to_ascii_lowercase).as_deref() {
                    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                    let _ = client.write_all(refusal.as_bytes()).await;
                    return;
                }
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                if text.starts_with("CONNECT ") {
                    client
                        .write_all(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
                        .await
                        .unwrap();
                } else {
                    server.write_all(&head).await.unwrap();
                }
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, asked)
}

/// Pushes an image to `place` and pulls it back, by the proxies of these variables.
async fn there_and_back(place: &str, variables: &[(&str, String)]) -> Result<(), landfall_model::Fault> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let proxies = Proxies::read(&owned.collect::<BTreeMap<_, _>>()).unwrap();
    let patience =
        Patience { tries: 2, first: Duration::from_millis(10), longest: Duration::from_millis(10) };
    let place = Place::parse(place).unwrap();
    let client = Client::new(place, Credential::Anonymous, proxies, patience, Arc::new(SystemClock::new()))?;
    let (disk, back) = (Disk::new(), Disk::new());
    let digest = image(&disk, "app/web", &[vec![7; 300_000], b"small".to_vec()]);
    let (from, to): (Repository, Repository) = ("app/web".parse().unwrap(), "team/web".parse().unwrap());
    let tag: Tag = "1.0.0".parse().unwrap();
    client.push(&disk.images, (&from, &digest), &to, std::slice::from_ref(&tag), None).await?;
    let pulled = client.pull(&back.images, (&to, &Target::Tag(tag)), &to, &here()).await?;
    assert_eq!(pulled.manifest, digest);
    Ok(())
}

/// What is done by a process that trusts the registry's certificate.
#[tokio::test]
async fn inner() {
    let Ok(place) = std::env::var(INNER) else { return };
    let variables = ["HTTPS_PROXY", "NO_PROXY"].map(|name| (name, std::env::var(name).unwrap_or_default()));
    match there_and_back(&place, &variables).await {
        Ok(()) => println!("DONE"),
        Err(fault) => println!("FAULT {}", fault.message),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_a_proxy_leads_to_the_registry_and_sees_nothing() {
    if !have("docker-registry") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display());
    let (_registry, port) = registry(folder.path(), &tls).await;
    // `me@home` and `p:ss`.
    let (through, asked) = proxy(port, Some("bWVAaG9tZTpwOnNz")).await;
    let run = |account: &str, no: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "proxied::inner", "--nocapture"]).env(INNER, format!("{NAME}/team"));
        command.env("SSL_CERT_FILE", &certificate).env("NO_PROXY", no);
        command.env("HTTPS_PROXY", format!("http://{account}127.0.0.1:{through}"));
        async move {
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            String::from_utf8(output.stdout).unwrap()
        }
    };
    let said = run("me%40home:p%3Ass@", "").await;
    assert!(said.contains("DONE"), "{said}");
    let all = std::mem::take(&mut *asked.lock().unwrap());
    assert!(
        !all.is_empty() && all.iter().all(|line| line == "CONNECT registry.test:443 HTTP/1.1"),
        "{all:?}"
    );
    let said = run("", "").await;
    assert!(said.contains("FAULT") && said.contains("it wants an account"), "{said}");
    asked.lock().unwrap().clear();
    let said = run("me%40home:p%3Ass@", ".example.com, test").await;
    assert!(
        said.contains("FAULT") && asked.lock().unwrap().is_empty(),
        "nothing else knows the name: {said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_a_proxy_passes_requests_on() {
    if !have("docker-registry") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_registry, port) = registry(folder.path(), "").await;
    let (through, asked) = proxy(port, Some("bWU6cHc=")).await;
    let place = format!("http://{NAME}:5000/team");
    let variable = ("http_proxy", format!("me:pw@127.0.0.1:{through}"));
    there_and_back(&place, &[variable]).await.unwrap();
    let all = asked.lock().unwrap();
    assert!(all.iter().all(|line| line.contains(" http://registry.test:5000/v2/")), "{all:?}");
}
