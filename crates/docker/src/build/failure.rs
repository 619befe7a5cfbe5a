//! A build that failed, as a person is told of it: pure.

use std::collections::VecDeque;

use landfall_model::Fault;

use crate::fault;

/// How many of a step's last lines are shown …
const LINES: usize = 20;
/// … each cut to this many characters.
const WIDTH: usize = 500;

/// What to do about a step of the owner's Dockerfile …
const CORRECT: &str = "correct the Dockerfile, or what this step of it needs";
/// … and about one of the Dockerfile that Landfall wrote.
const WRITTEN: &str = "Landfall wrote this Dockerfile (`landfall build --print-dockerfile` shows it): correct what the step reads, the list of \
     dependencies or the sources, or put a Dockerfile of your own beside them";

/// What either builder says of a path that is not in what an instruction copies from.
const MISSING: [&str; 4] = [
    "failed to compute cache key",
    "no such file or directory",
    "file does not exist",
    "no source files were specified",
];

/// What a command says of a full disk.
const FULL: &str = "no space left on device";

/// The last lines that a step printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    /// Takes a line; the oldest is let go.
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.chars().take(WIDTH).collect());
    }
}

/// The step that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its number as the builder shows it: `3/5`, `build 3/5`.
    pub(super) number: Option<String>,
    /// Its instruction: `RUN pip install -r requirements.txt`.
    pub(super) instruction: String,
    /// What it printed last.
    pub(super) tail: Tail,
}

/// The fault for a build that ended with `error`, in `step` when it got to one; `written` is whether the Dockerfile is
/// Landfall's own.
pub(super) fn fault(error: &str, step: Option<&Failed>, written: bool) -> Fault {
    let said = fault::said("building the image", 500, error);
    // The machine's own failures say what to do; that a step was running is no news.
    let machine = said.help.is_some() && exit_code(error).is_none();
    let Some(step) = step.filter(|_| !machine) else {
        return if machine { said } else { before_a_step(error) };
    };
    let number = step.number.as_deref().map(|number| format!(" {number}")).unwrap_or_default();
    let how = match exit_code(error) {
        Some(137) => "was killed (exit code 137: most likely for want of memory)".to_owned(),
        Some(code) => format!("ended with exit code {code}"),
        None => format!("failed: {}", error.trim()),
    };
    let mut message = format!("building the image: step{number} `{}` {how}", step.instruction);
    for line in &step.tail.0 {
        message.push_str("\n    ");
        message.push_str(line);
    }
    if step.tail.0.iter().any(|line| line.to_lowercase().contains(FULL)) {
        return Fault::machine(message).help(fault::MAKE_ROOM);
    }
    let copies = ["COPY ", "ADD "].iter().any(|word| step.instruction.starts_with(word));
    if copies && MISSING.iter().any(|words| error.contains(words)) {
        return Fault::application(message).help(missing(&step.instruction));
    }
    let help = if written { WRITTEN } else { CORRECT };
    // What a command printed of hosts and files of its own is no registry's doing.
    if exit_code(error).is_some() {
        return Fault::application(message).help(help);
    }
    or_the_registry(message, help)
}

/// What to do about a path that an instruction copies and that is not there.
fn missing(instruction: &str) -> &'static str {
    if instruction.contains("--from=") {
        "what it copies from has no such path: correct it, or the step there that should have made it"
    } else {
        "the sources have no such path: correct it in the Dockerfile; or is it left out by a .gitignore or a .dockerignore?"
    }
}

/// The fault for a build that got to no step: mostly a base image that is not to be had.
fn before_a_step(error: &str) -> Fault {
    or_the_registry(format!("building the image: {}", error.trim()), "correct the Dockerfile")
}

/// What to do about a registry that is the reason; else `help`.
fn or_the_registry(message: String, help: &str) -> Fault {
    let told = fault::registry(Fault::application(message));
    if told.help.is_some() { told } else { told.help(help) }
}

