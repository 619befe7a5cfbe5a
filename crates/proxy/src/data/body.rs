//! The body of a response: whatever it comes from, it carries what must last until its end.

use std::cell::Cell;
use std::error::Error as StdError;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::connection::{Client, Phase};
use super::serve::Flight;
use super::upstream::Lease;
use crate::files::FileBody;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Where the bytes come from.
enum Source {
    /// Bytes that are there; `None` once they are gone.
    Full(Option<Bytes>),
    /// A backend's answer, and the connection it comes on.
    Backend { body: Incoming, lease: Option<Lease> },
    /// A file.
    File(FileBody),
}

/// A response's body; when it ends or is given up, its request is no longer under way.
pub(crate) struct ProxyBody {
    source: Source,
    flight: Option<Flight>,
    client: Rc<Client>,
}

impl ProxyBody {
    pub(crate) fn full(bytes: Bytes, flight: Option<Flight>, client: Rc<Client>) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self { source: Source::Full(bytes), flight, client }
    }

    pub(crate) fn backend(body: Incoming, lease: Lease, flight: Flight, client: Rc<Client>) -> Self {
        Self { source: Source::Backend { body, lease: Some(lease) }, flight: Some(flight), client }
    }

    pub(crate) fn file(file: FileBody, flight: Flight, client: Rc<Client>) -> Self {
        Self { source: Source::File(file), flight: Some(flight), client }
    }
}

impl ProxyBody {
    /// The request that it answers, while it is under way in a pool.
    pub(crate) fn flight(&self) -> Option<&Flight> {
        self.flight.as_ref()
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Full(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Backend { body, .. } => {
                ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(BoxError::from))
            }
            Source::File(file) => ready!(file.poll_frame(cx)).map(|frame| frame.map_err(BoxError::from)),
        };
        if let Some(Err(_)) = &frame {
            // The client's connection is cut, so that it does not take a part for the whole.
            if let Source::Backend { lease, .. } = &mut this.source {
                *lease = None;
            }
            if let Some(flight) = this.flight.take() {
                flight.count(|shard| shard.broke_off(StatusCode::OK));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_none(),
            Source::Backend { body, .. } => body.is_end_stream(),
            Source::File(file) => file.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Backend { body, .. } => body.size_hint(),
            Source::File(file) => SizeHint::with_exact(file.left()),
        }
    }
}

impl Drop for ProxyBody {
    fn drop(&mut self) {
        self.client.progress.set(Phase::Flushing);
        if let Source::Backend { body, lease } = &mut self.source
            && let (Some(lease), Some(flight)) = (lease.take(), &self.flight)
            && body.is_end_stream()
        {
            lease.give_back(flight);
        }
    }
}

/// The body of a request on its way to a backend.
pub(crate) struct RequestBody {
    inner: Option<Incoming>,
    /// Set whenever a piece of it goes on.
    moved: Option<Rc<Cell<bool>>>,
}

impl RequestBody {
    /// A body that is not there costs nothing.
    pub(crate) fn new(body: Incoming) -> Self {
        if body.is_end_stream() {
            return Self::none();
        }
        Self { inner: Some(body), moved: Some(Rc::default()) }
    }

    pub(crate) fn none() -> Self {
        Self { inner: None, moved: None }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.inner.is_none()
    }

    /// Tells whether a piece of it went on since it was last asked; `None` without a body.
    pub(crate) fn moving(&self) -> Option<Rc<Cell<bool>>> {
        self.moved.clone()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if let Some(moved) = &self.moved {
            moved.set(true);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
