//! Whether a new release does worse than the old one: what both answered over the same time, looked at again and again.
//!
//! Two questions are asked of each look, and both come to one table of two rows and two columns: how many requests of
//! each release were bad, and how many were not. For errors a bad request is one that failed (`errors`), for latency one
//! that took longer than the old release's 99th percentile and what is put up with above it (`latency`). How probable the
//! table is with equal releases is known exactly, however few requests there are (`exact`: Fisher's exact test). Looking
//! many times would find something by chance in the end; each look is therefore only believed at a smaller probability
//! than the one before, so that all of them together stay within the risk that was chosen (`spending`).
//!
//! `watch` is one step of a canary as data, `step` performs it.

mod arm;
mod errors;
mod exact;
mod latency;
mod prometheus;
mod spending;
mod step;
mod watch;
mod words;

pub(crate) use step::{Bench, judge};

#[cfg(test)]
mod trials;
