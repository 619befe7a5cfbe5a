//! The client against registries: our own, Debian's `docker-registry` with passwords, and a wire that misbehaves.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use landfall_fx::SystemClock;
use landfall_model::{Digest, Fault, Retry};
use landfall_oci::client::{Client, Credential, Patience, Place, Proxies, Pulled, Pushed};
use landfall_oci::{Descriptor, Manifest, Platform, Repository, Sha256, Tag, Target, media};
use serde_json::json;

use crate::relay::{Plan, Relay, answer};
use crate::tools::{config, have, layer};
use crate::world::{Disk, TOKEN, World, noise};

fn name(text: &str) -> Repository {
    text.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

pub(crate) fn here() -> Platform {
    Platform::parse(if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" }).unwrap()
}

fn owner() -> Credential {
    Credential::Password { user: "landfall".to_owned(), password: TOKEN.into() }
}

fn client(host: &str, who: Credential) -> Client {
    client_by(host, who, Proxies::default())
}

fn client_by(host: &str, who: Credential, proxies: Proxies) -> Client {
    let patience =
        Patience { tries: 4, first: Duration::from_millis(10), longest: Duration::from_millis(1500) };
    let place = Place::parse(host).unwrap();
    Client::new(place, who, proxies, patience, Arc::new(SystemClock::new())).unwrap()
}

/// Puts an image into a store; gives its manifest.
pub(crate) fn image(disk: &Disk, repository: &str, layers: &[Vec<u8>]) -> Digest {
    let put = |kind: &str, bytes: &[u8]| {
        let written = disk.images.put_blob(bytes).unwrap();
        disk.images.adopt(&name(repository), &written.digest).unwrap();
        Descriptor::new(kind, written.digest, written.size)
    };
    let config = put(media::CONFIG, &config(layers));
    let layers: Vec<_> = layers.iter().map(|layer| put(media::LAYER, layer)).collect();
    let bytes = Manifest::image(&config, &layers);
    let target = Target::Digest(Sha256::of(&bytes));
    disk.images.put_manifest(&name(repository), &target, None, &bytes).unwrap().0
}

async fn push(
    client: &Client,
    disk: &Disk,
    digest: &Digest,
    to: &str,
    tags: &[Tag],
) -> Result<Pushed, Fault> {
    client.push(&disk.images, (&name("app/web"), digest), &name(to), tags, None).await
}

async fn pull(client: &Client, disk: &Disk, from: &str, target: Target) -> Result<Pulled, Fault> {
    client.pull(&disk.images, (&name(from), &target), &name("pulled/web"), &here()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_there_and_back_and_no_byte_goes_twice() {
    let world = World::new().await;
    let (there, back) = (Disk::new(), Disk::new());
    let base = layer("a", &noise(1, 2_500_000));
    let digest = image(&there, "app/web", &[base.clone(), layer("b", b"one")]);
    let client = client(&world.host(), owner());
    let first = push(&client, &there, &digest, "team/web", &[tag("1.0.0")]).await.unwrap();
    assert_eq!((first.there, first.mounted, first.uploaded), (0, 0, 3));
    // Again, and with another layer on top.
    let again = push(&client, &there, &digest, "team/web", &[tag("1.0.0")]).await.unwrap();
    assert_eq!((again.there, again.uploaded, again.bytes), (3, 0, 0));
    let more = image(&there, "app/web", &[base.clone(), layer("b", b"two")]);
    let second = push(&client, &there, &more, "team/web", &[tag("1.0.1")]).await.unwrap();
    assert_eq!((second.there, second.uploaded), (1, 2));
    // Into another repository: taken over there.
    let (from, to) = (name("team/web"), name("team/other"));
    let mounted = client.push(&there.images, (&name("app/web"), &more), &to, &[], Some(&from)).await.unwrap();
    assert_eq!((mounted.mounted, mounted.bytes), (3, 0));
    // A tag never moves.
    let moved = push(&client, &there, &more, "team/web", &[tag("1.0.0")]).await.unwrap_err();
    assert!(moved.message.contains("the tag `1.0.0` is"), "{moved:?}");

    for target in [Target::Digest(digest), Target::Tag(tag("1.0.0"))] {
        let pulled = pull(&client, &back, "team/web", target).await.unwrap();
        assert_eq!(pulled.manifest, digest);
    }
    let next = pull(&client, &back, "team/web", Target::Digest(more)).await.unwrap();
    assert!(next.bytes < 10_000, "{next:?}");
    assert_eq!(back.images.blob(&Sha256::of(&base)).unwrap().size(), base.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_anywhere_goes_on_where_it_was() {
    let world = World::new().await;
    let size = 2_500_000;
    for (number, cut) in
        [0, 1, 150, 400, 2_000, 70_000, 400_000, 1_100_000, 2_400_000].into_iter().enumerate()
    {
        let disk = Disk::new();
        let digest = image(&disk, "app/web", &[noise(100 + number as u64, size)]);
        let cuts = vec![Plan::CutUp(cut); 3];
        let relay = Relay::new(world.port, cuts, false).await;
        let client = client(&relay.host(), owner());
        let pushed =
            push(&client, &disk, &digest, "cut/web", &[]).await.unwrap_or_else(|f| panic!("{cut}: {f:?}"));
        assert_eq!(pushed.uploaded + pushed.there, 2, "{cut}: {pushed:?}");
        // What three cuts let through may be all of it: how much of each arrives is for the sockets in between.
        assert!(
            relay.left() == 0 || relay.left() < 3 && 3 * cut > size as u64,
            "{cut}: {} left",
            relay.left()
        );
        // What had arrived was not sent again; a little of each cut is lost on the way.
        let up = relay.up.load(Ordering::Relaxed);
        assert!(up < 2 * size as u64, "{cut}: {up} bytes");
        world.get(&format!("/v2/cut/web/manifests/{digest}")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    let world = World::new().await;
    let disk = Disk::new();
    let digest = image(&disk, "app/web", &[noise(7, 3_000_000)]);
    push(&client(&world.host(), owner()), &disk, &digest, "team/web", &[]).await.unwrap();
    for cut in [0, 50, 3_000, 500_000, 2_000_000] {
        let relay = Relay::new(world.port, vec![Plan::CutDown(cut); 3], false).await;
        let back = Disk::new();
        let pulled = pull(&client(&relay.host(), owner()), &back, "team/web", Target::Digest(digest)).await;
        assert_eq!(pulled.unwrap_or_else(|fault| panic!("{cut}: {fault:?}")).manifest, digest);
    }
    // Nothing ever comes through.
    let relay = Relay::new(world.port, vec![Plan::CutDown(100)], true).await;
    let fault = pull(&client(&relay.host(), owner()), &Disk::new(), "team/web", Target::Digest(digest)).await;
    let fault = fault.unwrap_err();
    assert!(fault.message.contains("breaks off"), "{fault:?}");
    assert_eq!(fault.retry, Retry::Safe);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_changed_is_not_believed() {
    let world = World::new().await;
    let disk = Disk::new();
    let digest = image(&disk, "app/web", &[noise(7, 1_000_000)]);
    push(&client(&world.host(), owner()), &disk, &digest, "team/web", &[]).await.unwrap();
    let lies = answer("200 OK", "", "{}");
    for (plans, always) in [(vec![Plan::Change(700_000)], true), (vec![lies], false)] {
        let (relay, back) = (Relay::new(world.port, plans, always).await, Disk::new());
        let client = client(&relay.host(), owner());
        let fault = pull(&client, &back, "team/web", Target::Digest(digest)).await.unwrap_err();
        assert!(fault.message.contains("127.0.0.1") && fault.message.contains(" is sha256:"), "{fault:?}");
        assert!(back.images.manifest(&name("pulled/web"), &Target::Digest(digest)).is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_busy_is_asked_again_after_what_it_asks_for() {
    let world = World::new().await;
    let disk = Disk::new();
    let digest = image(&disk, "app/web", &[noise(9, 100_000)]);
    let busy = |status: &str, headers: &str| answer(status, headers, "");
    let plans = vec![
        busy("429 Too Many Requests", "retry-after: 1\r\n"),
        busy("503 Service Unavailable", "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n"),
        busy("500 Internal Server Error", ""),
    ];
    let relay = Relay::new(world.port, plans, false).await;
    let begun = std::time::Instant::now();
    push(&client(&relay.host(), owner()), &disk, &digest, "team/web", &[]).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(relay.left(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_says_what_to_do() {
    let disk = Disk::new();
    let digest = image(&disk, "app/web", &[b"layer".to_vec()]);
    let errors = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    for (status, headers, message, help) in [
        (
            "401 Unauthorized",
            "www-authenticate: Basic realm=\"x\"\r\n",
            "answers 401, `landfall` is logged in there",
            "docker login 127.0.0.1",
        ),
        ("403 Forbidden", "", "answers 403, `landfall` is logged in there", "docker login 127.0.0.1"),
        ("413 Payload Too Large", "", "does not take that much", "layers smaller"),
        ("429 Too Many Requests", "", "asks for fewer requests", "later"),
        ("502 Bad Gateway", "", "fails with 502", "look after the registry"),
        ("418 I'm a teapot", "", "answers 418", ""),
        (
            "401 Unauthorized",
            "www-authenticate: Bearer realm=\"http://evil.example/token\"\r\n",
            "token server has no `https://`",
            "",
        ),
        ("301 Moved Permanently", "location: http://evil.example/\r\n", "may not go", ""),
    ] {
        let relay = Relay::new(1, vec![answer(status, headers, errors)], true).await;
        let fault = push(&client(&relay.host(), owner()), &disk, &digest, "team/web", &[]).await.unwrap_err();
        assert!(fault.message.starts_with("cannot push 127.0.0.1:"), "{fault:?}");
        assert!(fault.message.contains(message), "{status}: {fault:?}");
        assert!(fault.help.clone().unwrap_or_default().contains(help), "{status}: {fault:?}");
        assert!(!format!("{fault:?}").contains(TOKEN));
    }
    let nobody = client("127.0.0.1:1", Credential::Anonymous);
    let fault = push(&nobody, &disk, &digest, "team/web", &[]).await.unwrap_err();
    assert!(fault.message.contains("cannot be reached"), "{fault:?}");
    let world = World::new().await;
    let anonymous = client(&world.host(), Credential::Anonymous);
    let fault = push(&anonymous, &disk, &digest, "team/web", &[]).await.unwrap_err();
    assert!(fault.message.contains("answers 401, nobody is logged in there"), "{fault:?}");
    let relay = Relay::new(1, vec![answer("403 Forbidden", "", errors)], true).await;
    let nobody = client(&relay.host(), Credential::Anonymous);
    let fault = pull(&nobody, &disk, "team/web", Target::Tag(tag("1"))).await.unwrap_err();
    assert!(fault.message.contains("nobody is logged in there (DENIED not yours)"), "{fault:?}");
    let fault = pull(&anonymous, &disk, "team/web", Target::Tag(tag("1"))).await.unwrap_err();
    assert!(fault.message.contains("answers 401, nobody is logged in there"), "{fault:?}");
    let known = client(&world.host(), owner());
    let fault = pull(&known, &disk, "team/web", Target::Tag(tag("1"))).await.unwrap_err();
    assert!(fault.message.contains("has no such thing (MANIFEST_UNKNOWN"), "{fault:?}");
}

/// A server that gives these answers, one a connection; and the heads of what it was asked.
async fn told(answers: Vec<String>) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
            sender.send(String::from_utf8(head).unwrap().to_ascii_lowercase()).unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_stays_with_the_token_server_that_asked_for_it() {
    let disk = Disk::new();
    let digest = image(&disk, "app/web", &[b"layer".to_vec()]);
    let moved = |to: &str| {
        format!("HTTP/1.1 307 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    };
    let given = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{\"token\":\"x\"}";
    let (other, mut at_other) = told(vec![given.to_owned()]).await;
    let elsewhere = moved(&format!("http://127.0.0.1:{other}/token"));
    let (tokens, mut at_tokens) = told(vec![moved("/again"), elsewhere]).await;
    let asked = format!("www-authenticate: Bearer realm=\"http://127.0.0.1:{tokens}/token\"\r\n");
    let relay = Relay::new(1, vec![answer("401 Unauthorized", &asked, "")], true).await;
    push(&client(&relay.host(), owner()), &disk, &digest, "team/web", &[]).await.unwrap_err();
    for path in ["get /token?", "get /again"] {
        let head = at_tokens.recv().await.unwrap();
        assert!(head.starts_with(path) && head.contains("authorization: basic "), "{head}");
    }
    let head = at_other.recv().await.unwrap();
    assert!(head.starts_with("get /token") && !head.contains("authorization"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_index_with_attestations_the_platforms_image_is_pulled() {
    let world = World::new().await;
    let disk = Disk::new();
    let digest = image(&disk, "app/web", &[b"layer".to_vec()]);
    let owner = client(&world.host(), owner());
    push(&owner, &disk, &digest, "team/web", &[]).await.unwrap();
    let config = world.push_blob("team/web", b"{}").await;
    let other = Manifest::image(&Descriptor::new("application/vnd.in-toto", config, 2), &[]);
    world
        .put_manifest("team/web", &Sha256::of(&other).to_string(), media::MANIFEST, &other)
        .await
        .expect(201);
    let entry = |digest: Digest, platform: &str, attests: bool| {
        let mut entry = Descriptor::new(media::MANIFEST, digest, 1);
        entry.platform = Platform::parse(platform);
        let note = json!({"vnd.docker.reference.type": "attestation-manifest"});
        entry.annotations = attests.then(|| note.as_object().unwrap().clone());
        entry
    };
    let attestation = entry(Sha256::of(&other), "unknown/unknown", true);
    let index = |entries: &[Descriptor]| {
        json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries}).to_string()
    };
    let good = index(&[attestation.clone(), entry(digest, &here().to_string(), false)]);
    world.put_manifest("team/web", "good", media::INDEX, good.as_bytes()).await.expect(201);
    let pulled = pull(&owner, &Disk::new(), "team/web", Target::Tag(tag("good"))).await.unwrap();
    assert_eq!(pulled.manifest, digest);
    let bad = index(&[attestation, entry(digest, "linux/s390x", false)]);
    world.put_manifest("team/web", "bad", media::INDEX, bad.as_bytes()).await.expect(201);
    let fault = pull(&owner, &Disk::new(), "team/web", Target::Tag(tag("bad"))).await.unwrap_err();
    assert!(fault.message.contains("only for linux/s390x"), "{fault:?}");
    // One without an index says it in its configuration.
    let wrong = Platform::parse("linux/s390x").unwrap();
    let (store, target) = (Disk::new(), Target::Digest(digest));
    let pulled = owner.pull(&store.images, (&name("team/web"), &target), &name("x"), &wrong).await;
    assert!(pulled.unwrap_err().message.contains("has no image for linux/s390x"));
}

/// Debian's registry with one user, ended when dropped.
struct Distribution {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Distribution {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let passwords = folder.path().join("htpasswd");
        // Made by `htpasswd -bnB -C 4 user password`.
        fs::write(&passwords, "user:$2y$04$OWaxXIXR4tc88LNtWWc51u1RU4gLuFA/p3JLLMz8XNgIOChC/3g5u\n").unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {0}/data}}}}\n\
             http: {{addr: '127.0.0.1:{port}', secret: s}}\nauth: {{htpasswd: {{realm: test, path: {0}/htpasswd}}}}\n",
            folder.path().display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self { child: command.spawn().unwrap(), port, _folder: folder };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return started;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("docker-registry does not start");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn debians_registry_takes_and_gives_with_a_password_and_over_a_bad_wire() {
    if !have("docker-registry") {
        return;
    }
    let registry = Distribution::start().await;
    let host = format!("127.0.0.1:{}", registry.port);
    let user = || Credential::Password { user: "user".to_owned(), password: "password".into() };
    let (disk, back) = (Disk::new(), Disk::new());
    let base = noise(1, 2_500_000);
    let digest = image(&disk, "app/web", &[base.clone(), b"small".to_vec()]);
    let anonymous = client(&host, Credential::Anonymous);
    let fault = push(&anonymous, &disk, &digest, "team/web", &[]).await.unwrap_err();
    assert!(fault.message.contains("answers 401, nobody is logged in there"), "{fault:?}");
    let wrong = Credential::Password { user: "user".to_owned(), password: "wrong".into() };
    let fault = push(&client(&host, wrong), &disk, &digest, "team/web", &[]).await.unwrap_err();
    assert!(fault.message.contains("answers 401, `user` is logged in there"), "{fault:?}");

    let relay = Relay::new(registry.port, vec![Plan::CutUp(800_000), Plan::CutUp(900_000)], false).await;
    let pushed =
        push(&client(&relay.host(), user()), &disk, &digest, "team/web", &[tag("1.0.0")]).await.unwrap();
    assert_eq!(pushed.uploaded + pushed.there, 3);
    let client = client(&host, user());
    let again = push(&client, &disk, &digest, "team/web", &[tag("1.0.0")]).await.unwrap();
    assert_eq!((again.there, again.bytes), (3, 0));
    let (from, to) = (name("team/web"), name("team/other"));
    let mounted =
        client.push(&disk.images, (&name("app/web"), &digest), &to, &[], Some(&from)).await.unwrap();
    assert_eq!((mounted.mounted, mounted.uploaded), (3, 0));
    let relay = Relay::new(registry.port, vec![Plan::CutDown(600_000); 2], false).await;
    let cut = self::client(&relay.host(), user());
    let pulled = pull(&cut, &back, "team/web", Target::Tag(tag("1.0.0"))).await.unwrap();
    assert_eq!(pulled.manifest, digest);
    assert_eq!(back.images.blob(&Sha256::of(&base)).unwrap().size(), base.len() as u64);
}
