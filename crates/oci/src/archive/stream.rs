//! An archive that comes as a stream of the event loop, read on a thread of its own.

use std::io;

use bytes::Bytes;
use landfall_model::Fault;
use tokio_stream::{Stream, StreamExt as _};

use super::{ArchiveError, Imported, import};
use crate::manifest::Platform;
use crate::name::Repository;
use crate::pieces::pieces;
use crate::store::Images;

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
    let (sender, mut reader) = pieces();
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
