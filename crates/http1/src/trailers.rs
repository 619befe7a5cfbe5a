//! Trailer fields (RFC 9110, section 6.5): what frames, routes, authorizes or changes a message may not come late.

use memchr::memchr;

use crate::{Field, Known, Rule, field};

/// Bytes of all trailers of one body.
pub const MAX_TRAILERS: usize = 8 * 1024;
/// Trailer fields of one body.
const MAX_FIELDS: usize = 32;

/// Names that mean something before the body or not at all, beside those of [`Known`] (RFC 9110, section 6.5.1).
const FORBIDDEN: [&[u8]; 16] = [
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"date",
    b"forwarded",
    b"host",
    b"if-match",
    b"if-none-match",
    b"location",
    b"max-forwards",
    b"range",
    b"set-cookie",
    b"vary",
    b"www-authenticate",
];

/// Where trailers that start `input` end, behind their empty line; `None` while that has not come.
pub(crate) fn end(input: &[u8]) -> Result<Option<usize>, Rule> {
    let mut line = 0;
    while let Some(found) = memchr(b'\n', &input[line..]) {
        let end = line + found;
        if end == line || input[end - 1] != b'\r' {
            return Err(Rule::BareLineFeed);
        }
        if end == line + 1 {
            return if end < MAX_TRAILERS { Ok(Some(end + 1)) } else { Err(Rule::TrailersTooLarge) };
        }
        line = end + 1;
    }
    Ok(None)
}

/// Checks the lines of trailers, the empty one at their end included, and adds them in their plain form, without the empty
/// one, to `out`.
///
/// # Errors
/// What is wrong with the first wrong line; a field that may not come late.
pub fn trailers(lines: &[u8], out: &mut Vec<u8>) -> Result<(), Rule> {
    let mut fields: Vec<Field> = Vec::new();
    if lines.len() > MAX_TRAILERS {
        return Err(Rule::TrailersTooLarge);
    }
    field::read(lines, 0, MAX_FIELDS, &mut fields)?;
    for field in &fields {
        let name = field.name.of(lines);
        if field.known != Known::Other || FORBIDDEN.iter().any(|wrong| name.eq_ignore_ascii_case(wrong)) {
            return Err(Rule::TrailerField);
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value.of(lines));
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<String, Rule> {
        let mut out = Vec::new();
        trailers(lines.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn trailers_pass_in_plain_form() {
        assert_eq!(read("\r\n"), Ok(String::new()));
        assert_eq!(
            read("x-sum:1 \r\nGrpc-Status:  0\r\n\r\n"),
            Ok("x-sum: 1\r\nGrpc-Status: 0\r\n".to_owned())
        );
    }

    #[test]
    fn what_belongs_into_the_head_is_refused() {
        for name in
            ["Content-Length", "transfer-encoding", "Host", "Cookie", "Set-Cookie", "Connection", "TE"]
        {
            assert_eq!(read(&format!("a: b\r\n{name}: 1\r\n\r\n")), Err(Rule::TrailerField), "{name}");
        }
        assert_eq!(read("a : b\r\n\r\n"), Err(Rule::SpaceBeforeColon));
        assert_eq!(read(&format!("{}\r\n", "a: b\r\n".repeat(40))), Err(Rule::TooManyFields));
        assert_eq!(end(b"a: b\r\n"), Ok(None));
        assert_eq!(end(b"a: b\r\n\r\nx"), Ok(Some(8)));
        assert_eq!(end(b"a: b\n\r\n"), Err(Rule::BareLineFeed));
    }
}
