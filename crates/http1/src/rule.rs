//! The rules that a message can break, each with its name and the status that a request is refused with.

/// What is wrong with a message. The sections are of RFC 9112 unless another is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// A line ends in a line feed alone (section 2.2 lets it pass; two readers then disagree where the head ends).
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    /// A carriage return stands inside a line (section 2.2).
    #[error("a carriage return inside a line")]
    BareReturn,
    /// A control byte, a zero among them, stands in a field (RFC 9110, section 5.5).
    #[error("a control byte in a field")]
    ControlByte,
    /// A field goes on on the next line (section 5.2).
    #[error("a folded line")]
    FoldedLine,
    /// White space stands between a field's name and its colon (section 5.1).
    #[error("a space before a colon")]
    SpaceBeforeColon,
    /// A field's name is empty or holds what no name may (RFC 9110, section 5.1).
    #[error("a field's name is none")]
    FieldName,
    /// A line of the head has no colon.
    #[error("a field without a colon")]
    NoColon,
    /// The first line is not method, target and version with one space between (section 3); HTTP/0.9 is such.
    #[error("the request line is none")]
    RequestLine,
    /// The method is no token or too long (RFC 9110, section 9.1).
    #[error("the method is none")]
    Method,
    /// The target has none of the forms of section 3.2, or a byte that may not be in it.
    #[error("the target is none")]
    Target,
    /// The target is longer than the limit.
    #[error("the target is too long")]
    TargetTooLong,
    /// The version is not 1.0 or 1.1.
    #[error("the version is not spoken here")]
    Version,
    /// The head is larger than the limit.
    #[error("the head is too large")]
    HeadTooLarge,
    /// The head has more fields than the limit.
    #[error("too many fields")]
    TooManyFields,
    /// An HTTP/1.1 request without `Host` (section 3.2).
    #[error("no host")]
    NoHost,
    /// Two `Host` fields (section 3.2).
    #[error("several hosts")]
    SeveralHosts,
    /// A host that is none, or one with user information (RFC 9110, section 7.2).
    #[error("the host is none")]
    Host,
    /// `Content-Length` is not a plain decimal number that fits 64 bits: signs, lists, `0x`, nothing (section 6.2).
    #[error("the length is no number")]
    Length,
    /// Two `Content-Length` fields, whether they agree or not (section 6.3).
    #[error("several lengths")]
    SeveralLengths,
    /// `Content-Length` and `Transfer-Encoding` in one request (section 6.3).
    #[error("a length and a transfer coding")]
    LengthAndCoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message (section 6.1).
    #[error("a transfer coding in HTTP/1.0")]
    CodingInOldVersion,
    /// Two `Transfer-Encoding` fields.
    #[error("several transfer codings")]
    SeveralCodings,
    /// `Transfer-Encoding` does not end in exactly one `chunked`, so that nobody knows where the body ends.
    #[error("the transfer coding is not chunked")]
    Coding,
    /// A transfer coding beside `chunked` that is not undone here (section 6.1 asks for 501).
    #[error("a transfer coding that is not supported")]
    UnknownCoding,
    /// An expectation other than `100-continue` (RFC 9110, section 10.1.1).
    #[error("an expectation that cannot be met")]
    Expectation,
    /// A chunk's size is no hexadecimal number (section 7.1).
    #[error("a chunk's size is no number")]
    ChunkSize,
    /// A chunk's size does not fit 64 bits.
    #[error("a chunk is too large")]
    ChunkTooLarge,
    /// Chunk extensions are malformed, or more than the limit.
    #[error("chunk extensions that are malformed or too long")]
    ChunkExtension,
    /// A chunk does not end with a line end right behind its data.
    #[error("a chunk ends wrongly")]
    ChunkEnd,
    /// A trailer field that frames, routes or authorizes (RFC 9110, section 6.5.1).
    #[error("a trailer field that must be in the head")]
    TrailerField,
    /// The trailers are larger than the limit.
    #[error("the trailers are too large")]
    TrailersTooLarge,
    /// The first line of a response is none (section 4).
    #[error("the status line is none")]
    StatusLine,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 32] = [
        Self::BareLineFeed,
        Self::BareReturn,
        Self::ControlByte,
        Self::FoldedLine,
        Self::SpaceBeforeColon,
        Self::FieldName,
        Self::NoColon,
        Self::RequestLine,
        Self::Method,
        Self::Target,
        Self::TargetTooLong,
        Self::Version,
        Self::HeadTooLarge,
        Self::TooManyFields,
        Self::NoHost,
        Self::SeveralHosts,
        Self::Host,
        Self::Length,
        Self::SeveralLengths,
        Self::LengthAndCoding,
        Self::CodingInOldVersion,
        Self::SeveralCodings,
        Self::Coding,
        Self::UnknownCoding,
        Self::Expectation,
        Self::ChunkSize,
        Self::ChunkTooLarge,
        Self::ChunkExtension,
        Self::ChunkEnd,
        Self::TrailerField,
        Self::TrailersTooLarge,
        Self::StatusLine,
    ];

    /// The status that a request which breaks it is refused with; its connection is closed. (A response that breaks a
    /// rule is the back end's fault: 502.)
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => 431,
            Self::UnknownCoding => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}
