//! Randomness from the kernel.

use std::io;

/// Gives random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with what nobody can guess.
    ///
    /// # Errors
    /// When the kernel gives none.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;
}

/// The kernel's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::other)
    }
}
