//! The PROXY protocol, versions 1 and 2 (`doc/proxy-protocol.txt` of HAProxy): who the client is, told by a proxy in front
//! before anything else is said. Only asked for where the route says so, and only from proxies that it trusts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{HEAD_TIMEOUT, MAX_PREAMBLE};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;

/// Reads what a proxy says at the start of a connection, and nothing behind it. Gives the client's address; nothing when
/// the proxy speaks for itself or does not know.
///
/// # Errors
/// When it says nothing in time, or something else: the connection must be closed then.
pub(crate) async fn read(socket: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    timeout(HEAD_TIMEOUT, read_patiently(socket))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn read_patiently(socket: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut start = [0; 12];
    socket.read_exact(&mut start).await?;
    if start == *SIGNATURE {
        let mut rest = [0; 4];
        socket.read_exact(&mut rest).await?;
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if length > MAX_PREAMBLE {
            return Err(wrong());
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        return binary(rest[0], rest[1], &body).ok_or_else(wrong);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() == MAX_LINE || !line.starts_with(b"PROXY ") {
            return Err(wrong());
        }
        let mut ahead = [0; MAX_LINE];
        let count = socket.peek(&mut ahead[..MAX_LINE - line.len()]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let upto = ahead[..count].iter().position(|byte| *byte == b'\n').map_or(count, |at| at + 1);
        socket.read_exact(&mut ahead[..upto]).await?;
        line.extend_from_slice(&ahead[..upto]);
    }
    text(&line).ok_or_else(wrong)
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY protocol from a proxy that should speak it")
}

/// A line of version 1. `None` when it is none.
fn text(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.split(' ');
    let (Some("PROXY"), Some(family)) = (words.next(), words.next()) else { return None };
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, target): (IpAddr, IpAddr) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (port, _): (u16, u16) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let fits = match family {
        "TCP4" => source.is_ipv4() && target.is_ipv4(),
        "TCP6" => source.is_ipv6() && target.is_ipv6(),
        _ => false,
    };
    (fits && words.next().is_none()).then(|| Some(SocketAddr::new(source, port)))
}

/// The header of version 2: command, family and protocol, and what follows the length. `None` when it is none.
fn binary(command: u8, family: u8, body: &[u8]) -> Option<Option<SocketAddr>> {
    match command {
        // A health check of the proxy itself.
        0x20 => return Some(None),
        0x21 => {}
        _ => return None,
    }
    match family {
        // TCP over IPv4: two addresses and two ports. What follows them may be anything.
        0x11 => {
            let source: [u8; 4] = body.get(..4)?.try_into().ok()?;
            let port: [u8; 2] = body.get(8..10)?.try_into().ok()?;
            body.get(10..12)?;
            Some(Some((Ipv4Addr::from(source), u16::from_be_bytes(port)).into()))
        }
        0x21 => {
            let source: [u8; 16] = body.get(..16)?.try_into().ok()?;
            let port: [u8; 2] = body.get(32..34)?.try_into().ok()?;
            body.get(34..36)?;
            Some(Some((Ipv6Addr::from(source), u16::from_be_bytes(port)).into()))
        }
        // Unspecified, datagrams, unix sockets: nothing that is an address of a client.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let at = |text: &str| Some(Some(text.parse().unwrap()));
        assert_eq!(text(b"PROXY TCP4 1.2.3.4 5.6.7.8 56324 443\r\n"), at("1.2.3.4:56324"));
        assert_eq!(text(b"PROXY TCP6 2001:db8::1 ::1 5 6\r\n"), at("[2001:db8::1]:5"));
        assert_eq!(text(b"PROXY UNKNOWN\r\n"), Some(None));
        assert_eq!(text(b"PROXY UNKNOWN ffff:f::1 ::1 1 2\r\n"), Some(None));
        for wrong in [
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "GET / HTTP/1.1\r\n",
        ] {
            assert_eq!(text(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn headers_are_read() {
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187, 0xaa];
        assert_eq!(binary(0x21, 0x11, &four), Some(Some("1.2.3.4:80".parse().unwrap())));
        assert_eq!(binary(0x21, 0x11, &four[..11]), None);
        assert_eq!((binary(0x20, 0x00, b""), binary(0x21, 0x31, b"path")), (Some(None), Some(None)));
        assert_eq!((binary(0x11, 0x11, &four), binary(0x22, 0x11, &four)), (None, None));
        let mut six = [0; 36];
        (six[15], six[33]) = (1, 80);
        assert_eq!(binary(0x21, 0x21, &six), Some(Some("[::1]:80".parse().unwrap())));
    }
}
