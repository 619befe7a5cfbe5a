//! What was found out about an instance that would not live, and the likely cause: pure rules, the first that fits.
//!
//! A rule is a function from evidence to a finding. What the machine itself says (killed for memory, nothing to start)
//! comes before what the application says of its own failure, that before what was seen of it from outside, and that
//! before what its end alone tells.

#[cfg(test)]
mod case;
mod end;
mod health;
mod machine;
mod network;
mod node;
mod python;
mod start;
mod variable;

use landfall_model::{Autopsy, Evidence, HealthAnswer};

/// A likely cause and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    cause: String,
    advice: Option<String>,
}

impl Finding {
    fn new(cause: impl Into<String>, advice: impl Into<String>) -> Option<Self> {
        Some(Self { cause: cause.into(), advice: Some(advice.into()) })
    }
}

type Rule = fn(&Evidence) -> Option<Finding>;

/// What the machine says, or the shim itself.
const TOLD: &[Rule] = &[
    end::out_of_memory,
    start::secrets_missing,
    start::other_architecture,
    start::not_found,
    start::not_executable,
    machine::disk_full,
];

/// What the application says of its own failure; asked unless it runs and listens, when it may have been a warning.
const SAID: &[Rule] = &[
    python::syntax_error,
    python::module_missing,
    python::cannot_import,
    python::application_missing,
    node::module_missing,
    node::syntax_error,
    variable::missing,
    network::port_in_use,
    machine::database_locked,
    machine::service_refused,
    machine::permission_denied,
];

/// What was seen of it from outside, and how it ended.
const SEEN: &[Rule] = &[
    health::host_not_allowed,
    network::listens_elsewhere,
    health::answer,
    network::never_bound,
    end::success,
    end::signal,
    end::code,
];

/// Judges the evidence: the first rule that fits names the cause, in one sentence that a beginner understands, and what
/// to do. Never without a cause: where nothing is known it says what was seen.
#[must_use]
pub fn autopsy(evidence: Evidence) -> Autopsy {
    let said = if failed_by_itself(&evidence) || evidence.listeners.is_empty() { SAID } else { &[] };
    let Finding { cause, advice } = [TOLD, said, SEEN]
        .into_iter()
        .flatten()
        .find_map(|rule| rule(&evidence))
        .unwrap_or_else(|| Finding {
            cause: format!("it did not become healthy within {}", landfall_model::Millis(evidence.waited_ms)),
            advice: Some(
                "look at what it printed; if it only needs longer, raise `start_period` of `health`"
                    .to_owned(),
            ),
        });
    Autopsy { cause, advice, evidence }
}

/// What `find` finds in the newest line in which it finds anything.
fn newest<'e, T>(evidence: &'e Evidence, find: impl Fn(&'e str) -> Option<T>) -> Option<T> {
    evidence.log.iter().rev().find_map(|(_, line)| find(line))
}

/// What `find` finds in the newest line in which it finds anything, with the lines before that one, newest first.
fn newest_with_context<'e, T>(
    evidence: &'e Evidence,
    find: impl Fn(&'e str) -> Option<T>,
) -> Option<(T, impl Iterator<Item = &'e str>)> {
    let (at, found) =
        evidence.log.iter().enumerate().rev().find_map(|(at, (_, line))| Some((at, find(line)?)))?;
    Some((found, evidence.log[..at].iter().rev().map(|(_, line)| line.as_str())))
}

/// Whether it failed so that an error it printed may well be why: it ended, or answers with an error of its own.
fn failed_by_itself(evidence: &Evidence) -> bool {
    evidence.exit.is_some()
        || evidence.restarts > 0
        || matches!(evidence.health, Some(HealthAnswer::Status { status: 500..=599, .. }))
}

/// The path as the user knows it: below the release's folder.
fn short(path: &str) -> &str {
    path.split_once("/releases/").and_then(|(_, rest)| rest.split_once('/')).map_or(path, |(_, path)| path)
}

/// The text between two others, the first of its kind.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use super::case::Case;

    #[test]
    fn where_nothing_is_known_it_says_what_was_seen() {
        Case::running("").cause("it did not become healthy within 1 min");
    }

    #[test]
    fn an_error_that_one_that_listens_printed_is_taken_for_a_warning() {
        let log = "ModuleNotFoundError: No module named 'uvloop'";
        Case::running(log).cause("the Python module `uvloop` is not installed");
        Case::running(log)
            .listening(&["127.0.0.1:8000"])
            .cause("it listens on 127.0.0.1:8000, not on $PORT, 127.0.0.1:41873");
    }

    #[test]
    fn paths_are_shown_as_the_user_knows_them() {
        let path = "/home/a/.local/state/landfall/apps/g/dev/web/releases/1.4.0-20261120131502/app/x.py";
        assert_eq!(super::short(path), "app/x.py");
        assert_eq!(super::short("/usr/lib/x.py"), "/usr/lib/x.py");
    }
}
