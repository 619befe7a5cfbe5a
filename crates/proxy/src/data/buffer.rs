//! Buffers of one worker: taken when bytes move, given back when none are kept, so that an idle connection has none.

use std::cell::RefCell;

/// The sizes that there are, in bytes: a head, a page, a stream. The last is the most that one read can bring.
const SIZES: [usize; 4] = [4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024];
/// How many of each size are kept for later: together under 4 MiB for a worker.
const KEPT: [usize; 4] = [256, 32, 8, 4];
/// Output buffers that grew over this many bytes are not kept.
const MAX_KEPT_OUTPUT: usize = 64 * 1024;

/// Memory that is not in use.
#[derive(Default)]
pub(crate) struct Pool {
    input: [RefCell<Vec<Vec<u8>>>; 4],
    output: RefCell<Vec<Vec<u8>>>,
}

impl Pool {
    /// An empty buffer of the size number `class`.
    pub(crate) fn take(&self, class: u8) -> Buffer {
        let class = usize::from(class).min(SIZES.len() - 1);
        let bytes = self.input[class].borrow_mut().pop();
        Buffer { bytes: bytes.unwrap_or_else(|| vec![0; SIZES[class]]), start: 0, end: 0 }
    }

    /// Takes a buffer's memory back, and what was in it away.
    pub(crate) fn give(&self, buffer: &mut Buffer) {
        let bytes = std::mem::take(buffer).bytes;
        if let Some(class) = SIZES.iter().position(|size| *size == bytes.len()) {
            let mut kept = self.input[class].borrow_mut();
            if kept.len() < KEPT[class] {
                kept.push(bytes);
            }
        }
    }

    /// Gives a full buffer's bytes a larger one; false when there is none.
    pub(crate) fn grow(&self, buffer: &mut Buffer) -> bool {
        let Some(class) = SIZES.iter().position(|size| *size > buffer.bytes.len()) else {
            return false;
        };
        #[expect(clippy::cast_possible_truncation, reason = "there are four sizes")]
        let mut larger = self.take(class as u8);
        larger.append(buffer.filled());
        std::mem::swap(&mut larger, buffer);
        self.give(&mut larger);
        true
    }

    /// Empty memory to put an answer or a request into.
    pub(crate) fn take_output(&self) -> Vec<u8> {
        self.output.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(SIZES[0]))
    }

    /// Takes it back.
    pub(crate) fn give_output(&self, output: &mut Vec<u8>) {
        let mut bytes = std::mem::take(output);
        let mut kept = self.output.borrow_mut();
        if bytes.capacity() > 0 && bytes.capacity() <= MAX_KEPT_OUTPUT && kept.len() < KEPT[0] {
            bytes.clear();
            kept.push(bytes);
        }
    }
}

/// Bytes that were read and not used yet. The memory is always initialised; without memory it is empty.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// What is in it.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether it has memory.
    pub(crate) fn is_allocated(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Whether nothing more fits in.
    pub(crate) fn is_full(&self) -> bool {
        self.end - self.start == self.bytes.len()
    }

    /// The first `count` bytes were used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end, "more was used than was there");
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room to read into; what is there moves to the front if there is no room behind it.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes of the room were filled.
    pub(crate) fn fill(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.bytes.len(), "more was read than there was room");
    }

    /// Makes these bytes what is in it.
    pub(crate) fn replace(&mut self, bytes: Vec<u8>) {
        (self.start, self.end) = (0, bytes.len());
        self.bytes = bytes;
    }

    /// Adds bytes that fit in.
    pub(crate) fn append(&mut self, more: &[u8]) {
        self.spare()[..more.len()].copy_from_slice(more);
        self.fill(more.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_moving_and_growing() {
        let pool = Pool::default();
        let mut buffer = pool.take(0);
        let size = buffer.spare().len();
        let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        buffer.append(&bytes);
        assert!(buffer.is_full() && buffer.filled() == bytes);
        buffer.consume(1000);
        buffer.append(&bytes[..10]);
        assert_eq!(buffer.filled(), [&bytes[1000..], &bytes[..10]].concat());
        assert!(pool.grow(&mut buffer));
        assert_eq!((buffer.filled().len(), buffer.is_full()), (size - 990, false));
        while pool.grow(&mut buffer) {}
        assert_eq!(buffer.bytes.len(), SIZES[3]);
        buffer.consume(size - 990);
        assert!(buffer.is_empty());
        pool.give(&mut buffer);
        assert!(!buffer.is_allocated());
        assert_eq!(pool.take(3).filled(), b"", "memory comes back empty");
    }
}
