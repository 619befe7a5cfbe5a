//! Certificates of the host's own authority as handshakes need them: made at once, kept in memory.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_fx::{Clock, Files, TlsDir};
use landfall_model::Fault;

use crate::authority::Authority;
use crate::limits::{LOOK, MAX_LEAVES};
use crate::pair::Pair;
use crate::renewal::{Span, is_old};

/// The authority once it is needed, and what it signed.
#[derive(Default)]
pub(crate) struct Internal {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    authority: Option<Authority>,
    leaves: HashMap<String, Arc<Pair>>,
    /// In the order in which they were made.
    order: VecDeque<String>,
}

/// What an authority needs of the machine.
pub(crate) struct Machine<'a> {
    pub(crate) folder: &'a TlsDir,
    pub(crate) files: &'a dyn Files,
    pub(crate) clock: &'a dyn Clock,
}

impl Internal {
    /// Makes sure that there is an authority, and that it is the one on the disk when its time is nearly over.
    ///
    /// # Errors
    /// See [`Authority::open`].
    pub(crate) fn prepare(&self, machine: &Machine<'_>) -> Result<(), Fault> {
        open(&mut self.lock(), machine).map(|_| ())
    }

    /// The certificate for these names.
    ///
    /// # Errors
    /// See [`Authority::open`]; names that no certificate can hold.
    pub(crate) fn leaf(&self, names: &[String], machine: &Machine<'_>) -> Result<Arc<Pair>, Fault> {
        let now = machine.clock.now();
        let mut state = self.lock();
        let known = names.join(" ");
        if let Some(leaf) = state.leaves.get(&known)
            && !is_old(now, span(leaf))
        {
            return Ok(Arc::clone(leaf));
        }
        let leaf = open(&mut state, machine)?.issue(names, now).map_err(Fault::internal)?;
        let leaf = Arc::new(leaf);
        if state.leaves.insert(known.clone(), Arc::clone(&leaf)).is_none() {
            state.order.push_back(known);
        }
        if state.order.len() > MAX_LEAVES
            && let Some(oldest) = state.order.pop_front()
        {
            state.leaves.remove(&oldest);
        }
        Ok(leaf)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of a certificate of our own: for the host that a client asked for, else for the host of the route; and
/// for a client that names none, for all that this machine may have been called by.
pub(crate) fn names(route: &str, asked: Option<&str>, local: IpAddr) -> Vec<String> {
    if let Some(asked) = asked {
        return vec![asked.to_owned()];
    }
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let local = local.to_canonical().to_string();
    for name in [route, local.as_str()] {
        if name != "*" && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

pub(crate) fn span(pair: &Pair) -> Span {
    Span { not_before: pair.facts.not_before, not_after: pair.facts.not_after }
}

fn open<'a>(state: &'a mut State, machine: &Machine<'_>) -> Result<&'a Authority, Fault> {
    let now = machine.clock.now();
    if state.authority.as_ref().is_some_and(|authority| authority.facts().not_after <= now.plus(LOOK)) {
        state.authority = None;
    }
    match &mut state.authority {
        Some(authority) => Ok(authority),
        none => Ok(none.insert(Authority::open(machine.folder, machine.files, now)?)),
    }
}

#[cfg(test)]
mod tests {
    use landfall_fx::{RealFiles, SystemClock};

    use super::*;

    #[test]
    fn names_are_those_that_the_client_may_have_used() {
        let any: IpAddr = [10, 0, 0, 7].into();
        assert_eq!(names("*", Some("a.localhost"), any), ["a.localhost"]);
        assert_eq!(names("*", None, any), ["localhost", "127.0.0.1", "::1", "10.0.0.7"]);
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]);
        assert_eq!(names("a.example", None, mapped), ["localhost", "127.0.0.1", "::1", "a.example"]);
    }

    #[test]
    fn a_certificate_is_made_once_and_memory_is_bounded() {
        let temporary = tempfile::tempdir().unwrap();
        let (folder, clock) = (TlsDir::new(temporary.path()), SystemClock::new());
        let machine = Machine { folder: &folder, files: &RealFiles, clock: &clock };
        let internal = Internal::default();
        let leaf = |host: String| internal.leaf(&[host], &machine).unwrap();
        let first = leaf("a.localhost".to_owned());
        assert!(Arc::ptr_eq(&first, &leaf("a.localhost".to_owned())));
        (0..MAX_LEAVES).for_each(|number| drop(leaf(format!("h{number}.localhost"))));
        assert!(!Arc::ptr_eq(&first, &leaf("a.localhost".to_owned())));
        let state = internal.lock();
        assert_eq!((state.leaves.len(), state.order.len()), (MAX_LEAVES, MAX_LEAVES));
    }
}
