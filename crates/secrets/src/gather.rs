//! From what services need and what providers have to values, or to every problem at once.

use std::collections::BTreeMap;

use landfall_model::{Diagnostic, Resolved, ServiceName, SourceSpan};
use secrecy::{ExposeSecret as _, SecretString};

use crate::dotenv::Dotenv;
use crate::environment::Environment;
use crate::problem::{Problems, failure};
use crate::{Provider, Values};

/// A secret that a service names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The service.
    pub service: ServiceName,
    /// The secret.
    pub name: String,
    /// Where the manifest names it.
    pub span: SourceSpan,
}

/// What was gathered.
#[derive(Debug)]
pub struct Gathered {
    /// A value for every secret that a service names, none of them empty.
    pub values: Values,
    /// What a person should know: a `.env` file that others can read.
    pub warnings: Vec<Diagnostic>,
}

/// Every secret that the services name, in the order of the manifest's services.
#[must_use]
pub fn needed(resolved: &Resolved) -> Vec<Needed> {
    let of_service = |service: &landfall_model::Service| {
        let name = service.name.clone();
        let need = move |secret: &landfall_model::SecretNeed| Needed {
            service: name.clone(),
            name: secret.name.clone(),
            span: secret.span,
        };
        service.secrets.iter().map(need).collect::<Vec<_>>()
    };
    resolved.services.iter().flat_map(of_service).collect()
}

/// The environment whose `.env` files hold values for development only: a committed one, which git checks out as it
/// does all files, is no danger.
const DEVELOPMENT: &str = "dev";

/// Gathers from the process environment, then from the manifest's `.env` files in their order. Warns of a file that
/// others can read, but for the environment `dev`.
///
/// # Errors
/// As [`gather`].
pub fn gather_for(
    resolved: &Resolved,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Gathered, Vec<Diagnostic>> {
    let environment = Environment::new(variable);
    let files: Vec<Dotenv> =
        resolved.env_files.iter().map(|path| Dotenv::new(path.clone()).below(&resolved.root)).collect();
    let mut providers: Vec<&dyn Provider> = vec![&environment];
    providers.extend(files.iter().map(|file| file as &dyn Provider));
    let mut gathered = gather(resolved, &providers)?;
    if resolved.environment.as_str() == DEVELOPMENT {
        gathered.warnings.clear();
    }
    Ok(gathered)
}

/// Asks the providers in their order for every secret; the first that has a name decides, even with an empty value.
/// A provider is only asked for names that none before it had, and not at all when there are none.
///
/// # Errors
/// Every problem at once: a secret that no provider has or whose value is empty ([`landfall_model::Severity::Missing`]), drawn at its
/// line in the manifest; or, when providers could not be asked, each of those instead.
pub fn gather(resolved: &Resolved, providers: &[&dyn Provider]) -> Result<Gathered, Vec<Diagnostic>> {
    let needs = needed(resolved);
    let mut open: Vec<&str> = needs.iter().map(|need| need.name.as_str()).collect();
    open.sort_unstable();
    open.dedup();
    let mut found: BTreeMap<String, (usize, SecretString)> = BTreeMap::new();
    let mut warnings = Vec::new();
    let mut failures = Vec::new();
    for (index, provider) in providers.iter().enumerate() {
        if open.is_empty() {
            break;
        }
        match provider.fetch(&open) {
            Ok(values) => {
                if !values.is_empty() {
                    warnings.extend(provider.warnings());
                }
                open.retain(|name| !values.contains_key(*name));
                found.extend(values.into_iter().map(|(name, value)| (name, (index, value))));
            }
            Err(error) => failures.push(failure(&error)),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let mut values = Values::default();
    let mut problems = Problems::new(resolved, providers);
    for need in &needs {
        match found.get(&need.name) {
            Some((index, value)) if value.expose_secret().is_empty() => problems.add(need, Some(*index)),
            Some((_, value)) => values.insert(need.service.clone(), need.name.clone(), value.clone()),
            None => problems.add(need, None),
        }
    }
    let problems = problems.into_diagnostics();
    if problems.is_empty() { Ok(Gathered { values, warnings }) } else { Err(problems) }
}
