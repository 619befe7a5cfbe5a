//! Giving files to BuildKit: all entries are told, then the content of those that it asks for, which are the ones that
//! differ from what it kept of the last build (the protocol of tonistiigi/fsutil).

use std::io;
use std::sync::Arc;

use super::grpc::{Incoming, Outgoing};
use super::messages::{Packet, PacketKind, Stat};
use crate::build::context::{Context, Entry, Kind, Pieces, mark};

/// Go's bit for a folder.
const GO_FOLDER: u32 = 1 << 31;
/// Go's bit for a symbolic link.
const GO_LINK: u32 = 1 << 27;

/// What a folder or a link is dated: 1980-01-01, the first day that a ZIP archive knows.
const FIRST_DAY: i64 = 315_532_800_000_000_000;

/// The nanoseconds of a second.
const NANOS: i64 = 1_000_000_000;

/// A file's content.
#[derive(Debug)]
pub(super) enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// In the context's archive.
    Piece { offset: u64, size: u64 },
}

/// Files to give: entries in the order of a walk, each with its content unless it has none.
#[derive(Debug, Default)]
pub(super) struct Files {
    entries: Vec<(Stat, Option<Content>)>,
    pieces: Option<Arc<Pieces>>,
}

impl Files {
    /// The files of a context.
    pub(super) fn of(context: &Context) -> io::Result<Self> {
        let entries = context.entries().map(|(place, entry)| told(place.path(), entry)).collect();
        Ok(Self { entries, pieces: Some(Arc::new(context.pieces()?)) })
    }

    /// A folder with these files, which come in the order of their names.
    pub(super) fn small(files: &[(&str, &str)]) -> Self {
        let entries = files.iter().map(|(name, text)| {
            let mark = mark(text.as_bytes()).expect("what is in memory can be read");
            let size = text.len() as i64;
            // Nobody sees this date, so that it may be all mark: at most 36.6 years later.
            let mod_time = FIRST_DAY.saturating_add_unsigned(mark);
            let stat =
                Stat { path: (*name).to_owned(), mode: 0o644, size, mod_time, linkname: String::new() };
            (stat, Some(Content::Bytes(text.as_bytes().to_vec())))
        });
        Self { entries: entries.collect(), pieces: None }
    }

    /// Gives them.
    ///
    /// # Errors
    /// When the connection breaks, or the other side gives up.
    pub(super) async fn give(&self, asked: &mut Incoming, to: &mut Outgoing) -> io::Result<()> {
        for (stat, _) in &self.entries {
            to.send(&Packet { stat: Some(stat.clone()), ..packet(PacketKind::Stat) }).await?;
        }
        to.send(&packet(PacketKind::Stat)).await?;
        while let Some(packet) = asked.next::<Packet>().await? {
            match packet.kind() {
                PacketKind::Request => self.content(packet.id, to).await?,
                PacketKind::End => return to.send(&self::packet(PacketKind::End)).await,
                PacketKind::Error => {
                    return Err(io::Error::other(String::from_utf8_lossy(&packet.data).into_owned()));
                }
                PacketKind::Stat | PacketKind::Data => {
                    return Err(io::Error::other("an answer was sent, not asked for"));
                }
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Gives the content of one entry, and an empty piece behind it.
    async fn content(&self, id: u32, to: &mut Outgoing) -> io::Result<()> {
        let (_, content) = self.entries.get(id as usize).ok_or(io::ErrorKind::NotFound)?;
        match content.as_ref().ok_or(io::ErrorKind::NotFound)? {
            Content::Bytes(bytes) if bytes.is_empty() => {}
            Content::Bytes(bytes) => {
                to.send(&Packet { id, data: bytes.clone(), ..packet(PacketKind::Data) }).await?;
            }
            Content::Piece { offset, size } => {
                let pieces = self.pieces.as_ref().ok_or(io::ErrorKind::NotFound)?;
                let (mut at, end) = (*offset, offset + size);
                while at < end {
                    let pieces = Arc::clone(pieces);
                    let read = tokio::task::spawn_blocking(move || pieces.read(at, end - at));
                    let data = read.await.map_err(io::Error::other)??;
                    at += data.len() as u64;
                    to.send(&Packet { id, data, ..packet(PacketKind::Data) }).await?;
                }
            }
        }
        to.send(&Packet { id, ..packet(PacketKind::Data) }).await
    }
}

fn packet(kind: PacketKind) -> Packet {
    Packet { kind: kind as i32, ..Packet::default() }
}

/// An entry as it is told. A file's date comes from its content: the receiver takes a file of the same size and date for
/// the one that it has, and a date from a clock would make each checkout another image.
fn told(path: String, entry: &Entry) -> (Stat, Option<Content>) {
    let stat = Stat { path, mode: entry.mode, mod_time: FIRST_DAY, ..Stat::default() };
    match &entry.kind {
        Kind::Folder => (Stat { mode: go_mode(entry.mode) | GO_FOLDER, ..stat }, None),
        Kind::Link { target } => (
            Stat { mode: 0o777 | GO_LINK, linkname: target.clone(), size: target.len() as i64, ..stat },
            None,
        ),
        Kind::File { offset, size, modified, mark } => {
            // The date that the file has in the image. What is below a second belongs to the content: two contents of one
            // size and one second differ there, in all but one of 10⁹ cases.
            let seconds = i64::try_from(*modified).unwrap_or(i64::MAX);
            let mod_time = seconds.saturating_mul(NANOS).saturating_add_unsigned(mark % NANOS.unsigned_abs());
            let size_told = i64::try_from(*size).unwrap_or(i64::MAX);
            let stat = Stat { mode: go_mode(entry.mode), size: size_told, mod_time, ..stat };
            (stat, Some(Content::Piece { offset: *offset, size: *size }))
        }
    }
}

/// Permissions as Go has them: the three special bits stand elsewhere.
fn go_mode(mode: u32) -> u32 {
    let special = [(0o4000, 23), (0o2000, 22), (0o1000, 20)];
    special.iter().filter(|(bit, _)| mode & bit != 0).fold(mode & 0o777, |mode, (_, place)| mode | 1 << place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_length_have_dates_of_their_own() {
        let texts: Vec<String> = (0..10_000).map(|n| format!("RUN echo {n:05}")).collect();
        let dates = texts.iter().map(|text| Files::small(&[("Dockerfile", text)]).entries[0].0.mod_time);
        assert_eq!(dates.collect::<std::collections::BTreeSet<_>>().len(), texts.len());
    }

    #[test]
    fn permissions_are_gos() {
        assert_eq!(go_mode(0o755), 0o755);
        assert_eq!(go_mode(0o4755), 0o755 | 1 << 23);
        assert_eq!(go_mode(0o1777), 0o777 | 1 << 20);
    }
}
