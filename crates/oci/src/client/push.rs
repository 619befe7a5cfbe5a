//! An image out of the store into a registry.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName};
use http::{Method, StatusCode};
use landfall_model::{Digest, Fault};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Client;
use super::login::Scope;
use super::transport::{Ask, MAX_ANSWER};
use super::upload::{Came, Upload};
use crate::manifest::Manifest;
use crate::name::{Repository, Tag, Target};
use crate::store::{Images, StoredManifest};

/// Blobs that are uploaded at once.
const AT_ONCE: usize = 3;

/// How deep indexes may lie in each other.
const MAX_DEPTH: u32 = 4;

/// What pushing came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Blobs that were there already.
    pub there: usize,
    /// Blobs that were taken over from another repository.
    pub mounted: usize,
    /// Blobs that were uploaded.
    pub uploaded: usize,
    /// Bytes that were uploaded.
    pub bytes: u64,
}

impl Client {
    /// Pushes an image, or an index with all its images, and gives it `tags` there, none of which ever moves. Blobs that
    /// `mount_from`, another repository of the registry, has are taken over from there.
    ///
    /// # Errors
    /// What the registry refuses; a tag that is something else there; what the store does not have.
    pub async fn push(
        &self,
        images: &Images,
        from: (&Repository, &Digest),
        to: &Repository,
        tags: &[Tag],
        mount_from: Option<&Repository>,
    ) -> Result<Pushed, Fault> {
        let what = format!("cannot push {}/{to}", self.place().host());
        let scope = Scope::push(to, mount_from);
        let digest = *from.1;
        for tag in tags {
            self.refuse_moving(&what, &scope, to, tag, &digest).await?;
        }
        let work = Work { client: self, images, from: from.0, to, mount_from, scope: &scope, what: &what };
        let (stored, done) = work.push(digest, 0).await?;
        for tag in tags {
            work.put(&stored, tag.as_str()).await?;
        }
        Ok(done)
    }

    /// # Errors
    /// A tag that names something else: versions never repeat.
    async fn refuse_moving(
        &self,
        what: &str,
        scope: &Scope,
        to: &Repository,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), Fault> {
        let there = self.digest_of(what, scope, to, &Target::Tag(tag.clone())).await?;
        match there {
            Some(other) if other != *digest => Err(Fault::refused(format!(
                "{what}: the tag `{tag}` is {other} there, and would become {digest}"
            ))
            .help(
                "a tag that was given away once never moves; look who pushed it, and release another version",
            )),
            _ => Ok(()),
        }
    }

    /// The digest of a manifest that is there; `None` when it is not, or when the registry does not say.
    pub(super) async fn digest_of(
        &self,
        what: &str,
        scope: &Scope,
        repository: &Repository,
        target: &Target,
    ) -> Result<Option<Digest>, Fault> {
        let url = self.url(&format!("/v2/{repository}/manifests/{target}"));
        let ask = super::pull::accepting(Ask::new(Method::HEAD, url));
        let answer = self.ask(what, Some(scope), &ask).await?;
        match answer.status() {
            StatusCode::OK => {
                let said = answer.headers().get(HeaderName::from_static("docker-content-digest"));
                Ok(said.and_then(|value| value.to_str().ok()?.parse().ok()))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.unexpected(what, status, answer).await),
        }
    }
}

/// One push.
struct Work<'a> {
    client: &'a Client,
    images: &'a Images,
    from: &'a Repository,
    to: &'a Repository,
    mount_from: Option<&'a Repository>,
    scope: &'a Scope,
    what: &'a str,
}

impl Work<'_> {
    /// Pushes a manifest after everything that it refers to; gives it.
    async fn push(&self, digest: Digest, depth: u32) -> Result<(StoredManifest, Pushed), Fault> {
        let (images, from) = (self.images.clone(), self.from.clone());
        let read = tokio::task::spawn_blocking(move || images.manifest(&from, &Target::Digest(digest))).await;
        let stored = read.map_err(|error| Fault::internal(error.to_string()))??;
        let manifest =
            Manifest::parse(&stored.bytes, Some(&stored.media_type)).map_err(crate::ImageError::from)?;
        let there = self.client.digest_of(self.what, self.scope, self.to, &Target::Digest(digest)).await?;
        let mut done = Pushed::default();
        if there == Some(digest) {
            done.there = manifest.blobs().count();
            return Ok((stored, done));
        }
        if depth >= MAX_DEPTH {
            return Err(Fault::internal(format!("{digest} is an index of indexes of indexes")));
        }
        for child in &manifest.manifests {
            let (_, pushed) = Box::pin(self.push(child.digest, depth + 1)).await?;
            done.there += pushed.there;
            done.mounted += pushed.mounted;
            done.uploaded += pushed.uploaded;
            done.bytes += pushed.bytes;
        }
        self.push_blobs(&manifest, &mut done).await?;
        self.put(&stored, &digest.to_string()).await?;
        Ok((stored, done))
    }

    async fn push_blobs(&self, manifest: &Manifest, done: &mut Pushed) -> Result<(), Fault> {
        let mut blobs: Vec<Digest> = manifest.blobs().map(|blob| blob.digest).collect();
        blobs.sort();
        blobs.dedup();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut uploads = JoinSet::new();
        for digest in blobs {
            let (client, images, to) = (self.client.clone(), self.images.clone(), self.to.clone());
            let (from, scope, what) = (self.mount_from.cloned(), self.scope.clone(), self.what.to_owned());
            let places = Arc::clone(&places);
            uploads.spawn(async move {
                let _place = places.acquire_owned().await;
                let upload = Upload {
                    images: &images,
                    digest,
                    to: &to,
                    from: from.as_ref(),
                    scope: &scope,
                    what: &what,
                };
                client.put_blob(&upload).await
            });
        }
        while let Some(came) = uploads.join_next().await {
            match came.map_err(|error| Fault::internal(error.to_string()))?? {
                Came::WasThere => done.there += 1,
                Came::Mounted => done.mounted += 1,
                Came::Uploaded(bytes) => {
                    done.uploaded += 1;
                    done.bytes += bytes;
                }
            }
        }
        Ok(())
    }

    /// Puts the manifest itself there, by its digest or as a tag.
    async fn put(&self, stored: &StoredManifest, target: &str) -> Result<(), Fault> {
        let url = self.client.url(&format!("/v2/{}/manifests/{target}", self.to));
        let mut ask = Ask::new(Method::PUT, url).header(CONTENT_TYPE, &stored.media_type);
        ask.body = stored.bytes.clone().into();
        let answer = self.client.ask(self.what, Some(self.scope), &ask).await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.client.unexpected(self.what, status, answer).await);
        }
        let said = answer.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        let said = said.map(str::to_owned);
        // The connection can be used again once the answer was read.
        let _ = self.client.read_body(self.what, answer, MAX_ANSWER).await;
        match said.map(|said| said.parse::<Digest>()) {
            Some(Ok(found)) if found != stored.digest => {
                Err(super::faults::mismatch(self.client.place(), self.what, &stored.digest, &found))
            }
            _ => Ok(()),
        }
    }
}