/// The exit code in the words of either builder.
fn exit_code(error: &str) -> Option<i32> {
    let behind = ["exit code: ", "returned a non-zero code: ", "exit code "]
        .iter()
        .find_map(|words| Some(error.split_once(words)?.1))?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::Blame;

    #[test]
    fn a_failing_step_tells_its_number_command_code_and_last_lines() {
        let mut tail = Tail::default();
        for number in 0..30 {
            tail.push(&format!("line {number}"));
        }
        let step = Failed { number: Some("3/5".into()), instruction: "RUN make".into(), tail };
        let error = "executor failed running [/bin/sh -c make]: exit code: 2";
        let fault = fault(error, Some(&step), false);
        assert!(
            fault.message.starts_with("building the image: step 3/5 `RUN make` ended with exit code 2\n")
        );
        assert!(
            fault.message.ends_with("line 29") && !fault.message.contains("line 9\n"),
            "{}",
            fault.message
        );
        assert_eq!(fault.blame, Blame::Application);
    }

    #[test]
    fn a_full_disk_is_the_machines_fault() {
        let step = Failed::default();
        let fault = fault("failed to copy: write /x: no space left on device", Some(&step), false);
        assert_eq!(fault.blame, Blame::Machine);
    }

    #[test]
    fn a_command_that_found_the_disk_full_is_no_fault_of_the_dockerfile() {
        let mut step = Failed { instruction: "RUN make".into(), ..Failed::default() };
        step.tail.push("head: error writing 'standard output': No space left on device");
        let fault = fault("executor failed running [/bin/sh -c make]: exit code: 1", Some(&step), true);
        assert_eq!((fault.blame, fault.help.as_deref()), (Blame::Machine, Some(fault::MAKE_ROOM)));
    }

    #[test]
    fn a_path_that_is_not_there_is_no_image_of_a_registry() {
        let help = |instruction: &str, error: &str| {
            let step = Failed { instruction: instruction.into(), ..Failed::default() };
            fault(error, Some(&step), false).help.unwrap()
        };
        // As BuildKit says it, that of engine 20.10 and later ones, and the classic builder.
        for error in [
            "failed to compute cache key: \"/requirments.txt\" not found: not found",
            "failed to compute cache key: failed to calculate checksum of ref 7b::2c: \"/requirments.txt\": not found",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat requirments.txt: file does not exist",
            "COPY failed: no source files were specified",
        ] {
            assert!(
                help("COPY requirments.txt .", error).contains("the sources have no such path"),
                "{error}"
            );
        }
        let error = "lstat /var/lib/docker/overlay2/e3456af3/merged/app/dist: no such file or directory";
        assert!(help("COPY --from=build /app/dist /srv", error).contains("the step there"));
    }

    #[test]
    fn what_a_command_lacks_is_no_image_and_nobody_corrects_what_landfall_wrote() {
        let mut step =
            Failed { instruction: "RUN pip install -r requirements.txt".into(), ..Failed::default() };
        step.tail.push("/bin/sh: 1: gcc: not found");
        let error = "executor failed running [/bin/sh -c pip install -r requirements.txt]: exit code: 1";
        assert_eq!(fault(error, Some(&step), false).help.as_deref(), Some(CORRECT));
        assert_eq!(fault(error, Some(&step), true).help.as_deref(), Some(WRITTEN));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_told_apart() {
        let fault = fault("pull access denied for nope, repository does not exist", None, false);
        assert!(fault.help.unwrap().contains("docker login"));
        let step =
            Failed { number: Some("1/2".into()), instruction: "FROM nope".into(), ..Failed::default() };
        let fault =
            super::fault("Get \"https://r/v2/\": dial tcp: lookup r: no such host", Some(&step), true);
        assert!(fault.message.contains("step 1/2 `FROM nope` failed"), "{fault}");
        assert!(fault.help.unwrap().contains("cannot be reached"));
    }
}
