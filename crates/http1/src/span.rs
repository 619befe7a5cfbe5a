//! A part of a head, by where it lies.

/// From one position to another, counted from the start of the head. A head is far smaller than 4 GiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes from `start` to before `end`.
    ///
    /// # Panics
    /// When `end` is over 4 GiB or before `start`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        assert!(start <= end, "a span of {start} to {end}");
        let at = |position| u32::try_from(position).expect("a head is smaller than 4 GiB");
        Self { start: at(start), end: at(end) }
    }

    /// Where it begins.
    #[must_use]
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Where it ends, exclusive.
    #[must_use]
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// How long it is, in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Its bytes.
    ///
    /// # Panics
    /// When `head` is not the head that it was made for, and shorter.
    #[must_use]
    pub fn of(self, head: &[u8]) -> &[u8] {
        &head[self.start()..self.end()]
    }
}
