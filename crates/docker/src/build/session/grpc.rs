//! gRPC above HTTP/2 as far as a session needs it: messages with five bytes before them, and a status at the end
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use std::future::poll_fn;
use std::io;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;

/// The longest message that is taken.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Well.
    Ok = 0,
    /// What was asked for is not there.
    NotFound = 5,
    /// There is no such method.
    Unimplemented = 12,
    /// It could not be done.
    Internal = 13,
}

/// The messages that come.
pub(super) struct Incoming {
    stream: RecvStream,
    buffer: BytesMut,
}

impl Incoming {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next message; `None` when no more come.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no message, compressed, or too long.
    pub(super) async fn next<M: Message + Default>(&mut self) -> io::Result<Option<M>> {
        loop {
            if let Some(message) = whole(&mut self.buffer)? {
                return M::decode(message).map(Some).map_err(io::Error::other);
            }
            let Some(piece) = self.stream.data().await else { return Ok(None) };
            let piece = piece.map_err(io::Error::other)?;
            self.stream.flow_control().release_capacity(piece.len()).map_err(io::Error::other)?;
            self.buffer.extend_from_slice(&piece);
        }
    }
}

/// Cuts the first whole message off.
fn whole(buffer: &mut BytesMut) -> io::Result<Option<Bytes>> {
    let Some((prefix, rest)) = buffer.split_first_chunk::<PREFIX>() else { return Ok(None) };
    let [compressed, length @ ..] = *prefix;
    let length = u32::from_be_bytes(length) as usize;
    if compressed != 0 || length > MAX_MESSAGE {
        return Err(io::Error::other("a message is compressed or too long"));
    }
    if rest.len() < length {
        return Ok(None);
    }
    let mut message = buffer.split_to(PREFIX + length);
    Ok(Some(message.split_off(PREFIX).freeze()))
}

/// The messages that go.
pub(super) struct Outgoing(SendStream<Bytes>);

impl Outgoing {
    /// Begins the answer.
    ///
    /// # Errors
    /// When the connection broke.
    pub(super) fn begin(mut respond: SendResponse<Bytes>) -> io::Result<Self> {
        let mut head = Response::new(());
        head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        respond.send_response(head, false).map(Self).map_err(io::Error::other)
    }

    /// Sends a message as fast as the other side takes it.
    ///
    /// # Errors
    /// When the connection broke, or the other side gave up.
    pub(super) async fn send(&mut self, message: &impl Message) -> io::Result<()> {
        let length = message.encoded_len();
        let mut bytes = BytesMut::with_capacity(PREFIX + length);
        bytes.extend_from_slice(&[0]);
        bytes.extend_from_slice(&u32::try_from(length).map_err(io::Error::other)?.to_be_bytes());
        message.encode(&mut bytes).map_err(io::Error::other)?;
        let mut bytes = bytes.freeze();
        while !bytes.is_empty() {
            self.0.reserve_capacity(bytes.len());
            let room = poll_fn(|cx| self.0.poll_capacity(cx)).await;
            let room = room.ok_or(io::ErrorKind::BrokenPipe)?.map_err(io::Error::other)?;
            let piece = bytes.split_to(room.min(bytes.len()));
            self.0.send_data(piece, false).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// When the connection broke.
    pub(super) fn end(mut self, status: Status) -> io::Result<()> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(status as u16));
        self.0.send_trailers(trailers).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_where_they_end() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 0, 2, 7, 8, 0, 0][..]);
        assert_eq!(whole(&mut buffer).unwrap().as_deref(), Some(&[7, 8][..]));
        assert_eq!(whole(&mut buffer).unwrap(), None);
        assert!(whole(&mut BytesMut::from(&[1, 0, 0, 0, 0][..])).is_err());
        assert!(whole(&mut BytesMut::from(&[0, 255, 0, 0, 0][..])).is_err());
    }
}
