//! The classic builder: the context goes as one archive, the Dockerfile beside it under a name of its own that the
//! engine takes out again before the first step.

use std::io;

use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use landfall_model::{Fault, Stream};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::context::Context;
use super::steps::Steps;
use super::{Build, failure, request};
use crate::engine::Engine;
use crate::fault;
use crate::image::ImageId;
use crate::raw::Body;

/// What the Dockerfile is called in the archive. The same for each build: it does not disturb the cache.
const DOCKERFILE: &str = ".landfall.dockerfile";

/// What is left out is named here: the engine takes a Dockerfile that is named here out of the context.
const IGNORE: &str = ".dockerignore";

/// Pieces of the archive that may wait to be sent.
const AHEAD: usize = 4;

/// A line of the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    pub(crate) stream: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) aux: Option<serde_json::Value>,
}

impl Message {
    /// The image's id, when the message tells it.
    pub(super) fn image(&self) -> Option<ImageId> {
        let id = self.aux.as_ref()?.get("ID")?.as_str()?;
        Some(ImageId::new(id))
    }
}

/// Builds.
pub(super) async fn build(
    engine: &Engine,
    build: &Build,
    context: &Context,
    lines: &mut (dyn FnMut(Stream, &str) + Send),
) -> Result<ImageId, Fault> {
    const DOING: &str = "building the image";
    let options = request::options(build, DOCKERFILE);
    let body = archive(context, &build.dockerfile)
        .map_err(|why| Fault::internal(format!("{DOING}: the context cannot be read: {why}")))?;
    let request = request::request(engine.docker.client_version(), build, &options, body)?;
    let mut answer = engine.dial.call(DOING, request).await?;
    let (mut steps, mut image) = (Steps::default(), None);
    while let Some(line) = answer.line().await.map_err(|why| fault::broke(DOING, &why))? {
        let Ok(message) = serde_json::from_slice::<Message>(&line) else { continue };
        image = message.image().or(image);
        if let Some(text) = &message.stream {
            steps.take(text, lines);
        }
        if let (Some(status), None) = (&message.status, &message.id) {
            steps.take(&format!("{status}\n"), lines);
        }
        if let Some(error) = &message.error {
            steps.end(lines);
            return Err(failure::fault(error, steps.current(), build.written));
        }
    }
    steps.end(lines);
    image.ok_or_else(|| Fault::internal(format!("{DOING}: the engine gave no image and no error")))
}

/// Whether a Dockerfile has what only BuildKit knows: `RUN --mount`, `RUN --network`, here-documents are not looked for.
pub(super) fn needs_buildkit(dockerfile: &str) -> bool {
    dockerfile.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("run"))
            && words.next().is_some_and(|word| word.starts_with("--mount="))
    })
}

/// The context with the Dockerfile and what takes it out again behind it, as it is sent.
fn archive(context: &Context, dockerfile: &str) -> io::Result<Body> {
    let pieces = context.pieces()?;
    let mut ignored = Vec::new();
    if let Some((mut offset, mut left)) = context.file(IGNORE) {
        while left > 0 {
            let piece = pieces.read(offset, left)?;
            offset += piece.len() as u64;
            left -= piece.len() as u64;
            ignored.extend(piece);
        }
    } else {
        ignored.extend(IGNORE.as_bytes());
    }
    ignored.extend(format!("\n{DOCKERFILE}\n").as_bytes());
    let mut behind = tar::Builder::new(Vec::new());
    for (path, content) in [(DOCKERFILE, dockerfile.as_bytes()), (IGNORE, &ignored)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        behind.append_data(&mut header, path, content)?;
    }
    let behind = behind.into_inner()?;
    let (sender, receiver) = mpsc::channel::<io::Result<Frame<Bytes>>>(AHEAD);
    let end = context.end();
    tokio::task::spawn_blocking(move || {
        let mut at = 0;
        while at < end {
            let piece = pieces.read(at, end - at);
            at += piece.as_ref().map_or(end, |piece| piece.len() as u64);
            if sender.blocking_send(piece.map(|bytes| Frame::data(bytes.into()))).is_err() {
                return;
            }
        }
        let _ = sender.blocking_send(Ok(Frame::data(behind.into())));
    });
    Ok(StreamBody::new(ReceiverStream::new(receiver)).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_buildkit_knows_is_found() {
        assert!(needs_buildkit("FROM x\n  run --mount=type=cache,target=/c make\n"));
        assert!(!needs_buildkit("FROM x\n# RUN --mount=type=cache\nRUN mount --mount=1\n"));
    }
}
