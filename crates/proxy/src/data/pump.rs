//! Moves one body from where it comes to where it goes, as fast as both sides let it, and no faster.

use std::task::{Context, Poll};

use super::side::{Broken, Piece, Sink, Source};

/// Which side made it stop.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Where the body comes from.
    Source(Broken),
    /// Where it goes.
    Sink,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// More of the body.
    Source,
    /// Room for it.
    Sink,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Moving,
    /// All was handed over, not all is on its way.
    Flushing,
    Done,
    /// Given up.
    Stopped,
}

/// The way of one body.
#[derive(Debug)]
pub(crate) struct Pump {
    state: State,
    waits: Waits,
    /// Bytes that may still come, where that is limited.
    room: u64,
    /// Bytes that went on.
    moved: u64,
}

impl Pump {
    /// For a body of at most `most` bytes.
    pub(crate) fn new(most: Option<u64>) -> Self {
        Self { state: State::Moving, waits: Waits::Source, room: most.unwrap_or(u64::MAX), moved: 0 }
    }

    /// Whether there is something to be done.
    pub(crate) fn active(&self) -> bool {
        matches!(self.state, State::Moving | State::Flushing)
    }

    /// Whether the body arrived whole.
    pub(crate) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether all of the body came in, though not all of it may be on its way.
    pub(crate) fn complete(&self) -> bool {
        matches!(self.state, State::Flushing | State::Done)
    }

    /// Gives it up.
    pub(crate) fn stop(&mut self) {
        self.state = State::Stopped;
    }

    /// What it waited for last.
    pub(crate) fn waits(&self) -> Waits {
        self.waits
    }

    /// Bytes that went on so far.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Moves what can be moved. Ready when all of the body is on its way.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), Failure>> {
        while self.state == State::Moving {
            self.waits = Waits::Source;
            match source.poll_piece(cx) {
                Poll::Ready(Ok(Piece::Data)) => {
                    let piece = source.piece();
                    if piece.len() as u64 > self.room {
                        return Poll::Ready(Err(Failure::Source(Broken::TooLarge)));
                    }
                    self.waits = Waits::Sink;
                    match sink.poll_put(cx, piece) {
                        Poll::Ready(Ok(count)) => {
                            source.consume(count);
                            self.room -= count as u64;
                            self.moved += count as u64;
                        }
                        Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::Sink)),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Poll::Ready(Ok(Piece::End)) => {
                    sink.end(source.trailers()).map_err(|_| Failure::Sink)?;
                    self.state = State::Flushing;
                }
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(Failure::Source(broken))),
                Poll::Pending => {
                    // What is there goes on at once: an event must not wait for the next one.
                    return match sink.poll_flush(cx) {
                        Poll::Ready(Err(_)) => Poll::Ready(Err(Failure::Sink)),
                        Poll::Ready(Ok(())) => Poll::Pending,
                        Poll::Pending => {
                            self.waits = Waits::Sink;
                            Poll::Pending
                        }
                    };
                }
            }
        }
        if self.state == State::Flushing {
            self.waits = Waits::Sink;
            match sink.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.state = State::Done,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::Sink)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}
