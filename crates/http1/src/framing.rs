//! Where a body ends, as its head says (RFC 9112, section 6.3), with nothing left to interpretation.

use crate::byte::trim;
use crate::field::options;
use crate::{Field, Known, Rule};

/// How long a body is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// So many bytes; never 0, which is [`Framing::None`] for a request.
    Length(u64),
    /// In chunks, until the one of size 0.
    Chunked,
    /// Until the connection ends; responses only.
    Close,
}

/// What the framing fields of a head say.
pub(crate) struct Said {
    pub(crate) length: Option<u64>,
    pub(crate) chunked: bool,
}

/// Reads the framing fields.
///
/// # Errors
/// Each field at most once, the length a plain number, the coding `chunked` alone.
pub(crate) fn said(head: &[u8], fields: &[Field], old: bool) -> Result<Said, Rule> {
    let (mut length, mut coding) = (None, None);
    for field in fields {
        match field.known {
            Known::ContentLength => once(&mut length, number(field.value.of(head))?, Rule::SeveralLengths)?,
            Known::TransferEncoding => once(&mut coding, field.value.of(head), Rule::SeveralCodings)?,
            _ => {}
        }
    }
    if let Some(coding) = coding {
        if old {
            return Err(Rule::CodingInOldVersion);
        }
        check_coding(coding)?;
    }
    Ok(Said { length, chunked: coding.is_some() })
}

/// Keeps what a field says that may be there once.
fn once<T>(kept: &mut Option<T>, said: T, several: Rule) -> Result<(), Rule> {
    if kept.replace(said).is_some() { Err(several) } else { Ok(()) }
}

/// `1*DIGIT`, and nothing else.
fn number(value: &[u8]) -> Result<u64, Rule> {
    if value.is_empty() {
        return Err(Rule::Length);
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        if !byte.is_ascii_digit() {
            return Err(Rule::Length);
        }
        sum.checked_mul(10).and_then(|sum| sum.checked_add(u64::from(byte - b'0'))).ok_or(Rule::Length)
    })
}

fn check_coding(value: &[u8]) -> Result<(), Rule> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let chunked = |option: &[u8]| option.eq_ignore_ascii_case(b"chunked");
    let last = value.rsplit(|byte| *byte == b',').next().map_or(value, trim);
    let count = options(value).filter(|option| chunked(option)).count();
    // Another coding that is well formed is only not supported; anything else is meant to confuse.
    if chunked(last) && count == 1 && options(value).count() > 1 {
        Err(Rule::UnknownCoding)
    } else {
        Err(Rule::Coding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_plain_numbers() {
        assert_eq!((number(b"0"), number(b"007")), (Ok(0), Ok(7)));
        assert_eq!(number(b"18446744073709551615"), Ok(u64::MAX));
        for wrong in ["", "+5", "-5", "0x5", "5,5", "5 5", "5;", "18446744073709551616", "5\u{b}"] {
            assert_eq!(number(wrong.as_bytes()), Err(Rule::Length), "{wrong:?}");
        }
    }

    #[test]
    fn only_chunked_alone_is_undone() {
        assert_eq!((check_coding(b"chunked"), check_coding(b"Chunked")), (Ok(()), Ok(())));
        assert_eq!(check_coding(b"gzip, chunked"), Err(Rule::UnknownCoding));
        for wrong in
            ["", "xchunked", "chunked, identity", "chunked, chunked", "identity", "chunked,", ", chunked"]
        {
            assert_eq!(check_coding(wrong.as_bytes()), Err(Rule::Coding), "{wrong:?}");
        }
        assert_eq!(check_coding(b"\"chunked\""), Err(Rule::Coding));
        assert_eq!(check_coding(b"chunked;q=1"), Err(Rule::Coding));
    }
}
