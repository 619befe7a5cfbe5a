//! The process environment: what CI systems and `NAME=value landfall deploy` give.

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::{Provider, ProviderError};

/// The process environment, read through a function so that the world stays a parameter.
pub struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    /// The environment that `variable` reads; it gives `None` for a variable that is not set.
    #[must_use]
    pub fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable }
    }
}

impl Provider for Environment<'_> {
    fn describe(&self) -> String {
        "the process environment".to_owned()
    }

    fn fetch(&self, names: &[&str]) -> Result<BTreeMap<String, SecretString>, ProviderError> {
        let found = names.iter().filter_map(|name| Some(((*name).to_owned(), (self.variable)(name)?.into())));
        Ok(found.collect())
    }
}
