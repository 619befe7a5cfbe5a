//! Blobs on their way to the host: one streamed body that is never in memory as a whole.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use landfall_artifact::frames::FrameReader;
use landfall_model::Fault;
use tokio::sync::mpsc::{self, Sender};

use super::call::request;
use super::payload::Payload;
use super::{Agent, CallError};

/// How much is read from the files at once, in bytes.
const PIECE: usize = 256 * 1024;
/// Pieces that wait for the connection.
const WAITING: usize = 4;
/// The longest without a piece taken or an answer before the upload is given up.
const STALL: Duration = Duration::from_secs(60);

impl Agent {
    /// Sends blobs and gives the number of bytes sent. The files are read on a thread of their own.
    ///
    /// # Errors
    /// A file that cannot be read, a host whose disk is full; see [`CallError`].
    pub async fn upload(&self, frames: FrameReader) -> Result<u64, CallError> {
        const CALL: &str = "POST /v1/blobs";
        let (sender, receiver) = mpsc::channel(WAITING);
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let reading = tokio::task::spawn_blocking(move || pump(frames, &sender, &counter));
        let answer = async {
            let asked = request(Method::POST, "/v1/blobs", Payload::Pieces(receiver));
            let (_, connection) = self.begin(asked, CALL).await?;
            self.keep(connection);
            Ok(())
        };
        let answer = stalling(answer, &sent).await;
        // A file that cannot be read breaks the connection off: the reader's word is the better one.
        match reading.await {
            Ok(Err(error)) => Err(CallError::Fault(Fault::machine(format!(
                "a file could not be read while it was sent to the host: {error}"
            )))),
            _ => answer.map(|()| sent.load(Ordering::Relaxed)),
        }
    }
}

/// Waits for `work` as long as `sent` goes up.
async fn stalling<T>(
    work: impl Future<Output = Result<T, CallError>>,
    sent: &AtomicU64,
) -> Result<T, CallError> {
    let mut work = std::pin::pin!(work);
    loop {
        let before = sent.load(Ordering::Relaxed);
        if let Ok(done) = tokio::time::timeout(STALL, &mut work).await {
            return done;
        }
        if sent.load(Ordering::Relaxed) == before {
            return Err(CallError::lost("POST /v1/blobs", "the host took nothing for 60 s"));
        }
    }
}

/// Reads until the end or until nobody listens any more, which is no failure of the reader's.
fn pump(mut frames: impl Read, sender: &Sender<io::Result<Bytes>>, sent: &AtomicU64) -> Result<(), String> {
    loop {
        let mut piece = vec![0; PIECE];
        let length = match frames.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let why = error.to_string();
                // When nobody listens the upload has failed already.
                let _ = sender.blocking_send(Err(error));
                return Err(why);
            }
        };
        piece.truncate(length);
        if sender.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
        sent.fetch_add(length as u64, Ordering::Relaxed);
    }
}
