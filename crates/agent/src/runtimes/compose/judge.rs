//! How a project is doing, and whether it is what was deployed. Pure: what is pinned and what was seen in, a verdict out.

use landfall_docker::{Health, State};
use landfall_model::{InstanceState, Timestamp};

use super::pinned::{Pinned, PinnedPart};
use super::seen::Seen;
use crate::runtimes::steady;

/// A container that the engine started so often again since the deploy does not come up by itself.
const RESTARTS: u32 = 5;

/// How a project that was started is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it is as it should be.
    Healthy,
    /// Not yet, and why.
    Waits(String),
    /// It will not be: which of the containers seen, or none of them, and what is wrong with it.
    Failed(Option<usize>, String),
}

/// Judges a project that was started before `now`; a container without a health check of its own is well when it has run
/// for `stable` milliseconds.
pub(super) fn judge(pinned: &Pinned, seen: &[Seen], stable: u64, now: Timestamp) -> Verdict {
    for (index, one) in seen.iter().enumerate() {
        if let Some(part) = pinned.parts.get(&one.part)
            && let Some(why) = has_failed(part, one, pinned.must_run(&one.part))
        {
            return Verdict::Failed(Some(index), why);
        }
    }
    for (name, part) in &pinned.parts {
        let of_part: Vec<&Seen> = seen.iter().filter(|one| one.part == *name).collect();
        if of_part.len() < part.scale as usize {
            return Verdict::Waits(format!("`{name}` has {} of {} containers", of_part.len(), part.scale));
        }
        for one in of_part {
            if let Some(why) = is_waited_for(part, one, stable, now) {
                return Verdict::Waits(why);
            }
        }
    }
    let runs = seen.iter().any(|one| one.container.is_running());
    if runs || pinned.parts.values().all(|part| part.scale == 0) {
        Verdict::Healthy
    } else {
        Verdict::Failed(None, "every container of it has ended".to_owned())
    }
}

/// Why a container will not become healthy.
fn has_failed(part: &PinnedPart, one: &Seen, must_run: bool) -> Option<String> {
    let container = &one.container;
    let name = &one.part;
    match container.state {
        State::Exited | State::Dead => {
            let code = container.exit_code.unwrap_or_default();
            if container.oom_killed {
                return Some(format!("`{name}` was ended for its memory"));
            }
            if let Some(error) = &container.error {
                return Some(format!("`{name}` could not be started: {error}"));
            }
            if code == 0 && !must_run {
                return (!part.ends).then(|| format!("`{name}` ended and nothing starts it again"));
            }
            Some(format!("`{name}` ended with exit code {code}"))
        }
        State::Created => {
            container.error.as_ref().map(|error| format!("`{name}` could not be started: {error}"))
        }
        State::Restarting | State::Running if container.restarts >= RESTARTS => {
            let memory = if container.oom_killed { ", for its memory" } else { "" };
            let code =
                container.exit_code.map_or_else(String::new, |code| format!(", last with exit code {code}"));
            Some(format!("`{name}` ended {} times{code}{memory}", container.restarts))
        }
        _ => match &container.health {
            Some(Health::Unhealthy { output }) => Some(unhealthy(name, output)),
            _ => None,
        },
    }
}

fn unhealthy(name: &str, output: &str) -> String {
    let said = output.lines().last().map_or_else(String::new, |line| format!(": {line}"));
    format!("the health check of `{name}` fails{said}")
}

/// Why a container is not healthy yet.
fn is_waited_for(part: &PinnedPart, one: &Seen, stable: u64, now: Timestamp) -> Option<String> {
    let container = &one.container;
    let name = &one.part;
    match (container.state, &container.health) {
        (State::Exited, _) if part.ends => None,
        (State::Running, Some(Health::Healthy)) if steady::is_believed(container) => None,
        (State::Running, Some(_)) => Some(match steady::flaps(container) {
            Some(why) => format!("`{name}` is not healthy: {why}"),
            None => format!("`{name}` is not healthy yet"),
        }),
        (State::Running, None) => {
            let up = container.started.map(|started| now.since(started)).unwrap_or_default();
            (up.as_millis() < u128::from(stable)).then(|| format!("`{name}` was started just now"))
        }
        (State::Restarting, _) => Some(format!("`{name}` ended and is started again")),
        (State::Paused, _) => Some(format!("`{name}` is paused")),
        (State::Created | State::Exited | State::Dead, _) => Some(format!("`{name}` does not run")),
    }
}

/// How one container is, as `status` shows it.
pub(super) fn state(part: Option<&PinnedPart>, one: &Seen) -> InstanceState {
    let container = &one.container;
    match (container.state, &container.health) {
        (State::Running, None | Some(Health::Healthy)) => InstanceState::Healthy,
        (State::Running, Some(Health::Starting)) | (State::Created, _) => InstanceState::Booting,
        (State::Running, Some(Health::Unhealthy { .. })) | (State::Paused, _) => InstanceState::Unhealthy,
        (State::Restarting, _) => InstanceState::BackingOff,
        // What was to be done is done.
        (State::Exited, _) if part.is_some_and(|part| part.ends) && container.exit_code == Some(0) => {
            InstanceState::Healthy
        }
        (State::Exited | State::Dead, _) => InstanceState::Stopped,
    }
}

/// What differs from what was deployed, a sentence each: containers from other images, containers that belong to nothing,
/// parts that are not there or not all of them.
pub(super) fn drift(pinned: &Pinned, seen: &[Seen]) -> Vec<String> {
    let of_one = seen.iter().filter_map(|one| match pinned.parts.get(&one.part) {
        Some(part) => other_image(part, one).map(|what| format!("{} {what}", one.container.name)),
        None => Some(format!("{} {}", one.container.name, strange(one))),
    });
    of_one.chain(missing(pinned, seen)).collect()
}

/// The parts that have another number of containers than they should, a sentence each.
pub(super) fn missing(pinned: &Pinned, seen: &[Seen]) -> Vec<String> {
    let counted = pinned.parts.iter().map(|(name, part)| {
        let count = seen.iter().filter(|one| one.part == *name).count();
        (count != part.scale as usize)
            .then(|| format!("`{name}` has {count} containers instead of {}", part.scale))
    });
    counted.flatten().collect()
}

/// That the name which a part was pinned by leads to another image by now.
pub(super) fn moved(part: &PinnedPart, now: &str) -> Option<String> {
    (now != part.id).then(|| {
        format!(
            "runs {}, which {} named when it was deployed; that names {} now",
            short(&part.id),
            part.name,
            short(now)
        )
    })
}

/// That a container belongs to no part.
pub(super) fn strange(one: &Seen) -> String {
    format!("is of `{}`, which was not deployed", one.part)
}

/// That a container was made from another image than was pinned.
pub(super) fn other_image(part: &PinnedPart, one: &Seen) -> Option<String> {
    let image = one.container.image.as_str();
    (image != part.id).then(|| format!("runs the image {} instead of {}", short(image), short(&part.id)))
}

/// The first twelve digits of an image's id.
fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}
