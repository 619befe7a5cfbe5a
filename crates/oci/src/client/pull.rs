//! An image out of a registry into the store.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, RANGE};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use landfall_model::{Digest, Fault};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::login::Scope;
use super::transport::{Ask, Broken, STALLED};
use super::{Client, faults};
use crate::manifest::{Descriptor, MAX_MANIFEST, Manifest, Platform, media};
use crate::name::{Repository, Target};
use crate::sha::Sha256;
use crate::store::{BlobWriter, ImageError, Images};

/// Blobs that are downloaded at once.
const AT_ONCE: usize = 3;

/// How deep indexes may lie in each other.
const MAX_DEPTH: usize = 4;

/// Bytes that are gathered before a thread stores them.
const GATHERED: usize = 1024 * 1024;

/// What pulling came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// The manifest of the image for the platform: what it is called in the store.
    pub manifest: Digest,
    /// Its configuration: what engines call its id.
    pub config: Digest,
    /// Bytes that came; blobs that the store had are not asked for.
    pub bytes: u64,
}

/// The same, taking manifests of all kinds.
pub(super) fn accepting(mut ask: Ask) -> Ask {
    for kind in media::ACCEPTED {
        ask.headers.append(ACCEPT, http::HeaderValue::from_static(kind));
    }
    ask
}

impl Client {
    /// Pulls the image for `platform`. Of an index its image for that is taken, never an attestation.
    ///
    /// # Errors
    /// What the registry refuses or does not have; no image for the platform; bytes that are not what their digest says; a
    /// full disk.
    pub async fn pull(
        &self,
        images: &Images,
        from: (&Repository, &Target),
        into: &Repository,
        platform: &Platform,
    ) -> Result<Pulled, Fault> {
        let (repository, target) = from;
        let mark = if matches!(target, Target::Tag(_)) { ':' } else { '@' };
        let what = format!("cannot pull {}/{repository}{mark}{target}", self.place().host());
        let scope = Scope::pull(repository);
        let (mut bytes, mut manifest) = self.manifest(&what, &scope, repository, target).await?;
        for _ in 0..MAX_DEPTH {
            if !manifest.is_index() {
                break;
            }
            let chosen = manifest.choose(platform).ok_or_else(|| {
                let there = manifest.manifests.iter().filter(|entry| !entry.is_attestation());
                let there = there.filter_map(|entry| Some(entry.platform.as_ref()?.to_string()));
                faults::no_platform(self.place(), &what, platform, &there.collect::<Vec<_>>())
            })?;
            let target = Target::Digest(chosen.digest);
            (bytes, manifest) = self.manifest(&what, &scope, repository, &target).await?;
        }
        let config =
            manifest.config.clone().ok_or_else(|| self.odd(&what, "an index of indexes of indexes"))?;
        let came = self.pull_blobs(&what, &scope, (images, repository, into), &manifest).await?;
        self.check_platform(&what, images, &config, platform).await?;
        let digest = Sha256::of(&bytes);
        let (images, into, kind) = (images.clone(), into.clone(), manifest.media_type);
        let put = move || images.put_manifest(&into, &Target::Digest(digest), Some(&kind), &bytes).map(drop);
        blocking(put).await?;
        Ok(Pulled { manifest: digest, config: config.digest, bytes: came })
    }

    /// Asks for a manifest and checks what comes.
    async fn manifest(
        &self,
        what: &str,
        scope: &Scope,
        repository: &Repository,
        target: &Target,
    ) -> Result<(Bytes, Manifest), Fault> {
        let url = self.url(&format!("/v2/{repository}/manifests/{target}"));
        let answer = self.ask(what, Some(scope), &accepting(Ask::new(Method::GET, url))).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(self.unexpected(what, status, answer).await);
        }
        let bytes = self.read_body(what, answer, MAX_MANIFEST).await?;
        let found = Sha256::of(&bytes);
        if let Target::Digest(expected) = target
            && found != *expected
        {
            return Err(faults::mismatch(self.place(), what, expected, &found));
        }
        // What it says of itself counts: servers before a registry change what it is called.
        let manifest = Manifest::parse(&bytes, None).map_err(|error| self.odd(what, &error.to_string()))?;
        Ok((bytes, manifest))
    }

    /// An image without an index says only in its configuration what it runs on.
    async fn check_platform(
        &self,
        what: &str,
        images: &Images,
        config: &Descriptor,
        wanted: &Platform,
    ) -> Result<(), Fault> {
        let (images, digest) = (images.clone(), config.digest);
        let text = blocking(move || {
            let blob = images.blob(&digest)?;
            if blob.size() > crate::archive::MAX_CONFIG {
                return Err(ImageError::TooLarge);
            }
            let mut reader = blob.read_all();
            let mut text = Vec::new();
            while let Some(bytes) = reader.next_bytes()? {
                text.extend_from_slice(&bytes);
            }
            Ok(text)
        });
        // An artifact that is no image says nothing of a platform.
        match serde_json::from_slice::<Platform>(&text.await?) {
            Ok(there) if !there.os.is_empty() && !there.suits(wanted) => {
                Err(faults::no_platform(self.place(), what, wanted, &[there.to_string()]))
            }
            _ => Ok(()),
        }
    }

    async fn pull_blobs(
        &self,
        what: &str,
        scope: &Scope,
        (images, from, into): (&Images, &Repository, &Repository),
        manifest: &Manifest,
    ) -> Result<u64, Fault> {
        let mut blobs: Vec<Descriptor> = manifest.blobs().cloned().collect();
        blobs.sort_by_key(|blob| blob.digest);
        blobs.dedup_by_key(|blob| blob.digest);
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut downloads = JoinSet::new();
        for blob in blobs {
            let (client, images, from, into) = (self.clone(), images.clone(), from.clone(), into.clone());
            let (scope, what, places) = (scope.clone(), what.to_owned(), Arc::clone(&places));
            downloads.spawn(async move {
                let _place = places.acquire_owned().await;
                let download =
                    Download { client: &client, images: &images, from: &from, scope: &scope, what: &what };
                let came = download.get(&blob).await?;
                let digest = blob.digest;
                blocking(move || images.adopt(&into, &digest)).await?;
                Ok::<_, Fault>(came)
            });
        }
        let mut bytes = 0;
        while let Some(came) = downloads.join_next().await {
            bytes += came.map_err(|error| Fault::internal(error.to_string()))??;
        }
        Ok(bytes)
    }
}

