//! Which bytes may stand where (RFC 9110, section 5.6; RFC 9112, section 3).

/// `tchar`: what names and methods are made of.
const TOKEN: u8 = 1;
/// What a request target may hold: visible ASCII but `#`, and UTF-8, which some clients do not encode.
const TARGET: u8 = 2;
/// `host [ ":" port ]` without user information.
const HOST: u8 = 4;

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut class = 0;
        if b.is_ascii_alphanumeric() {
            class |= TOKEN | HOST;
        }
        if matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        ) {
            class |= TOKEN;
        }
        if (b > b' ' && b != 0x7f) && b != b'#' {
            class |= TARGET;
        }
        if matches!(
            b,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'['
                | b']'
                | b'%'
        ) {
            class |= HOST;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

static CLASSES: [u8; 256] = classes();

fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|byte| CLASSES[*byte as usize] & class != 0)
}

/// Whether a byte may stand in a name.
pub(crate) fn token_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// Whether it is a token: a method, a field's name. The empty one is none.
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, TOKEN)
}

/// Whether a request target may hold all of it.
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    all(bytes, TARGET)
}

/// Whether it can be a `Host` (RFC 9110, section 7.2): a name or an address, IPv6 in brackets, and maybe a colon and a port,
/// which is digits alone; without user information; may be empty.
#[must_use]
pub fn is_host(bytes: &[u8]) -> bool {
    let port = match bytes {
        [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => &rest[end + 1..],
            None => return false,
        },
        _ => &bytes[bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len())..],
    };
    all(bytes, HOST) && matches!(port, [] | [b':', ..]) && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// Whether a field's value may hold all of it: no control byte but the tab. Written so that it needs no branch a byte.
#[must_use]
pub fn is_value(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |bad, byte| bad | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f))
}

/// Takes spaces and tabs off both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_where_they_may_be() {
        for byte in 0..=255_u8 {
            let one = [byte];
            let visible = (0x21..0x7f).contains(&byte);
            let separator = b"\"(),/:;<=>?@[\\]{}".contains(&byte);
            assert_eq!(is_token(&one), visible && !separator, "{byte:#x}");
            assert_eq!(is_value(&one), byte == 9 || byte == 32 || visible || byte > 0x7f, "{byte:#x}");
            assert_eq!(is_target(&one), (visible && byte != b'#') || byte > 0x7f, "{byte:#x}");
            assert!(!is_host(&one) || (visible && !b"@/?#\"\\<>".contains(&byte)), "{byte:#x}");
        }
        assert!(!is_token(b"") && is_host(b"") && is_value(b""));
        for host in ["x", "x:", "x:80", "1.2.3.4:8", "[::1]", "[::1]:80"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in
            ["x:y", "x:80:80", "x:8y", "x:evil.example", "::1", "[::1", "[::1]80", "[::1]:y", "[::1]]"]
        {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert_eq!(trim(b" \t a b\t "), b"a b");
    }
}
