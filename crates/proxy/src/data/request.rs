//! A request as it came in: the bytes of its head, and where what lies in them.

use landfall_http1 as http1;

use super::buffer::Buffer;

/// A head with its bytes. Used again by request after request.
#[derive(Default)]
pub(crate) struct Incoming {
    pub(crate) bytes: Buffer,
    pub(crate) head: http1::Request,
}

impl Incoming {
    pub(crate) fn method(&self) -> &[u8] {
        self.head.method.of(self.bytes.filled())
    }

    /// The target in origin form, or `*`; lacks its first slash if [`http1::Request::slash`] says so.
    pub(crate) fn target(&self) -> &str {
        // The parser let nothing else pass.
        std::str::from_utf8(self.head.target.of(self.bytes.filled())).unwrap_or("/")
    }

    /// The target's path, and its query with the question mark.
    pub(crate) fn path_and_query(&self) -> (&str, &str) {
        let target = self.target();
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        if self.head.slash { ("/", query) } else { (path, query) }
    }

    /// Host and port as the client wrote them; nothing in a request of HTTP/1.0 without.
    pub(crate) fn host(&self) -> Option<&str> {
        std::str::from_utf8(self.head.host?.of(self.bytes.filled())).ok()
    }

    /// The first value of a field, by its name in lower case; nothing when it is no UTF-8.
    pub(crate) fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.fields(name).next()
    }

    /// All values of a field that are UTF-8.
    pub(crate) fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.raw(name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// All values of a field as they came.
    pub(crate) fn raw<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.head.values(self.bytes.filled(), name)
    }

    /// Whether it may be sent again when nobody knows if it arrived: nothing follows its head, and twice is as once
    /// (RFC 9110, section 9.2.2).
    pub(crate) fn repeatable(&self) -> bool {
        let idempotent =
            matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE");
        idempotent && self.head.body == http1::Framing::None && self.head.upgrade.is_none()
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }
}
