//! Images between engines and registries.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_docker::{ImageInfo, Login};
use secrecy::SecretString;
use tempfile::TempDir;

use crate::bench::Bench;

/// `me` and `hush`, as `htpasswd -B` writes them.
const ACCOUNTS: &str = "me:$2y$05$/BXd5q2IsvWLbJO9JuFiZu7ubJXEwqCGugFMi6HDjhiWsQzWwvQy6\n";

/// Debian's registry on a port of its own, which wants a login.
struct Registry {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    fn start() -> Option<Self> {
        if !Path::new("/usr/bin/docker-registry").exists() {
            eprintln!("SKIPPED: docker-registry is not installed");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = folder.path().display();
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {at}/data\nhttp:\n  addr: 127.0.0.1:{port}\n  \
             secret: x\nauth:\n  htpasswd:\n    realm: test\n    path: {at}/accounts\n"
        );
        std::fs::write(folder.path().join("accounts"), ACCOUNTS).unwrap();
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let process = Command::new("/usr/bin/docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let registry = Self { process, address, _folder: folder };
        for _ in 0..200 {
            if TcpStream::connect(&registry.address).is_ok() {
                return Some(registry);
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        panic!("the registry does not answer");
    }
}

async fn small_image(bench: &Bench) -> ImageInfo {
    let build = bench.build("FROM scratch\nCOPY . /\n", &[("name", &bench.name)]);
    let id = bench.engine.build(build, &mut |_, _| ()).await.unwrap();
    bench.engine.image(id.as_str()).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_image_is_saved_removed_and_loaded_again() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let image = small_image(&bench).await;
    let tag = image.tags[0].clone();
    let mut archive = Vec::new();
    let mut download = engine.save(std::slice::from_ref(&tag)).await.unwrap();
    while let Some(bytes) = download.chunk().await.unwrap() {
        archive.extend_from_slice(&bytes);
    }
    assert!(engine.remove_image(image.id.as_str()).await.unwrap());
    assert_eq!(engine.image(&tag).await.unwrap(), None);
    let loaded = engine.load(Box::new(std::io::Cursor::new(archive))).await.unwrap();
    assert_eq!(loaded, std::slice::from_ref(&tag));
    assert_eq!(engine.image(&tag).await.unwrap().unwrap().id, image.id);
    assert!(engine.load(Box::new(&b"no archive"[..])).await.is_err());
    bench.tear_down().await;
}

#[tokio::test]
async fn an_image_is_pushed_and_pulled_by_digest_with_a_login() {
    let Some(bench) = Bench::set_up().await else { return };
    let Some(registry) = Registry::start() else { return };
    let engine = &bench.engine;
    let image = small_image(&bench).await;
    let tag = format!("{}/team/app:1", registry.address);
    engine.tag(&image.id, &tag).await.unwrap();
    let fault = engine.push(&tag, None, &mut |_, _| ()).await.unwrap_err();
    assert!(fault.help.as_deref().unwrap_or_default().contains("docker login"), "{fault:?}");
    let login = Login { user: "me".to_owned(), secret: SecretString::from("hush") };
    let digest = engine.push(&tag, Some(&login), &mut |_, _| ()).await.unwrap();
    assert!(digest.starts_with("sha256:"));
    engine.remove_image(image.id.as_str()).await.unwrap();
    let reference = format!("{}/team/app@{digest}", registry.address);
    let wrong = Login { user: "me".to_owned(), secret: SecretString::from("wrong") };
    assert!(engine.pull(&reference, None, Some(&wrong), &mut |_, _| ()).await.is_err());
    let pulled = engine.pull(&reference, None, Some(&login), &mut |_, _| ()).await.unwrap();
    assert_eq!(pulled, image.id);
    assert_eq!(engine.image(&reference).await.unwrap().unwrap().digests, std::slice::from_ref(&reference));
    let nothing = format!("{}/team/app:2", registry.address);
    let fault = engine.pull(&nothing, None, Some(&login), &mut |_, _| ()).await.unwrap_err();
    assert!(fault.help.as_deref().unwrap_or_default().contains("no such image"), "{fault:?}");
    assert!(engine.pull("postgres", None, None, &mut |_, _| ()).await.is_err());
    bench.tear_down().await;
}

#[tokio::test]
async fn what_takes_the_disk_is_told() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let image = small_image(&bench).await;
    let mut spec = bench.shell("a", "head -c 3000000 /dev/zero > /file");
    spec.name = format!("{}-writer", bench.name);
    let id = engine.create(&spec).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.wait(&id).await.unwrap();
    let disk = engine.disk().await.unwrap();
    let ours = disk.images.iter().find(|one| one.id == image.id).unwrap();
    assert!(ours.size > 0 && ours.shared == 0 && ours.tags == image.tags, "{ours:?}");
    let container = disk.containers.iter().find(|one| one.id == id).unwrap();
    assert_eq!(container.name, spec.name);
    assert!((3_000_000..4_000_000).contains(&container.size), "{container:?}");
    assert!(disk.layers >= ours.size);
    bench.tear_down().await;
}
