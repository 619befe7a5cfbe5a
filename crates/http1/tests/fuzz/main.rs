//! The bodies of the fuzzers as ordinary tests: real messages, changed at random from a fixed seed.

mod bodies;

/// Messages per test; seconds in a debug build.
const ROUNDS: usize = 60_000;

/// What changes are made of: what parsers disagree about.
const PIECES: [&[u8]; 30] = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b"\x0b",
    b":",
    b";",
    b",",
    b"0",
    b"5",
    b"f",
    b"+",
    b"0x",
    b"-",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: y\r\n",
    b"Connection: close, host\r\n",
    b"Expect: 100-continue\r\n",
    b"chunked",
    b", chunked",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"http://y",
    b"HTTP/1.0",
    b"\xff",
    b"\"",
];

/// `SplitMix64`: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }

    fn change(&mut self, message: &mut Vec<u8>) {
        let at = self.next(message.len() + 1);
        match self.next(5) {
            0 | 1 => drop(message.splice(at..at, PIECES[self.next(PIECES.len())].iter().copied())),
            2 => drop(message.splice(at..(at + self.next(8)).min(message.len()), [])),
            3 if at < message.len() => message[at] = self.next(256) as u8,
            _ => {
                let end = (at + self.next(20)).min(message.len());
                let copy = message[at..end].to_vec();
                drop(message.splice(at..at, copy));
            }
        }
    }
}

fn run(seed: u64, messages: &[&str], body: fn(&[u8])) {
    let mut numbers = Numbers(seed);
    for round in 0..ROUNDS {
        let mut message = messages[round % messages.len()].as_bytes().to_vec();
        for _ in 0..numbers.next(6) {
            numbers.change(&mut message);
        }
        if std::panic::catch_unwind(|| body(&message)).is_err() {
            panic!("round {round} of seed {seed}: {:?}", String::from_utf8_lossy(&message));
        }
    }
}

#[test]
fn requests_are_the_same_when_they_are_written_again() {
    let messages = [
        "GET /a?b HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n",
        "POST http://y/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTE: trailers\r\n\r\nhelloGET",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nGET",
        "OPTIONS * HTTP/1.0\r\nConnection: keep-alive, x\r\nX: y\r\n\r\n",
    ];
    run(1, &messages, bodies::request);
}

#[test]
fn answers_are_the_same_when_they_are_written_again() {
    let messages = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.0 404 Not Found\r\nX: y\r\n\r\nuntil the end",
    ];
    run(2, &messages, bodies::response);
}

#[test]
fn chunks_are_the_same_however_they_are_cut() {
    run(3, &["5\r\nhello\r\na;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\nmore", "0\r\n\r\n"], bodies::chunked);
}
