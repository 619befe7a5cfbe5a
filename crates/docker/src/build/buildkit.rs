//! Building with BuildKit through the engine: a session gives it what it asks for, its progress comes as a trace.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_model::{Fault, Stream};
use prost::Message as _;

use super::classic::Message;
use super::context::Context;
use super::session::{Given, Session, StatusResponse};
use super::trace::Trace;
use super::{Build, failure, request};
use crate::engine::Engine;
use crate::fault;
use crate::image::ImageId;
use crate::raw;

/// What the Dockerfile is called in the session.
const DOCKERFILE: &str = "Dockerfile";

/// Builds.
pub(super) async fn build(
    engine: &Engine,
    build: &Build,
    context: &Context,
    lines: &mut (dyn FnMut(Stream, &str) + Send),
) -> Result<ImageId, Fault> {
    const DOING: &str = "building the image";
    let broke = |why: io::Error| fault::broke(DOING, &why);
    let given = Given::new(context, &build.dockerfile, build.secrets.clone(), build.logins.clone());
    let given =
        given.map_err(|why| Fault::internal(format!("{DOING}: the context cannot be read: {why}")))?;
    let id = session_id()?;
    let version = engine.docker.client_version();
    let _session = Session::open(&engine.dial, version, &id, &build.name, given).await?;
    let mut options = request::options(build, DOCKERFILE);
    options.extend([
        ("version", "2".to_owned()),
        ("session", id.clone()),
        ("buildid", id),
        ("remote", "client-session".to_owned()),
    ]);
    let version = engine.docker.client_version();
    let request = request::request(version, build, &options, raw::empty())?;
    let mut answer = engine.dial.call(DOING, request).await?;
    let (mut trace, mut image) = (Trace::default(), None);
    while let Some(line) = answer.line().await.map_err(broke)? {
        let Ok(message) = serde_json::from_slice::<Message>(&line) else { continue };
        match message.id.as_deref() {
            Some("moby.buildkit.trace") => {
                let status = message.aux.as_ref().and_then(|aux| status(aux.as_str()?));
                if let Some(status) = status {
                    trace.take(&status, lines);
                }
            }
            _ => image = message.image().or(image),
        }
        if let Some(error) = &message.error {
            trace.end(lines);
            return Err(failure::fault(error, trace.failed().as_ref(), build.written));
        }
    }
    trace.end(lines);
    image.ok_or_else(|| Fault::internal(format!("{DOING}: the engine gave no image and no error")))
}

/// A piece of the trace: a protobuf message in base64.
fn status(text: &str) -> Option<StatusResponse> {
    StatusResponse::decode(STANDARD.decode(text).ok()?.as_slice()).ok()
}

/// An id that no other build has: 128 bits from the kernel.
fn session_id() -> Result<String, Fault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|why| Fault::internal(format!("no random numbers: {why}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
