//! From the instance's pipes to its log.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use landfall_model::{Limits, Stream};

use crate::lines::Lines;
use crate::log::Writer;
use crate::pipes::{CAPACITY, Pipe};
use crate::{Redactor, clock};

/// How much is read at a time, in bytes.
const BLOCK: usize = 64 * 1024;
/// How many blocks are read of one stream before it is somebody else's turn.
const TURN: usize = 4;
/// How long an unfinished line (a prompt, a row of dots) waits for its end before it is written as it is.
const UNFINISHED: Duration = Duration::from_millis(500);

/// Both streams of an instance and the log they go to.
#[derive(Debug)]
pub(crate) struct Output {
    streams: [Source; 2],
    log: Writer,
    redactor: Redactor,
    block: Vec<u8>,
}

#[derive(Debug)]
struct Source {
    stream: Stream,
    pipe: Pipe,
    lines: Lines,
    /// When it was last read from.
    read: Duration,
}

impl Output {
    /// Reads from both pipes and writes to the log in `folder`.
    pub(crate) fn new(folder: &std::path::Path, limits: &Limits, out: Pipe, err: Pipe) -> Self {
        let source = |stream, pipe| Source { stream, pipe, lines: Lines::default(), read: Duration::ZERO };
        Self {
            streams: [source(Stream::Out, out), source(Stream::Err, err)],
            log: Writer::open(folder, limits),
            redactor: Redactor::default(),
            block: vec![0; BLOCK],
        }
    }

    /// Blacks out other values from here on.
    pub(crate) fn set_redactor(&mut self, redactor: Redactor) {
        self.redactor = redactor;
    }

    /// Ends for an instance to print into: standard output and standard error.
    pub(crate) fn writers(&self) -> io::Result<[std::fs::File; 2]> {
        Ok([self.streams[0].pipe.writer()?, self.streams[1].pipe.writer()?])
    }

    /// What is to be polled for reading.
    pub(crate) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.streams[0].pipe.as_fd(), self.streams[1].pipe.as_fd()]
    }

    /// Reads some of what there is and writes it. Never waits but for the disk.
    pub(crate) fn read(&mut self, now: Duration) {
        self.read_blocks(TURN, now);
        for source in &mut self.streams {
            if source.deadline(&self.redactor).is_some_and(|at| now >= at) {
                source.flush(&self.redactor, &mut self.log);
            }
        }
        self.log.flush();
    }

    /// Reads all that a process that ended can have left, unfinished lines included, and writes it.
    pub(crate) fn drain(&mut self, now: Duration) {
        self.read_blocks(2 * CAPACITY / BLOCK, now);
        for source in &mut self.streams {
            source.flush(&self.redactor, &mut self.log);
        }
        self.log.flush();
    }

    /// Writes a line of the shim's own.
    pub(crate) fn note(&mut self, text: &str) {
        self.log.line(&clock::stamp(), Stream::Err, &self.redactor.redact(text));
        self.log.flush();
    }

    /// When [`read`](Self::read) is due though nothing was printed.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.streams.iter().filter_map(|source| source.deadline(&self.redactor)).min()
    }

    fn read_blocks(&mut self, blocks: usize, now: Duration) {
        for Source { stream, pipe, lines, read } in &mut self.streams {
            for _ in 0..blocks {
                let Ok(count) = pipe.read(&mut self.block) else { break };
                *read = now;
                let stamp = clock::stamp();
                lines.push(&self.block[..count], &self.redactor, &mut |line| {
                    self.log.line(&stamp, *stream, line);
                });
                if count < BLOCK {
                    break;
                }
            }
        }
    }
}

impl Source {
    /// When the unfinished line is written as it is; not while it may be the first half of a secret.
    fn deadline(&self, redactor: &Redactor) -> Option<Duration> {
        (self.lines.is_pending() && !self.lines.may_hide_a_value(redactor)).then_some(self.read + UNFINISHED)
    }

    fn flush(&mut self, redactor: &Redactor, log: &mut Writer) {
        self.lines.flush(redactor, &mut |line| log.line(&clock::stamp(), self.stream, line));
    }
}
