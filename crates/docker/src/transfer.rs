//! Images that come and go: archives (`docker save`), and registries through the engine.

use std::io::{self, Read};

use http_body_util::{BodyExt as _, StreamBody};
use hyper::Method;
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use landfall_model::{Fault, Stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::build::Message;
use crate::download::Download;
use crate::engine::Engine;
use crate::image::{ImageId, repository_and_tag};
use crate::login::Login;
use crate::raw::{self, Answer, Body};
use crate::{fault, login};

/// How many bytes of an archive are read at once.
const PIECE: usize = 256 * 1024;

/// Pieces that may wait to be sent.
const AHEAD: usize = 4;

/// What an account is told in.
const ACCOUNT: HeaderName = HeaderName::from_static("x-registry-auth");

impl Engine {
    /// Images with all their layers as one archive, as `docker save` writes it: under the names they are asked for by.
    ///
    /// # Errors
    /// When one is not there.
    pub async fn save(&self, references: &[String]) -> Result<Download, Fault> {
        let options: Vec<_> = references.iter().map(|name| ("names", name.clone())).collect();
        let request = self.request(Method::GET, "/images/get", &options, raw::empty())?;
        Ok(Download::new(self.dial.call("saving images", request).await?))
    }

    /// Takes the images of an archive (`docker save`, also an OCI layout where the engine knows that). Gives what they
    /// are called: tags, or ids for those without.
    ///
    /// # Errors
    /// When the archive is none, or the engine has no room for it.
    pub async fn load(&self, archive: Box<dyn Read + Send>) -> Result<Vec<String>, Fault> {
        const DOING: &str = "loading images";
        let options = [("quiet", "1".to_owned())];
        let mut request = self.request(Method::POST, "/images/load", &options, stream(archive))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        let answer = self.dial.call(DOING, request).await?;
        let mut loaded = Vec::new();
        follow(DOING, answer, |message| {
            let text = message.stream.as_deref().unwrap_or_default();
            let name = text.trim().strip_prefix("Loaded image: ");
            loaded.extend(name.or_else(|| text.trim().strip_prefix("Loaded image ID: ")).map(str::to_owned));
        })
        .await?;
        Ok(loaded)
    }

    /// Lets the engine pull an image from its registry, by tag or digest (`NAME@sha256:…`), and gives its id.
    ///
    /// # Errors
    /// When the registry has no such image, wants a login, cannot be reached, or has none for the platform.
    pub async fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        login: Option<&Login>,
        lines: &mut (dyn FnMut(Stream, &str) + Send),
    ) -> Result<ImageId, Fault> {
        let doing = format!("pulling {reference}");
        let named = match reference.split_once('@') {
            Some((_, digest)) => (reference.to_owned(), digest.to_owned()),
            None => repository_and_tag(reference)
                .map(|(repository, tag)| (repository.to_owned(), tag.to_owned()))
                .ok_or_else(|| {
                    Fault::usage(format!(
                        "`{reference}` names no image for good: a tag or a digest is missing"
                    ))
                    .help("write the version: `postgres:17.2`; `latest` is never taken for one")
                })?,
        };
        let mut options = vec![("fromImage", named.0)];
        if !reference.contains('@') {
            options.push(("tag", named.1));
        }
        options.extend(platform.map(|platform| ("platform", platform.to_owned())));
        let answer = self.registry(&doing, "/images/create", &options, login).await?;
        follow(&doing, answer, |message| progress(message, lines)).await?;
        let image = self.image(reference).await?;
        image
            .map(|image| image.id)
            .ok_or_else(|| fault::said(&doing, 500, "the image is not there afterwards"))
    }

    /// Lets the engine push the tag `reference` to its registry, and gives the digest that the registry has it under.
    ///
    /// # Errors
    /// When there is no such tag, or the registry wants a login, refuses, or cannot be reached.
    pub async fn push(
        &self,
        reference: &str,
        login: Option<&Login>,
        lines: &mut (dyn FnMut(Stream, &str) + Send),
    ) -> Result<String, Fault> {
        let doing = format!("pushing {reference}");
        let (repository, tag) = repository_and_tag(reference).ok_or_else(|| {
            Fault::usage(format!("`{reference}` is no name for an image: `repository:tag` is expected"))
        })?;
        let options = [("tag", tag.to_owned())];
        let answer = self.registry(&doing, &format!("/images/{repository}/push"), &options, login).await?;
        let mut digest = None;
        follow(&doing, answer, |message| {
            digest = pushed(message).or(digest.take());
            progress(message, lines);
        })
        .await?;
        digest.ok_or_else(|| fault::said(&doing, 500, "the registry told no digest"))
    }

    async fn registry(
        &self,
        doing: &str,
        path: &str,
        options: &[(&str, String)],
        login: Option<&Login>,
    ) -> Result<Answer, Fault> {
        let mut request = self.request(Method::POST, path, options, raw::empty())?;
        let account = HeaderValue::from_str(&login::account(login));
        let mut account =
            account.map_err(|_| Fault::internal(format!("{doing}: the login cannot be sent")))?;
        account.set_sensitive(true);
        request.headers_mut().insert(ACCOUNT, account);
        self.dial.call(doing, request).await.map_err(fault::registry)
    }
}

/// Reads messages to their end.
async fn follow(doing: &str, mut answer: Answer, mut each: impl FnMut(&Message)) -> Result<(), Fault> {
    while let Some(line) = answer.line().await.map_err(|why| fault::broke(doing, &why))? {
        let Ok(message) = serde_json::from_slice::<Message>(&line) else { continue };
        if let Some(error) = &message.error {
            return Err(fault::registry(fault::said(doing, 500, error)));
        }
        each(&message);
    }
    Ok(())
}

/// The digest that a push told: as a value, or, from an engine that keeps images in containerd, in words
/// (`1: digest: sha256:… size: 482`).
fn pushed(message: &Message) -> Option<String> {
    let value = message.aux.as_ref().and_then(|aux| aux.get("Digest")?.as_str());
    let words = || message.status.as_deref()?.split_once("digest: ")?.1.split_whitespace().next();
    value.or_else(words).map(str::to_owned)
}

/// Says a step of a layer; how many bytes of it are there is not said.
fn progress(message: &Message, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
    let Some(status) = &message.status else { return };
    if matches!(status.as_str(), "Downloading" | "Extracting" | "Pushing" | "Waiting" | "Preparing") {
        return;
    }
    match &message.id {
        Some(layer) => lines(Stream::Out, &format!("{layer}: {status}")),
        None => lines(Stream::Out, status),
    }
}

/// A reader's bytes as a body; it is read on a thread of its own.
fn stream(mut from: Box<dyn Read + Send>) -> Body {
    let (sender, receiver) = mpsc::channel::<io::Result<Frame<Bytes>>>(AHEAD);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut bytes = vec![0; PIECE];
            let read = from.read(&mut bytes);
            let over = matches!(read, Ok(0) | Err(_));
            let frame = read.map(|count| {
                bytes.truncate(count);
                Frame::data(bytes.into())
            });
            if sender.blocking_send(frame).is_err() || over {
                return;
            }
        }
    });
    StreamBody::new(ReceiverStream::new(receiver)).boxed_unsync()
}
