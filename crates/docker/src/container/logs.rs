//! What a container printed, line by line.

use std::collections::VecDeque;

use hyper::Method;
use landfall_model::{Fault, Stream, Timestamp};

use crate::engine::Engine;
use crate::frames::Frames;
use crate::raw::{self, Answer};
use crate::{fault, moment};

/// The longest line that is given; a longer one comes in pieces.
const MAX_LINE: usize = 16 * 1024;

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// None older than this.
    pub since: Option<Timestamp>,
    /// At most this many of the last ones; all for `None`.
    pub tail: Option<u32>,
    /// Whether to go on with new ones as they come, until the container ends.
    pub follow: bool,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the engine got it.
    pub at: Timestamp,
    /// Which stream; with a terminal there is only the one.
    pub stream: Stream,
    /// Without its end; what is no UTF-8 is replaced.
    pub text: String,
}

/// Lines as they come; dropping this ends it.
pub struct Logs {
    answer: Answer,
    container: String,
    frames: Frames,
    /// Of each stream, what came without a line's end.
    rest: [Vec<u8>; 2],
    ready: VecDeque<LogLine>,
    /// A line whose time is not understood is put to the one before it.
    last: Timestamp,
}

impl Engine {
    /// What a container printed.
    ///
    /// # Errors
    /// When it is not there, or its log cannot be read.
    pub async fn logs(&self, container: &str, options: &LogOptions) -> Result<Logs, Fault> {
        let doing = format!("reading the log of {container}");
        let there = self.container(container).await?;
        let there = there.ok_or_else(|| fault::said(&doing, 404, "there is no such container"))?;
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        let mut query = vec![
            ("stdout", flag(true)),
            ("stderr", flag(true)),
            ("timestamps", flag(true)),
            ("follow", flag(options.follow)),
            ("tail", options.tail.map_or_else(|| "all".to_owned(), |count| count.to_string())),
        ];
        if let Some(since) = options.since {
            query.push(("since", format!("{}.{:03}", since.millis() / 1000, since.millis() % 1000)));
        }
        let request =
            self.request(Method::GET, &format!("/containers/{container}/logs"), &query, raw::empty())?;
        let answer = self.dial.call(&doing, request).await?;
        Ok(Logs {
            answer,
            container: container.to_owned(),
            frames: Frames::new(there.tty),
            rest: [Vec::new(), Vec::new()],
            ready: VecDeque::new(),
            last: Timestamp::from_millis(0),
        })
    }
}

impl Logs {
    /// The next line; `None` at the end. Safe to cancel.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<LogLine>, Fault> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let chunk = self.answer.chunk().await;
            let chunk =
                chunk.map_err(|why| fault::broke(&format!("reading the log of {}", self.container), &why))?;
            let Some(chunk) = chunk else {
                let rests = [Stream::Out, Stream::Err]
                    .map(|stream| (stream, std::mem::take(&mut self.rest[stream as usize])));
                for (stream, rest) in rests.into_iter().filter(|(_, rest)| !rest.is_empty()) {
                    let line = read(stream, &rest, &mut self.last);
                    self.ready.push_back(line);
                }
                return Ok(self.ready.pop_front());
            };
            let Self { frames, rest, ready, last, .. } = self;
            frames.take(&chunk, |stream, piece| {
                let rest = &mut rest[stream as usize];
                for part in piece.split_inclusive(|byte| *byte == b'\n') {
                    rest.extend_from_slice(part);
                    if part.ends_with(b"\n") || rest.len() > MAX_LINE {
                        ready.push_back(read(stream, rest, last));
                        rest.clear();
                    }
                }
            });
        }
    }
}

/// `2026-11-21T07:55:01.123456789Z text` as a line.
fn read(stream: Stream, bytes: &[u8], last: &mut Timestamp) -> LogLine {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let (at, text) = match text.split_once(' ').map(|(time, text)| (moment::read(time), text)) {
        Some((Some(at), text)) => (at, text),
        // An empty line is a time alone.
        _ => moment::read(text).map_or((*last, text), |at| (at, "")),
    };
    *last = at;
    LogLine { at, stream, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_before_it() {
        let mut last = Timestamp::from_millis(0);
        let line = read(Stream::Out, b"2026-11-21T07:55:01.123456789Z a b\r\n", &mut last);
        assert_eq!((line.at.to_string().as_str(), &*line.text), ("2026-11-21T07:55:01.123Z", "a b"));
        assert_eq!(read(Stream::Out, b"2026-11-21T07:55:02Z", &mut last).text, "");
        let second = last;
        assert_eq!(read(Stream::Out, b"the rest of a long line\n", &mut last).at, second);
    }
}
