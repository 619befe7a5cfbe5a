//! `[ENVIRONMENT] [SERVICE…]`: what the words behind a verb mean.

use landfall_manifest::nearest;
use landfall_model::{EnvironmentName, Fault, ServiceName};

/// The environment where none is named.
pub(crate) const DEFAULT: &str = "dev";

/// An environment and some of its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The environment.
    pub(crate) environment: EnvironmentName,
    /// The services, as they were named; all when empty.
    pub(crate) services: Vec<ServiceName>,
    /// Whether the environment was named, not taken for granted.
    named: bool,
}

impl Selection {
    /// Reads the words: the first is the environment if the manifest has one of that name (`dev` is always one), whatever
    /// services there are;
    /// every other one is a service. Whether those exist is not known here.
    ///
    /// # Errors
    /// A word that cannot be a name.
    pub(crate) fn of(words: &[String], environments: &[String]) -> Result<Self, Fault> {
        let named = words.first().filter(|word| *word == DEFAULT || environments.contains(word));
        let name = named.map_or(DEFAULT, String::as_str);
        let environment = name
            .parse()
            .map_err(|error| Fault::usage(format!("the environment's name is wrong: {error}")))?;
        let rest = &words[usize::from(named.is_some())..];
        let services = rest
            .iter()
            .map(|word| word.parse().map_err(|_| unknown(word, environments, &[], named.is_some())))
            .collect::<Result<_, _>>()?;
        Ok(Self { environment, services, named: named.is_some() })
    }

    /// The environment that a word names.
    ///
    /// # Errors
    /// A word that is none of the manifest's, nor the default one.
    pub(crate) fn environment(word: &str, environments: &[String]) -> Result<EnvironmentName, Fault> {
        if word != DEFAULT && !environments.iter().any(|environment| environment == word) {
            let fault = Fault::usage(format!("`{word}` is not an environment of this manifest"));
            let known = environments.iter().map(String::as_str).chain([DEFAULT]);
            if let Some(nearest) = nearest(word, known) {
                return Err(fault.help(format!("did you mean `{nearest}`?")));
            }
            let there = if environments.is_empty() { DEFAULT.to_owned() } else { environments.join(", ") };
            return Err(fault.help(format!("there are environments: {there}")));
        }
        word.parse().map_err(|error| Fault::usage(format!("the environment's name is wrong: {error}")))
    }

    /// Checks that the services that were named are among those there are.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn check(&self, services: &[&ServiceName], environments: &[String]) -> Result<(), Fault> {
        match self.services.iter().find(|service| !services.contains(service)) {
            Some(wrong) => Err(unknown(wrong.as_str(), environments, services, self.named)),
            None => Ok(()),
        }
    }

    /// Whether this service is meant.
    pub(crate) fn includes(&self, service: &ServiceName) -> bool {
        self.services.is_empty() || self.services.contains(service)
    }

    /// The words behind a verb that mean this environment again: nothing, or ` production`.
    pub(crate) fn argument(&self) -> String {
        if self.environment.as_str() == DEFAULT { String::new() } else { format!(" {}", self.environment) }
    }
}

fn unknown(word: &str, environments: &[String], services: &[&ServiceName], named: bool) -> Fault {
    let what = if named { "not a service" } else { "neither an environment nor a service" };
    let fault = Fault::usage(format!("`{word}` is {what} of this manifest"));
    let places = environments.iter().map(String::as_str).chain([DEFAULT]).filter(|_| !named);
    if let Some(nearest) = nearest(word, services.iter().map(|service| service.as_str()).chain(places)) {
        return fault.help(format!("did you mean `{nearest}`?"));
    }
    let listed = |names: Vec<&str>| names.join(", ");
    let environments = listed(environments.iter().map(String::as_str).collect());
    let services = listed(services.iter().map(|service| service.as_str()).collect());
    let services = if services.is_empty() { String::new() } else { format!("services: {services}") };
    let environments = if named || environments.is_empty() {
        String::new()
    } else {
        format!("environments: {environments}")
    };
    let parts: Vec<String> = [environments, services].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { fault } else { fault.help(format!("there are {}", parts.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<(String, Vec<String>), String> {
        let environments = ["production", "web"].map(str::to_owned);
        let services: Vec<ServiceName> = ["web", "worker"].map(|name| name.parse().unwrap()).into();
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let selection = Selection::of(&words, &environments).map_err(|fault| fault.message)?;
        let services: Vec<&ServiceName> = services.iter().collect();
        selection.check(&services, &environments).map_err(|fault| fault.message)?;
        let names = selection.services.iter().map(ToString::to_string).collect();
        Ok((selection.environment.to_string(), names))
    }

    #[test]
    fn words_are_an_environment_and_services() {
        let is = |words: &[&str], environment: &str, services: &[&str]| {
            let services = services.iter().map(ToString::to_string).collect();
            assert_eq!(read(words), Ok((environment.to_owned(), services)), "{words:?}");
        };
        is(&[], "dev", &[]);
        is(&["production"], "production", &[]);
        is(&["worker"], "dev", &["worker"]);
        is(&["production", "worker", "web"], "production", &["worker", "web"]);
        // Both an environment and a service: the environment.
        is(&["web"], "web", &[]);
        is(&["dev", "web"], "dev", &["web"]);
    }

    #[test]
    fn wrong_words_are_told() {
        assert_eq!(
            read(&["prod"]),
            Err("`prod` is neither an environment nor a service of this manifest".to_owned())
        );
        assert_eq!(read(&["dev", "db"]), Err("`db` is not a service of this manifest".to_owned()));
        assert!(read(&["../x"]).is_err());
    }

    #[test]
    fn a_slip_of_the_hand_is_told_with_what_was_meant() {
        let environments = ["production".to_owned()];
        let services: ServiceName = "web".parse().unwrap();
        let help = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let selection = Selection::of(&words, &environments).unwrap();
            selection.check(&[&services], &environments).unwrap_err().help.unwrap()
        };
        assert_eq!(help(&["prodution"]), "did you mean `production`?");
        assert_eq!(help(&["dve", "web"]), "did you mean `dev`?");
        assert_eq!(help(&["production", "wbe"]), "did you mean `web`?");
        // Behind an environment no other one can be meant.
        assert_eq!(help(&["dev", "prodution"]), "there are services: web");
        let fault = Selection::environment("Prod", &environments).unwrap_err();
        assert_eq!(fault.help.as_deref(), Some("did you mean `production`?"));
    }
}
