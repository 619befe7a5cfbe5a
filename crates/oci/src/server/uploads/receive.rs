//! A request's body on its way into a writer: gathered here, cut and stored on a thread, which a slow client never holds.

use std::time::Duration;

use axum::body::Body;
use bytes::BytesMut;
use http_body_util::BodyExt as _;

use crate::server::blocking;
use crate::server::refusal::Refusal;
use crate::store::BlobWriter;

/// Bytes that are gathered before a thread takes them.
const GATHERED: usize = 1024 * 1024;

/// A client that sends nothing for that long is gone.
const STALLED: Duration = Duration::from_secs(60);

/// How a body ended.
pub(super) enum Received {
    /// With its end.
    All(BlobWriter),
    /// Before it; what came is in the writer.
    Cut(BlobWriter),
}

/// Takes all of `body`.
///
/// # Errors
/// What cannot be stored; the writer is gone then.
pub(super) async fn receive(mut writer: BlobWriter, mut body: Body) -> Result<Received, Refusal> {
    let mut gathered = BytesMut::with_capacity(GATHERED);
    loop {
        let (whole, cut) = match tokio::time::timeout(STALLED, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                gathered.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
                (false, false)
            }
            Ok(None) => (true, false),
            Ok(Some(Err(_))) | Err(_) => (false, true),
        };
        if gathered.len() >= GATHERED || whole || cut {
            let bytes = gathered.split();
            let push = move || writer.push(&bytes).map(|()| (writer, bytes));
            (writer, gathered) = blocking(push).await?;
            gathered.clear();
        }
        if whole {
            return Ok(Received::All(writer));
        }
        if cut {
            return Ok(Received::Cut(writer));
        }
    }
}
