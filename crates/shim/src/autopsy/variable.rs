//! The rule on variables of the environment that are not given.

use landfall_model::Evidence;

use super::{Finding, newest_with_context};

/// What programs say of a variable that is not there, around its name.
const PHRASES: &[&str] = &[
    "is not set",
    "not set",
    "is missing",
    "is required",
    "must be set",
    "must be provided",
    "is not defined",
    "is undefined",
    "missing required environment variable",
    "missing environment variable",
    "environment variable not found",
    "set the",
    "not found in environment",
];

/// `KeyError: 'SECRET_KEY'` out of `os.environ`, `DATABASE_URL is not set`; only for names that were not given.
pub(super) fn missing(evidence: &Evidence) -> Option<Finding> {
    if !super::failed_by_itself(evidence) {
        return None;
    }
    let (name, _) = newest_with_context(evidence, |line| {
        let name = key_error(line).or_else(|| told(line))?;
        (!evidence.variables.iter().any(|given| given == name)).then_some(name)
    })?;
    Finding::new(
        format!("the variable `{name}` is not given"),
        format!("add `{name}` to the service's `env`, or to its `secrets` if it is one"),
    )
}

/// The name in Python's `KeyError: 'NAME'`.
fn key_error(line: &str) -> Option<&str> {
    let name = line.strip_prefix("KeyError: '")?.strip_suffix('\'')?;
    is_variable(name).then_some(name)
}

/// The name in a line that says in words that it is missing.
fn told(line: &str) -> Option<&str> {
    let lower = line.to_lowercase();
    if !PHRASES.iter().any(|phrase| lower.contains(phrase)) {
        return None;
    }
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).find(|word| is_variable(word))
}

/// Whether this looks like a variable's name: capitals with an underscore in between, or well known without one.
fn is_variable(word: &str) -> bool {
    let form = word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    form && word.len() >= 3
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && (word.trim_matches('_').contains('_') || ["SECRET", "TOKEN", "DATABASE", "DSN"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;

    #[test]
    fn variables_that_are_not_given() {
        let python = "    SECRET = os.environ[\"SECRET_KEY\"]
             ~~~~~~~~~~^^^^^^^^^^^^^^
  File \"<frozen os>\", line 679, in __getitem__
KeyError: 'SECRET_KEY'
'SECRET_KEY'
[2026-11-21 02:31:07 +0000] [21645] [INFO] Worker exiting (pid: 21645)
[2026-11-21 02:31:07 +0000] [21642] [ERROR] Reason: Worker failed to boot.";
        Case::exited(3, python).cause("the variable `SECRET_KEY` is not given").advice("`secrets`");
        for line in [
            "Error: DATABASE_URL is not set",
            "django.core.exceptions.ImproperlyConfigured: Set the DATABASE_URL environment variable",
            "Missing required environment variable: DATABASE_URL",
        ] {
            Case::exited(1, line).cause("the variable `DATABASE_URL` is not given").advice("`env`");
        }
    }

    #[test]
    fn what_was_given_or_is_no_variable_is_not_blamed() {
        Case::exited(1, "KeyError: 'SECRET_KEY'")
            .with(|evidence| evidence.variables.push("SECRET_KEY".to_owned()))
            .cause("it ended with exit code 1; the last it printed is: KeyError: 'SECRET_KEY'");
        Case::exited(1, "KeyError: 'id'")
            .cause("it ended with exit code 1; the last it printed is: KeyError: 'id'");
        Case::running("WARNING: REDIS_URL is not set, using memory")
            .cause("it did not become healthy within 1 min");
    }
}
