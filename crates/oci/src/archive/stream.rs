//! An archive that comes as a stream of the event loop, read on a thread of its own.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use landfall_model::Fault;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};

use super::{ArchiveError, Imported, import};
use crate::manifest::Platform;
use crate::name::Repository;
use crate::store::Images;

/// Pieces that wait to be stored.
const PIECES: usize = 8;

/// Puts the one image of an archive into a repository of the store, as [`import`] does. The stream is read no faster than
/// it is stored.
///
/// # Errors
/// See [`ArchiveError`]; the stream's own error is part of [`ArchiveError::Stream`].
pub async fn import_stream(
    images: &Images,
    repository: &Repository,
    archive: impl Stream<Item = Result<Bytes, impl std::fmt::Display>>,
    wanted: Option<&Platform>,
) -> Result<Imported, Fault> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let pump = async move {
        let mut archive = std::pin::pin!(archive);
        while let Some(piece) = archive.next().await {
            let piece = piece.map_err(|error| io::Error::other(error.to_string()));
            // Nobody takes it any more: what was wrong is told by the other side.
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    };
    let (images, repository, wanted) = (images.clone(), repository.clone(), wanted.cloned());
    let work = tokio::task::spawn_blocking(move || {
        let mut reader = Pieces { receiver, piece: Bytes::new() };
        let imported = import(&images, &repository, &mut reader, wanted.as_ref())?;
        // The end of an archive is padded; who writes it is not to find nobody there.
        io::copy(&mut reader, &mut io::sink()).map_err(ArchiveError::Stream)?;
        Ok::<_, ArchiveError>(imported)
    });
    let ((), done) = tokio::join!(pump, work);
    match done {
        Ok(imported) => imported.map_err(Fault::from),
        Err(error) => Err(Fault::internal(format!("the agent failed inside: {error}"))),
    }
}

/// Reads a stream from a thread that may block.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
