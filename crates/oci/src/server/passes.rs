//! Passes: what is shown to a registry by who may pull, or push to one repository, for as long as the pass is held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

use super::access::same;
use crate::name::Repository;

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum May {
    /// To read.
    Pull,
    /// To read and to write.
    Push,
}

/// The passes of a registry that are held; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Passes {
    held: Arc<Mutex<Vec<Held>>>,
}

#[derive(Debug)]
struct Held {
    token: SecretString,
    /// `None`: every one.
    repository: Option<Repository>,
    may: May,
}

/// One that is held; dropped, it is worth nothing any more.
#[derive(Debug)]
#[must_use = "a pass that is dropped is worth nothing"]
pub struct Pass {
    passes: Passes,
    token: SecretString,
}

impl Passes {
    /// Lets who shows `token`, which nobody knows yet, do so much with one repository.
    pub fn issue(&self, token: SecretString, repository: Repository, may: May) -> Pass {
        self.hold(token, Some(repository), may)
    }

    /// Lets who shows `token`, which nobody knows yet, pull from every repository.
    pub fn issue_reader(&self, token: SecretString) -> Pass {
        self.hold(token, None, May::Pull)
    }

    fn hold(&self, token: SecretString, repository: Option<Repository>, may: May) -> Pass {
        self.held().push(Held { token: token.clone(), repository, may });
        Pass { passes: self.clone(), token }
    }

    /// Whether a secret is a pass that is held.
    pub(super) fn knows(&self, secret: &[u8]) -> bool {
        self.held().iter().any(|held| same(secret, held.token.expose_secret().as_bytes()))
    }

    /// Whether a secret is a pass for that.
    pub(super) fn allow(&self, secret: &[u8], repository: &Repository, may: May) -> bool {
        self.held().iter().any(|held| {
            held.repository.as_ref().is_none_or(|own| own == repository)
                && held.may >= may
                && same(secret, held.token.expose_secret().as_bytes())
        })
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// What is shown, with any name.
    #[must_use]
    pub fn token(&self) -> &SecretString {
        &self.token
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.passes.held().retain(|held| held.token.expose_secret() != self.token.expose_secret());
    }
}
