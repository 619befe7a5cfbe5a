//! What must hold for any bytes: run by the fuzzers in `fuzz/`, and with a seed by ordinary tests.

use landfall_http1::{Decoder, Encoder, Framing, Limits, Next, Request, Response, Rule, Scan, decimal};

const LIMITS: Limits = Limits { head: 16 * 1024, target: 4096, fields: 64 };

/// Finds a head, and checks that it is found in the same place however it is cut.
fn head(data: &[u8]) -> Option<&[u8]> {
    let whole = Scan::default().end(data, &LIMITS);
    let mut scan = Scan::default();
    let size = usize::from(data.first().copied().unwrap_or(0)) % 7 + 1;
    let mut cut = Ok(None);
    for upto in (size..data.len()).step_by(size).chain([data.len()]) {
        cut = scan.end(&data[..upto], &LIMITS);
        if cut != Ok(None) {
            break;
        }
    }
    if let (Ok(whole), Ok(cut)) = (whole, cut) {
        assert_eq!(whole, cut, "the head ends elsewhere when it is cut");
    }
    whole.ok().flatten().map(|length| &data[..length])
}

/// A request that is accepted, written again in plain form, is the same request.
pub(crate) fn request(data: &[u8]) {
    let Some(head) = head(data) else { return };
    let mut request = Request::default();
    if request.read(head, &LIMITS).is_err() {
        return;
    }
    let mut again = Vec::new();
    again.extend_from_slice(request.method.of(head));
    again.extend_from_slice(if request.slash { b" /" } else { b" " });
    again.extend_from_slice(request.target.of(head));
    again.extend_from_slice(if request.old { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
    for field in &request.fields {
        let is_host = field.name.of(head).eq_ignore_ascii_case(b"host");
        let value =
            if is_host { request.host.map_or(&b""[..], |host| host.of(head)) } else { field.value.of(head) };
        line(field.name.of(head), value, &mut again);
    }
    again.extend_from_slice(b"\r\n");
    let limits = Limits { head: again.len(), target: LIMITS.target + 1, fields: LIMITS.fields };
    assert_eq!(Scan::default().end(&again, &limits), Ok(Some(again.len())), "a line was smuggled in");
    let mut second = Request::default();
    second.read(&again, &limits).expect("what was accepted is accepted again");
    assert_eq!(request.method.of(head), second.method.of(&again));
    assert_eq!((request.body, request.old, request.connection), (second.body, second.old, second.connection));
    assert_eq!((request.continues, request.trailers), (second.continues, second.trailers));
    assert_eq!(request.fields.len(), second.fields.len());
    for (one, other) in request.fields.iter().zip(&second.fields) {
        assert_eq!((one.known, one.name.of(head)), (other.known, other.name.of(&again)));
    }
    assert!(!second.slash && second.target.of(&again).starts_with(if request.slash { b"/" } else { b"" }));
    body(request.body, &data[head.len()..]);
}

/// The same of an answer.
pub(crate) fn response(data: &[u8]) {
    let Some(head) = head(data) else { return };
    let mut response = Response::default();
    if response.read(head, false, &LIMITS).is_err() {
        return;
    }
    let mut again = Vec::new();
    again.extend_from_slice(if response.old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    decimal(u64::from(response.status), &mut again);
    again.push(b' ');
    again.extend_from_slice(response.reason.of(head));
    again.extend_from_slice(b"\r\n");
    response.fields.iter().for_each(|field| line(field.name.of(head), field.value.of(head), &mut again));
    again.extend_from_slice(b"\r\n");
    let limits = Limits { head: again.len(), ..LIMITS };
    assert_eq!(Scan::default().end(&again, &limits), Ok(Some(again.len())), "a line was smuggled in");
    let mut second = Response::default();
    second.read(&again, false, &limits).expect("what was accepted is accepted again");
    assert_eq!(
        (response.status, response.body, response.keeps_alive()),
        (second.status, second.body, second.keeps_alive())
    );
    body(response.body, &data[head.len()..]);
}

/// A chunked body, alone.
pub(crate) fn chunked(data: &[u8]) {
    body(Framing::Chunked, data);
}

fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// A body is the same however it is cut, and the same again once it was framed anew.
fn body(framing: Framing, data: &[u8]) {
    let whole = decode(framing, data, data.len().max(1));
    let cut = decode(framing, data, 1);
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut, "another body when it is cut"),
        (Err(_), Err(_)) => {}
        _ => panic!("{whole:?}, but {cut:?} when it is cut"),
    }
    let Ok((bytes, true, _)) = whole else { return };
    let mut again = Vec::new();
    let mut encoder = Encoder::new(framing);
    for piece in bytes.chunks(1000) {
        let count = encoder.begin(piece.len(), &mut again);
        assert_eq!(count, piece.len(), "a whole body has room for itself");
        again.extend_from_slice(piece);
        encoder.sent(count, &mut again);
    }
    assert!(encoder.end(b"", &mut again), "a whole body is whole");
    let length = again.len();
    again.extend_from_slice(b"GET /smuggled HTTP/1.1\r\n\r\n");
    assert_eq!(decode(framing, &again, again.len()), Ok((bytes, true, length)), "it became another body");
}

/// The body, whether it is complete, and where it ends.
fn decode(framing: Framing, data: &[u8], size: usize) -> Result<(Vec<u8>, bool, usize), Rule> {
    let mut decoder = Decoder::new(framing);
    let (mut bytes, mut at, mut have) = (Vec::new(), 0, 0);
    loop {
        match decoder.next(&data[at..have])? {
            Next::Data { skip, data: count } => {
                at += skip;
                bytes.extend_from_slice(&data[at..at + count]);
                decoder.took(count);
                at += count;
            }
            Next::More { skip } => {
                at += skip;
                if have == data.len() {
                    return Ok((bytes, false, 0));
                }
                have = (have + size).min(data.len());
            }
            Next::End { skip, .. } => return Ok((bytes, true, at + skip)),
        }
    }
}
