//! Rules: what the end of the process alone tells.

use landfall_model::{Evidence, Millis};

use super::Finding;

/// Killed for its memory.
pub(super) fn out_of_memory(evidence: &Evidence) -> Option<Finding> {
    if !evidence.exit.as_ref()?.oom {
        return None;
    }
    let limit =
        evidence.memory_limit.map_or_else(String::new, |bytes| format!(" of {} MiB", bytes / (1024 * 1024)));
    Finding::new(
        format!("it was killed because it went over its memory limit{limit}"),
        "raise `memory` in the service's `limits`, or run fewer workers in one instance",
    )
}

/// Ended as if all was done.
pub(super) fn success(evidence: &Evidence) -> Option<Finding> {
    (evidence.exit.as_ref()?.code == Some(0)).then_some(())?;
    Finding::new(
        "it ended with success (exit code 0) instead of running on: is it a server, or did it move to the background?",
        "let `run` stay in the foreground (no `--daemon`, no `&` at its end)",
    )
}

/// Ended by a signal.
pub(super) fn signal(evidence: &Evidence) -> Option<Finding> {
    let signal = evidence.exit.as_ref()?.signal.as_deref()?;
    let advice = match signal {
        "SEGV" | "BUS" | "ABRT" | "FPE" => {
            "it crashed in native code: look at what it printed, and at its native dependencies"
        }
        "ILL" => "it, or a native dependency, was built for another processor",
        "KILL" => "somebody killed it, or the machine ran out of memory (`dmesg` tells)",
        _ => "something other than Landfall sent it this signal",
    };
    Finding::new(format!("it was ended by the signal SIG{signal}{}", soon(evidence)), advice)
}

/// Ended with an exit code that says no more.
pub(super) fn code(evidence: &Evidence) -> Option<Finding> {
    let exit = evidence.exit.as_ref()?;
    let end =
        exit.code.map_or_else(|| "it ended".to_owned(), |code| format!("it ended with exit code {code}"));
    let last = evidence.log.iter().rev().map(|(_, line)| line.trim()).find(|line| !line.is_empty());
    let cause = match last {
        Some(line) => {
            format!("{end}; the last it printed is: {}", line.chars().take(200).collect::<String>())
        }
        None => format!("{end}{} and printed nothing", soon(evidence)),
    };
    Finding::new(cause, "run its command by hand in the service's folder to see more")
}

/// ` after 350 ms`, unless it took long.
fn soon(evidence: &Evidence) -> String {
    if evidence.waited_ms < 60_000 { format!(" after {}", Millis(evidence.waited_ms)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;
    use landfall_model::{Exit, Timestamp};

    fn ended(signal: &str, oom: bool) -> Case {
        let exit = Exit { code: None, signal: Some(signal.to_owned()), oom, at: Timestamp::from_millis(0) };
        Case::exited(0, "ModuleNotFoundError: No module named 'x'").with(|evidence| {
            evidence.exit = Some(exit);
            evidence.memory_limit = Some(256 * 1024 * 1024);
            if !oom {
                evidence.log.clear();
            }
        })
    }

    #[test]
    fn memory_comes_before_all_else() {
        ended("KILL", true)
            .cause("it was killed because it went over its memory limit of 256 MiB")
            .advice("`memory`");
    }

    #[test]
    fn ends_without_a_word() {
        ended("SEGV", false).cause("it was ended by the signal SIGSEGV after 350 ms").advice("native");
        ended("KILL", false).cause("it was ended by the signal SIGKILL after 350 ms").advice("dmesg");
        Case::exited(0, "ready")
            .cause("it ended with success (exit code 0) instead of running on: is it a server, or did it move to the background?")
            .advice("foreground");
        Case::exited(3, "").cause("it ended with exit code 3 after 350 ms and printed nothing");
        Case::exited(3, "starting\nboom\n\n")
            .cause("it ended with exit code 3; the last it printed is: boom");
    }
}
