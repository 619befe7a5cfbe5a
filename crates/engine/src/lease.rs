//! The deploy lock of an application and environment: taken with a token that only grows, kept alive by heartbeats,
//! free again when these stop.
//!
//! The rules are pure and take the wall clock as an argument. It may jump: forwards, and a live holder may lose the lease
//! to another, whose larger token then fences the first one out; backwards, and a heartbeat that lies further in the
//! future than a lease lasts counts as none, so that no lease is eternal.

use std::time::Duration;

use landfall_model::{Blame, Fault, FaultKind, Lease, Retry, Timestamp};

/// How long a lease lasts without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(15);

/// How often its holder should renew it.
pub const HEARTBEAT: Duration = Duration::from_secs(3);

/// Times that taking a lease is tried again when another was faster.
const ATTEMPTS: u32 = 5;

/// Where a lease is kept. One that was released stays there, expired, so that its token is remembered.
pub trait LeaseStore {
    /// The lease as it is; `None` when there never was one.
    ///
    /// # Errors
    /// A state that cannot be read.
    fn load(&self) -> Result<Option<Lease>, Fault>;

    /// Puts `new` in the place of `expected`, atomically; `false` when something else is there.
    ///
    /// # Errors
    /// A state that cannot be written.
    fn compare_and_store(&self, expected: Option<&Lease>, new: &Lease) -> Result<bool, Fault>;
}

/// Whether a lease is held at `now`.
#[must_use]
pub fn is_held(lease: &Lease, now: Timestamp) -> bool {
    let released = lease.expires <= lease.heartbeat;
    let age = now.since(lease.heartbeat).max(lease.heartbeat.since(now));
    !released && age < LEASE
}

/// Takes the lease.
///
/// # Errors
/// A refusal while another holds it, with who, since when it was not heard of, and when it expires.
pub fn acquire(store: &dyn LeaseStore, now: Timestamp, holder: &str) -> Result<Lease, Fault> {
    for _ in 0..ATTEMPTS {
        let current = store.load()?;
        if let Some(held) = current.as_ref().filter(|lease| is_held(lease, now)) {
            return Err(Fault::new(
                FaultKind::Refused,
                Blame::User,
                Retry::Safe,
                format!("{} holds the deploy lock and was heard of at {}", held.holder, held.heartbeat),
            )
            .help(format!(
                "it is free when that has ended, or at {} without another sign of life",
                held.expires
            )));
        }
        let token = current.as_ref().map_or(0, |lease| lease.token) + 1;
        let lease = at(token, holder, now);
        if store.compare_and_store(current.as_ref(), &lease)? {
            return Ok(lease);
        }
    }
    Err(Fault::new(
        FaultKind::Refused,
        Blame::User,
        Retry::Safe,
        "others are taking the deploy lock at this moment",
    ))
}

/// Renews the lease and gives it as it is now.
///
/// # Errors
/// When another has taken it since: nothing more may be done with `token`.
pub fn renew(store: &dyn LeaseStore, token: u64, now: Timestamp) -> Result<Lease, Fault> {
    for _ in 0..ATTEMPTS {
        let current = store.load()?.ok_or_else(|| lost(None))?;
        if current.token != token || current.expires <= current.heartbeat {
            return Err(lost(Some(&current)));
        }
        let lease = at(token, &current.holder, now);
        if store.compare_and_store(Some(&current), &lease)? {
            return Ok(lease);
        }
    }
    Err(lost(None))
}

/// Gives the lease back; fine when another has taken it since.
///
/// # Errors
/// A state that cannot be read or written; the lease then expires by itself.
pub fn release(store: &dyn LeaseStore, token: u64, now: Timestamp) -> Result<(), Fault> {
    for _ in 0..ATTEMPTS {
        let Some(current) = store.load()?.filter(|lease| lease.token == token) else { return Ok(()) };
        let free = Lease { heartbeat: now, expires: now, ..current.clone() };
        if store.compare_and_store(Some(&current), &free)? {
            return Ok(());
        }
    }
    Ok(())
}

fn at(token: u64, holder: &str, now: Timestamp) -> Lease {
    Lease { token, holder: holder.to_owned(), heartbeat: now, expires: now.plus(LEASE) }
}

fn lost(current: Option<&Lease>) -> Fault {
    let by = current.map_or_else(String::new, |lease| format!(" to {}", lease.holder));
    Fault::new(
        FaultKind::Interrupted,
        Blame::Machine,
        Retry::Safe,
        format!("the deploy lock was lost{by}: this host was asleep, or its clock jumped"),
    )
    .help("`landfall status` shows what the other one does")
}
