//! An image store in a folder of its own with its registry on loopback, and requests to it as they go over the wire.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use landfall_artifact::Store;
use landfall_fx::SystemRandom;
use landfall_model::Digest;
use landfall_oci::server::Access;
use landfall_oci::{Descriptor, Images, Manifest, Sha256, media};
use tokio::sync::Notify;

/// What every call takes.
pub(crate) const TOKEN: &str = "the-token-of-the-tests";

/// The store's parts; clones are the same.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) chunks: Store,
    pub(crate) images: Images,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let chunks = Store::open(&folder.path().join("store")).unwrap();
        let images = Images::open(&folder.path().join("images"), chunks.clone()).unwrap();
        Self { folder, chunks, images }
    }

    /// Bytes of all its files.
    pub(crate) fn bytes(&self) -> u64 {
        fn below(folder: PathBuf) -> u64 {
            let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
            entries
                .map(|it| if it.path().is_dir() { below(it.path()) } else { it.metadata().unwrap().len() })
                .sum()
        }
        below(self.folder.path().to_owned())
    }
}

/// A store that is served.
pub(crate) struct World {
    pub(crate) disk: Disk,
    pub(crate) port: u16,
    client: Client<HttpConnector, Full<Bytes>>,
    ended: Arc<Notify>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.ended.notify_one();
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{:?} {}",
            self.headers,
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::serving(Disk::new(), Access::whole(TOKEN.into())).await
    }

    /// A store that is there already.
    pub(crate) async fn serving(disk: Disk, access: Access) -> Self {
        let listener = landfall_oci::server::listen(None).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended = Arc::new(Notify::new());
        let (images, told) = (disk.images.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            let ended = async move { told.notified().await };
            let random = Box::new(SystemRandom);
            landfall_oci::server::serve(images, access, random, listener, ended).await;
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { disk, port, client, ended }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A request with these headers alone.
    pub(crate) async fn bare(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let place =
            if path.starts_with("http") { path.to_owned() } else { format!("http://{}{path}", self.host()) };
        let mut request =
            Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(place);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.request(request.body(Full::from(body.to_vec())).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request that shows the token.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let token = format!("Bearer {TOKEN}");
        let mut all = vec![("authorization", token.as_str())];
        all.extend_from_slice(headers);
        self.bare(method, path, &all, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], b"").await
    }

    pub(crate) async fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Sha256::of(bytes);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        self.call("POST", &path, &[], bytes).await.expect(201);
        digest
    }

    pub(crate) async fn put_manifest(&self, name: &str, target: &str, kind: &str, bytes: &[u8]) -> Answer {
        let path = format!("/v2/{name}/manifests/{target}");
        self.call("PUT", &path, &[("content-type", kind)], bytes).await
    }

    /// Pushes an image of these layers; gives its manifest.
    pub(crate) async fn push_image(&self, name: &str, tag: &str, layers: &[&[u8]]) -> Vec<u8> {
        let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = Descriptor::new(media::CONFIG, self.push_blob(name, config).await, config.len() as u64);
        let mut described = Vec::new();
        for layer in layers {
            let digest = self.push_blob(name, layer).await;
            described.push(Descriptor::new(media::LAYER, digest, layer.len() as u64));
        }
        let manifest = Manifest::image(&config, &described);
        self.put_manifest(name, tag, media::MANIFEST, &manifest).await.expect(201);
        manifest
    }
}

/// Bytes that look like nothing else, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
