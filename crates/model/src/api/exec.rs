//! Frames of `exec`: a byte for the kind, four bytes of length (big endian), the payload. The client's first frame is
//! `Request`; the host's last one is `Exit` or `Fault`.

/// The largest payload in bytes; a longer one ends the connection.
pub const MAX_PAYLOAD: u32 = 64 * 1024;

/// The bytes before a payload.
pub const HEADER: usize = 5;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Client: an `ExecRequest` as JSON.
    Request = 0,
    /// Client: bytes for standard input; empty: it is closed.
    Stdin = 1,
    /// Client: the terminal's new rows and columns, two big-endian `u16`.
    Resize = 2,
    /// Host: bytes of standard output (of the terminal, when there is one).
    Stdout = 3,
    /// Host: bytes of standard error.
    Stderr = 4,
    /// Host: the command's exit code as a big-endian `i32`; 128 and the signal's number when one ended it.
    Exit = 5,
    /// Host: a `Fault` as JSON.
    Fault = 6,
}

impl Kind {
    /// The kind a byte stands for.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Request, Self::Stdin, Self::Resize, Self::Stdout, Self::Stderr, Self::Exit, Self::Fault]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// A frame's header.
///
/// # Panics
/// When `length` is over `MAX_PAYLOAD`: callers cut their payloads.
#[must_use]
pub fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let length =
        u32::try_from(length).ok().filter(|l| *l <= MAX_PAYLOAD).expect("payloads are cut to MAX_PAYLOAD");
    let [a, b, c, d] = length.to_be_bytes();
    [kind as u8, a, b, c, d]
}

/// Kind and length of the payload behind a header; `None` for one that no side may send.
#[must_use]
pub fn parse_header(header: [u8; HEADER]) -> Option<(Kind, usize)> {
    let [kind, a, b, c, d] = header;
    let length = u32::from_be_bytes([a, b, c, d]);
    Kind::from_byte(kind).filter(|_| length <= MAX_PAYLOAD).map(|kind| (kind, length as usize))
}
