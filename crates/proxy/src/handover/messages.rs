//! What two proxies say to one another, and how descriptors travel between them (`SCM_RIGHTS` of `unix(7)`).

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::report::Report;
use crate::store::Kept;

/// The version of the offer.
pub(super) const FORMAT: u32 = 1;
/// The longest message, in bytes.
pub(super) const MAX_MESSAGE: u32 = 256 * 1024 * 1024;
/// Descriptors in one message; the kernel's limit is 253.
const BATCH: usize = 64;
/// The byte that carries descriptors.
const WITH_DESCRIPTORS: u8 = b'D';

/// What the new proxy needs to be the old one. With it come the descriptors of the lock, of the control socket and of the
/// listeners, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) format: u32,
    /// Where the old one takes calls from here on.
    pub(crate) private: PathBuf,
    /// The probe token, so that those who know it need not ask again.
    pub(crate) token: String,
    /// Each address with its number of sockets.
    pub(crate) listeners: Vec<(SocketAddr, usize)>,
    pub(crate) routes: Vec<Kept>,
    pub(crate) report: Report,
}

/// A step of the handover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Word {
    /// The new one has everything.
    Ready = b'R',
    /// The old one accepts no more.
    Go = b'G',
    /// The new one serves.
    Serving = b'S',
}

/// Says one.
///
/// # Errors
/// What the system says.
pub(super) fn say(mut stream: &UnixStream, word: Word) -> io::Result<()> {
    stream.write_all(&[word as u8])
}

/// Waits until the other side says it.
///
/// # Errors
/// That it says something else, nothing in time, or is gone.
pub(super) fn expect(mut stream: &UnixStream, word: Word) -> io::Result<()> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    if byte == [word as u8] { Ok(()) } else { Err(nonsense()) }
}

/// Sends a message: its length in four bytes, the highest first, and JSON.
///
/// # Errors
/// What the system says.
pub(super) fn send<T: Serialize>(mut stream: &UnixStream, message: &T) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(|_| nonsense())?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&text)
}

/// Receives a message.
///
/// # Errors
/// One that makes no sense, or what the system says.
pub(super) fn receive<T: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_MESSAGE {
        return Err(nonsense());
    }
    let mut text = Vec::new();
    stream.take(length.into()).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Sends the last report of a proxy that ends.
///
/// # Errors
/// What the system says.
pub(crate) fn send_report(stream: &UnixStream, report: &Report) -> io::Result<()> {
    send(stream, report)
}

/// Sends descriptors; the other side gets its own of the same sockets and files.
///
/// # Errors
/// What the system says.
pub(super) fn send_descriptors(stream: &UnixStream, descriptors: &[OwnedFd]) -> io::Result<()> {
    for batch in descriptors.chunks(BATCH) {
        let batch: Vec<BorrowedFd<'_>> = batch.iter().map(OwnedFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&batch)) {
            return Err(nonsense());
        }
        sendmsg(stream, &[IoSlice::new(&[WITH_DESCRIPTORS])], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Receives so many descriptors.
///
/// # Errors
/// That others come, or what the system says.
pub(super) fn receive_descriptors(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut received = Vec::new();
    while received.len() < count {
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let before = received.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                received.extend(descriptors);
            }
        }
        if byte != [WITH_DESCRIPTORS] || received.len() == before {
            return Err(nonsense());
        }
    }
    if received.len() == count { Ok(received) } else { Err(nonsense()) }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the other proxy says something that makes no sense")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_descriptors_arrive_and_are_the_same() {
        let (one, other) = UnixStream::pair().unwrap();
        let listeners: Vec<std::net::TcpListener> =
            (0..150).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let sent: Vec<OwnedFd> =
            listeners.iter().map(|listener| listener.try_clone().unwrap().into()).collect();
        send_descriptors(&one, &sent).unwrap();
        say(&one, Word::Ready).unwrap();
        let received = receive_descriptors(&other, 150).unwrap();
        for (listener, descriptor) in listeners.iter().zip(received) {
            let same = std::net::TcpListener::from(descriptor);
            assert_eq!(same.local_addr().unwrap(), listener.local_addr().unwrap());
        }
        expect(&other, Word::Ready).unwrap();
        say(&one, Word::Go).unwrap();
        assert!(expect(&other, Word::Serving).is_err());
        send_descriptors(&one, &sent[..2]).unwrap();
        assert!(receive_descriptors(&other, 1).is_err(), "more than was said");
    }

    #[test]
    fn messages_arrive_whole_or_not_at_all() {
        let (one, other) = UnixStream::pair().unwrap();
        send(&one, &vec!["a", "b"]).unwrap();
        assert_eq!(receive::<Vec<String>>(&other).unwrap(), ["a", "b"]);
        (&one).write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert!(receive::<Vec<String>>(&other).is_err());
        (&one).write_all(&[0, 0, 0, 9, b'[']).unwrap();
        drop(one);
        assert!(receive::<Vec<String>>(&other).is_err());
    }
}
