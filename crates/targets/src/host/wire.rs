//! How a stream to an agent is opened: the seam behind which another machine looks like this one.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// Bytes both ways, in order.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A stream that is being opened.
pub type Opening<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send + 'a>>;

/// Opens streams to one host's agent.
pub trait Wire: Send + Sync {
    /// Opens one; fails with `NotFound` or `ConnectionRefused` when no agent runs there.
    fn open(&self) -> Opening<'_>;

    /// Where it leads, as people read it.
    fn place(&self) -> String;
}

/// The agent's socket on this machine.
#[derive(Debug, Clone)]
pub struct LocalSocket(pub PathBuf);

impl Wire for LocalSocket {
    fn open(&self) -> Opening<'_> {
        Box::pin(async {
            let stream = UnixStream::connect(&self.0).await?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn place(&self) -> String {
        self.0.display().to_string()
    }
}
