//! Giving memory back: an agent is idle nearly always, and what a transaction took need not stay with it until the next.

/// Returns to the system what is free in the allocator's arenas, each thread's included: glibc keeps it otherwise. Takes
/// about a millisecond. Where the C library is another one nothing is done.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "the standard library has no word for it")]
    // SAFETY: malloc_trim(3) takes no pointer, locks each arena while it looks at it and only touches pages that hold
    // nothing.
    unsafe {
        libc::malloc_trim(0);
    }
}
