//! One line of the access log, as JSON; made by hand, for it is made for every request.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use landfall_model::Timestamp;

use super::Record;

/// The longest a field that a client chose is shown, in bytes.
const MAX_FIELD: usize = 4096;

/// The text of the current second, so that the calendar is asked once a second only.
#[derive(Debug, Default)]
pub(super) struct Moment {
    second: u64,
    text: String,
}

impl Moment {
    /// The moment as RFC 3339 with milliseconds.
    pub(super) fn show(&mut self, now: Timestamp) -> &str {
        let (second, millis) = (now.millis() / 1000, now.millis() % 1000);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = Timestamp::from_millis(second * 1000).to_string();
        }
        // `.000Z` is at the end of every one of them.
        self.text.truncate(self.text.len() - "000Z".len());
        self.text.extend(three(millis).map(char::from));
        self.text.push('Z');
        &self.text
    }
}

/// Appends the line of a record.
pub(super) fn append(out: &mut Vec<u8>, moment: &str, record: &Record<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(moment.as_bytes());
    out.push(b'"');
    text(out, "id", record.id);
    out.extend_from_slice(b",\"client\":\"");
    address(out, record.client);
    out.push(b'"');
    text(out, "method", record.method.as_bytes());
    text(out, "host", record.host);
    text(out, "path", record.target.as_bytes());
    for (name, count) in
        [("status", record.status.into()), ("received", record.received), ("sent", record.sent)]
    {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        number(out, count);
    }
    out.extend_from_slice(b",\"ms\":");
    millis(out, record.took);
    out.extend_from_slice(b",\"held_ms\":");
    millis(out, record.held);
    if let Some((route, pool)) = record.route {
        text(out, "route", route.as_bytes());
        text(out, "pool", pool.as_bytes());
    }
    if let Some(backend) = record.backend {
        out.extend_from_slice(b",\"backend\":\"");
        socket(out, backend);
        out.push(b'"');
    }
    text(out, "protocol", record.protocol.as_bytes());
    if let Some(tls) = record.tls {
        text(out, "tls", tls.as_bytes());
    }
    if let Some(agent) = record.agent {
        text(out, "agent", agent);
    }
    if let Some(referer) = record.referer {
        text(out, "referer", referer);
    }
    out.extend_from_slice(b"}\n");
}

/// Milliseconds with three digits after the point.
fn millis(out: &mut Vec<u8>, time: std::time::Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    number(out, micros / 1000);
    out.push(b'.');
    out.extend_from_slice(&three(micros % 1000));
}

/// A number below 1000 with three digits.
fn three(number: u64) -> [u8; 3] {
    [number / 100, number / 10, number].map(|digits| b"0123456789"[(digits % 10) as usize])
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                number(out, octet.into());
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

fn socket(out: &mut Vec<u8>, socket: SocketAddr) {
    match socket {
        SocketAddr::V4(socket) => {
            address(out, IpAddr::V4(*socket.ip()));
            out.push(b':');
            number(out, socket.port().into());
        }
        SocketAddr::V6(socket) => drop(write!(out, "{socket}")),
    }
}

/// `,"name":"value"`. What is no UTF-8 is shown as U+FFFD, so that each line is JSON (RFC 8259, section 7).
fn text(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    let value = &value[..value.len().min(MAX_FIELD)];
    if value.iter().all(|byte| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\') {
        out.extend_from_slice(value);
    } else {
        escaped(out, value);
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, value: &[u8]) {
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whatever_a_client_sends_it_is_one_line_of_json() {
        let record = Record {
            id: b"7f",
            client: [10, 0, 0, 9].into(),
            method: "GET",
            host: b"a\"b\\c.example",
            target: "/x?y=\u{1F600}\u{7}\n",
            status: 502,
            received: 1,
            sent: 2,
            took: Duration::from_micros(1_234_567),
            held: Duration::from_micros(5),
            route: Some(("app/dev/web", "1.0.0")),
            backend: Some(([127, 0, 0, 1], 9000).into()),
            protocol: "HTTP/1.1",
            tls: None,
            agent: Some(b"\xff\xfe curl"),
            referer: None,
        };
        let mut line = Vec::new();
        let mut moment = Moment::default();
        append(&mut line, moment.show(Timestamp::from_millis(1_700_000_000_007)), &record);
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let want = serde_json::json!({
            "time": "2023-11-14T22:13:20.007Z", "id": "7f", "client": "10.0.0.9", "method": "GET",
            "host": "a\"b\\c.example", "path": "/x?y=\u{1F600}\u{7}\n", "status": 502, "received": 1, "sent": 2,
            "ms": 1234.567, "held_ms": 0.005, "route": "app/dev/web", "pool": "1.0.0",
            "backend": "127.0.0.1:9000", "protocol": "HTTP/1.1", "agent": "\u{FFFD}\u{FFFD} curl",
        });
        assert_eq!(object, want);
        assert_eq!(moment.show(Timestamp::from_millis(1_700_000_000_998)), "2023-11-14T22:13:20.998Z");
        assert_eq!(moment.show(Timestamp::from_millis(1_700_000_001_000)), "2023-11-14T22:13:21.000Z");
        let six = Record {
            client: "fd00::9".parse().unwrap(),
            backend: Some("[::1]:80".parse().unwrap()),
            ..record
        };
        let mut line = Vec::new();
        append(&mut line, "", &six);
        let object: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&object["client"], &object["backend"]), (&"fd00::9".into(), &"[::1]:80".into()));
        let record = six;
        let long = Record { target: &"x".repeat(10_000), ..record };
        let mut line = Vec::new();
        append(&mut line, "", &long);
        assert!(line.len() < 5000);
    }
}