/// What blobs are downloaded with.
struct Download<'a> {
    client: &'a Client,
    images: &'a Images,
    from: &'a Repository,
    scope: &'a Scope,
    what: &'a str,
}

impl Download<'_> {
    /// Gets a blob unless the store has it; gives the bytes that came. One that is cut off goes on where it was.
    async fn get(&self, blob: &Descriptor) -> Result<u64, Fault> {
        let (images, digest) = (self.images.clone(), blob.digest);
        if blocking(move || Ok(images.blob(&digest).is_ok())).await? {
            return Ok(0);
        }
        let client = self.client;
        let mut writer = self.images.writer();
        let mut tries = 1;
        loop {
            let had = writer.size();
            let (back, ended) = self.get_rest(blob, writer).await?;
            writer = back;
            let Err(why) = ended else { break };
            tries = if writer.size() > had { 1 } else { tries + 1 };
            if tries > client.inner.patience.tries {
                return Err(client.broken(self.what, &why));
            }
            client.wait(tries, None).await;
        }
        let came = writer.size();
        let finished = tokio::task::spawn_blocking(move || writer.finish(Some(&digest))).await;
        match finished.map_err(|error| Fault::internal(error.to_string()))? {
            Ok(_) => Ok(came),
            Err(ImageError::Mismatch { expected, found }) => {
                Err(faults::mismatch(client.place(), self.what, &expected, &found))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gets what the writer does not have yet, in one request.
    async fn get_rest(
        &self,
        blob: &Descriptor,
        mut writer: BlobWriter,
    ) -> Result<(BlobWriter, Result<(), Broken>), Fault> {
        let client = self.client;
        let mut ask = Ask::new(Method::GET, client.url(&format!("/v2/{}/blobs/{}", self.from, blob.digest)));
        if writer.size() > 0 {
            ask = ask.header(RANGE, &format!("bytes={}-", writer.size()));
        }
        let answer = client.ask(self.what, Some(self.scope), &ask).await?;
        // One that does not know ranges gives all of it again.
        let mut known = match answer.status() {
            StatusCode::PARTIAL_CONTENT => 0,
            StatusCode::OK => writer.size(),
            status => return Err(client.unexpected(self.what, status, answer).await),
        };
        let mut body = answer.into_body();
        let mut gathered = BytesMut::with_capacity(GATHERED);
        loop {
            let ended = match tokio::time::timeout(STALLED, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    let mut bytes = frame.into_data().unwrap_or_default();
                    let again = usize::try_from(known).map_or(bytes.len(), |known| known.min(bytes.len()));
                    known -= again as u64;
                    gathered.extend_from_slice(&bytes.split_off(again));
                    None
                }
                Ok(None) => Some(Ok(())),
                Ok(Some(Err(error))) => Some(Err(Broken::Cut(error.to_string()))),
                Err(_) => Some(Err(Broken::Cut("a download stops in the middle".to_owned()))),
            };
            if writer.size() + gathered.len() as u64 > blob.size {
                let why = format!("it gives more than the {} bytes that {} has", blob.size, blob.digest);
                return Err(client.odd(self.what, &why));
            }
            if gathered.len() >= GATHERED || ended.is_some() {
                let bytes = gathered.split();
                let push = move || writer.push(&bytes).map(|()| (writer, bytes));
                (writer, gathered) = blocking(push).await?;
                gathered.clear();
            }
            if let Some(ended) = ended {
                return Ok((writer, ended));
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Fault::internal(format!("the agent failed inside: {error}"))),
    }
}
