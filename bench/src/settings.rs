//! What is measured: the groups and the options of the command line.

use std::fmt;
use std::path::PathBuf;

/// What `--help` and a wrong argument print.
pub(crate) const USAGE: &str = "usage: landfall-bench [GROUP…] [--runs N] [--seconds N] [--binary FILE]
  groups: basics tiny guestbook proxy upgrade strategies canary containers (all of them when none is named)
  --runs     repetitions of a measurement, for a quicker or a surer figure
  --seconds  length of one run of the load generator (`proxy`)
  --binary   the landfall to measure, instead of one that is built";

/// Figures that are measured together and have a section of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Small commands, large plans, idle memory, a release that does not boot.
    Basics,
    /// Deploys of a program that boots in 20 ms.
    Tiny,
    /// Deploys of Flask, gunicorn and SQLite; needs a package index.
    Guestbook,
    /// Speed, CPU and memory of the proxy beside nginx, `HAProxy` and Caddy.
    Proxy,
    /// The proxy replaced by its next version, and killed.
    Upgrade,
    /// Deploys of every strategy, with websockets and event streams open.
    Strategies,
    /// Canaries that must be taken back, and that must be promoted.
    Canary,
    /// A changed line in a container image, beside compose and a script with a registry.
    Containers,
}

impl Group {
    /// All, in the order of the report.
    pub(crate) const ALL: [Self; 8] = [
        Self::Basics,
        Self::Tiny,
        Self::Guestbook,
        Self::Proxy,
        Self::Upgrade,
        Self::Strategies,
        Self::Canary,
        Self::Containers,
    ];

    /// Its name on the command line and in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basics => "basics",
            Self::Tiny => "tiny",
            Self::Guestbook => "guestbook",
            Self::Proxy => "proxy",
            Self::Upgrade => "upgrade",
            Self::Strategies => "strategies",
            Self::Canary => "canary",
            Self::Containers => "containers",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The command line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// In the order of the report, each once.
    pub(crate) groups: Vec<Group>,
    /// Repetitions; `None` for each group's own number.
    pub(crate) runs: Option<u32>,
    /// Seconds of one run of the load generator; `None` for the group's own.
    pub(crate) seconds: Option<u32>,
    /// What is measured; `None` for what is built from this source.
    pub(crate) binary: Option<PathBuf>,
}

impl Settings {
    /// Reads arguments, the program's name left out.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let mut named = Vec::new();
        let (mut runs, mut seconds, mut binary) = (None, None, None);
        while let Some(argument) = arguments.next() {
            let option = match argument.as_str() {
                "--runs" => &mut runs,
                "--seconds" => &mut seconds,
                "--binary" => {
                    let file = arguments.next().and_then(|file| std::fs::canonicalize(file).ok());
                    binary = Some(file.ok_or("--binary needs a file")?);
                    continue;
                }
                name => {
                    let group = Group::ALL.into_iter().find(|group| group.name() == name);
                    named.push(group.ok_or_else(|| format!("`{name}` is no group and no option"))?);
                    continue;
                }
            };
            let number = arguments.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
            *option = Some(number.ok_or_else(|| format!("{argument} needs a number above 0"))?);
        }
        let all = named.is_empty();
        let groups = Group::ALL.into_iter().filter(|group| all || named.contains(group)).collect();
        Ok(Self { groups, runs, seconds, binary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Settings, String> {
        Settings::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn groups_come_once_and_in_the_order_of_the_report() {
        assert_eq!(parse("").unwrap().groups, Group::ALL);
        let settings = parse("proxy basics proxy --runs 3").unwrap();
        assert_eq!((settings.groups, settings.runs), (vec![Group::Basics, Group::Proxy], Some(3)));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, named) in [
            ("speed", "`speed`"),
            ("--runs", "--runs"),
            ("--runs 0", "--runs"),
            ("--seconds x", "--seconds"),
            ("--binary /none", "--binary"),
        ] {
            assert!(parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
