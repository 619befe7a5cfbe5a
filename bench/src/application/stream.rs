//! What stays open: a websocket that echoes and a feed of events.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::websocket::{Frame, Opcode, accept};

use super::http::{self, Head};

/// Between two events.
const EVERY: Duration = Duration::from_millis(100);

/// Changes to a websocket, greets with the release and echoes what comes, until the client closes.
pub(super) fn socket(connection: &mut TcpStream, head: &Head, release: &str) -> io::Result<()> {
    let Some(key) = head.field("sec-websocket-key") else {
        return http::answer(connection, 400, "no websocket key", head);
    };
    let accept = accept(key);
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n";
    connection.write_all(format!("{head}sec-websocket-accept: {accept}\r\n\r\n").as_bytes())?;
    connection.write_all(&Frame::text(release).bytes(None))?;
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let got = connection.read(&mut piece)?;
        received.extend_from_slice(&piece[..got]);
        while let Some(frame) = Frame::take(&mut received).map_err(io::Error::other)? {
            connection.write_all(&frame.bytes(None))?;
            if frame.opcode == Opcode::Close {
                return Ok(());
            }
        }
        if got == 0 {
            return Ok(());
        }
    }
}

/// Sends the release and then a number ten times a second, until the client goes away.
pub(super) fn events(connection: &mut TcpStream, release: &str, clock: &SystemClock) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n\
                transfer-encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes())?;
    let mut send = |data: &str| {
        let event = format!("data: {data}\n\n");
        connection.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
    };
    send(release)?;
    let mut number = 0_u64;
    loop {
        number += 1;
        clock.sleep(EVERY);
        send(&number.to_string())?;
    }
}
