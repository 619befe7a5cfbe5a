//! The two ends of an exchange as the exchange sees them, whatever they speak: where a body comes from, where it goes.

use std::io;
use std::task::{Context, Poll};

use landfall_http1::Rule;

/// Why a body came to no end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It is malformed.
    Rule(Rule),
    /// It is larger than the route allows.
    TooLarge,
    /// The connection, or the stream, ended or failed.
    Ended,
}

impl From<Rule> for Broken {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}

/// What comes next of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes: [`Source::piece`].
    Data,
    /// Nothing more, but perhaps trailers: [`Source::trailers`].
    End,
}

/// Where a body comes from.
pub(crate) trait Source {
    /// Waits for the next piece. The same one comes again until it was consumed.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Broken>>;

    /// The piece that was found.
    fn piece(&self) -> &[u8];

    /// Its first bytes are done with.
    fn consume(&mut self, count: usize);

    /// Trailer lines in plain form, known at the end.
    fn trailers(&self) -> &[u8];
}

/// Where a body goes.
pub(crate) trait Sink {
    /// Takes bytes of the body; gives how many, perhaps 0 when others had to go first. Waits while too much is under
    /// way. Must be given the same bytes again, or more, until it took them.
    fn poll_put(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    /// The body is complete.
    ///
    /// # Errors
    /// When more was promised.
    fn end(&mut self, trailers: &[u8]) -> io::Result<()>;

    /// Sends on what was taken.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Takes the lines of a head, `name: value` each with its line end, in as many parts as is handy.
pub(crate) trait Lines {
    fn lines(&mut self, lines: &[u8]);
}

impl Lines for Vec<u8> {
    fn lines(&mut self, lines: &[u8]) {
        self.extend_from_slice(lines);
    }
}

/// The head of an answer, without its fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) status: u16,
    pub(crate) reason: &'a [u8],
    /// The length to tell: of the body, or of the one that `GET` would have brought.
    pub(crate) length: Option<u64>,
    /// Whether a body follows.
    pub(crate) body: bool,
    /// Whether the connection is to end after it, beside what the client itself wants.
    pub(crate) last: bool,
    /// The protocol that the connection changes to.
    pub(crate) upgrade: Option<&'a [u8]>,
}

/// A client that waits for an answer. Its body is that of the request; what it is given is the answer's.
pub(crate) trait Client: Source + Sink + Lines {
    /// Begins the answer; fields follow, then [`Client::opened`].
    fn open(&mut self, opening: &Opening<'_>);

    /// The fields are complete.
    ///
    /// # Errors
    /// When the client is gone, or the fields cannot be said in its protocol.
    fn opened(&mut self) -> io::Result<()>;

    /// Tells of an answer to come (1xx), with these fields. A client that does not know such answers gets none.
    fn interim(&mut self, status: u16, reason: &[u8], lines: &[u8]);

    /// Waits until the client has gone away. Only asked once the request's body is complete.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether what is left of the body may be read and dropped behind the answer, so that the connection stays.
    fn can_skip_body(&self) -> bool;

    /// Tells the client, if it waits for that, to send the body.
    fn go_on(&mut self);

    /// Makes bytes pass as they are from here on, both ways.
    fn tunnel(&mut self);

    /// Tells the client that nothing more comes, once everything is on its way.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
