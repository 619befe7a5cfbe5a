//! When a health check that passes is believed: a release whose check passes and fails by turns is not let in. Pure.

use std::time::Duration;

use landfall_docker::Container;
use landfall_model::Checks;

/// Good answers in a row that are believed of an instance which never fell back …
const ENOUGH: u32 = 3;
/// … doubled each time that it does, up to this: several programs behind one port are not ready all at once.
const MOST: u32 = 24;

/// A container's own check that runs at least this often is waited for once more; of any other its first word counts, for
/// a deploy is not to last minutes longer.
const OFTEN: Duration = Duration::from_secs(2);

/// Passes in a row that are believed of such a check …
const PASSES: usize = 2;
/// … and of one that failed after it had passed: one less than an engine remembers.
const PASSES_AGAIN: usize = 4;

/// The answers of a booting instance to its health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answers {
    good: u32,
    /// Bad ones after the first good one.
    bad: u32,
    row: u32,
    needed: u32,
}

impl Default for Answers {
    fn default() -> Self {
        Self { good: 0, bad: 0, row: 0, needed: ENOUGH }
    }
}

impl Answers {
    /// Takes a good answer; gives whether it is believed.
    pub(crate) fn good(&mut self) -> bool {
        (self.good, self.row) = (self.good.saturating_add(1), self.row.saturating_add(1));
        self.row >= self.needed
    }

    /// Takes a bad answer.
    pub(crate) fn bad(&mut self) {
        if self.row > 0 {
            self.needed = (self.needed * 2).min(MOST);
        }
        if self.good > 0 {
            self.bad = self.bad.saturating_add(1);
        }
        self.row = 0;
    }

    /// Whether the next answer is wanted at once: the last one was good, and none was bad since the first good one.
    pub(crate) fn hurries(&self) -> bool {
        self.row > 0 && self.bad == 0
    }

    /// What a person is told of it: nothing, unless it answered well and then badly.
    pub(crate) fn told(&self) -> String {
        match self.bad {
            0 => String::new(),
            bad => format!(
                ", for its health check passes and fails by turns ({} good answers, {bad} bad ones)",
                self.good
            ),
        }
    }
}

/// Whether a container that its engine calls healthy is believed to be.
pub(crate) fn is_believed(container: &Container) -> bool {
    let often = container.check_every.is_some_and(|every| every <= OFTEN);
    let passed: Vec<bool> = container.checks.iter().map(|check| check.passed).collect();
    !often || has_settled(&passed)
}

/// The same of the runs of a check, oldest first.
fn has_settled(passed: &[bool]) -> bool {
    let needed = if falls(passed) { PASSES_AGAIN } else { PASSES };
    let row = passed.iter().rev().take_while(|passed| **passed).count();
    // An engine that remembers none has nothing more to say.
    passed.is_empty() || row >= needed
}

fn falls(passed: &[bool]) -> bool {
    passed.windows(2).any(|pair| pair[0] && !pair[1])
}

/// That a container's own check passes and fails by turns, with what it said when it failed last.
pub(crate) fn flaps(container: &Container) -> Option<String> {
    let passed: Vec<bool> = container.checks.iter().map(|check| check.passed).collect();
    let said = container.checks.iter().rev().find(|check| !check.passed)?.output.lines().last();
    let said = said.map_or_else(String::new, |line| format!(": {line}"));
    falls(&passed).then(|| format!("its own health check passes and fails by turns{said}"))
}

/// What came of a container's own checks.
pub(crate) fn counted(container: &Container) -> Option<Checks> {
    let count = |failed_only: bool| {
        let counted = container.checks.iter().filter(|check| !(failed_only && check.passed)).count();
        u32::try_from(counted).unwrap_or(u32::MAX)
    };
    (!container.checks.is_empty()).then(|| Checks { asked: count(false), failed: count(true) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many answers they are believed; `+` is a good one.
    fn believed(answers: &str) -> Option<usize> {
        let mut all = Answers::default();
        let good = |answer| match answer {
            '+' => all.good(),
            _ => {
                all.bad();
                false
            }
        };
        answers.chars().position(good).map(|at| at + 1)
    }

    #[test]
    fn three_good_answers_are_enough_and_one_by_turns_never_is() {
        assert_eq!(believed("+++"), Some(3));
        assert_eq!(believed("-----+++"), Some(8), "what fails while it boots does not count");
        assert_eq!(believed(&"+-".repeat(500)), None);
        assert_eq!(believed(&"++-".repeat(500)), None);
        assert_eq!(believed(&format!("+-{}", "+".repeat(30))), Some(8));
        assert_eq!(believed(&"+++++++++++++++++++++--".replace("+++", "++-")), None);
        let last = format!("{}{}", "+-".repeat(50), "+".repeat(30));
        assert_eq!(believed(&last), Some(100 + MOST as usize), "it may settle");
    }

    #[test]
    fn a_person_is_told_of_turns_only() {
        let mut answers = Answers::default();
        answers.bad();
        assert!(!answers.good() && answers.hurries() && answers.told().is_empty());
        answers.bad();
        assert_eq!(
            answers.told(),
            ", for its health check passes and fails by turns (1 good answers, 1 bad ones)"
        );
        assert!(!answers.hurries());
    }

    #[test]
    fn a_check_that_fell_back_must_pass_for_longer() {
        for (runs, settled) in [
            ("", true),
            ("+", false),
            ("-+", false),
            ("-++", true),
            ("+-+", false),
            ("-+-++", false),
            ("+-+++", false),
            ("-++++", true),
            ("+++-", false),
        ] {
            let passed: Vec<bool> = runs.chars().map(|run| run == '+').collect();
            assert_eq!(has_settled(&passed), settled, "{runs}");
        }
    }
}
