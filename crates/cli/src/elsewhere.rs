//! Words that are no commands here: those of other tools, and slips of the hand. Each is told with the command that is
//! meant.

use std::ffi::OsString;

use landfall_manifest::nearest;
use landfall_model::Fault;

use crate::arguments;

/// Words of other tools, and what does here what they do there.
const WORDS: &[(&[&str], &str)] = &[
    (&["ps", "ls", "list", "inspect", "top", "info"], "`landfall status` shows what runs"),
    (
        &["up", "start", "serve", "launch", "apply", "release", "ship", "update", "upgrade"],
        "`landfall deploy` starts what the manifest says, and replaces what has changed",
    ),
    (
        &["restart", "reload"],
        "`landfall deploy` replaces what has changed, and what ends is started again by itself; `landfall down SERVICE` and \
         `landfall deploy` start a service from nothing",
    ),
    (
        &["stop", "rm", "remove", "delete", "destroy", "kill", "teardown", "uninstall"],
        "`landfall down` stops services and takes them away, their volumes only with `--volumes`",
    ),
    (&["push", "pull"], "`landfall deploy` brings what it needs: nothing is pushed or pulled by hand"),
    (&["scale"], "`replicas = N` in the service's part of landfall.toml, then `landfall deploy`"),
    (&["log", "tail"], "`landfall logs -f` shows what instances print"),
    (&["ssh", "shell", "sh", "bash", "attach", "console"], "`landfall exec SERVICE -- sh` opens a shell"),
    (&["diff", "preview", "dry-run"], "`landfall plan` shows what a deploy would do"),
    (&["new", "create"], "`landfall init` writes a manifest, `landfall deploy` runs what it says"),
    (&["validate", "lint", "config"], "`landfall check` says everything that is wrong with the manifest"),
    (&["revert", "downgrade"], "`landfall rollback` makes an earlier release serve again"),
    (&["releases", "events", "deployments"], "`landfall history` lists what was done"),
    (
        &["prune", "clean", "gc", "df"],
        "`landfall disk` shows what takes what; `--prune` takes away what nothing needs",
    ),
    (&["open", "url", "urls"], "`landfall status` shows the address of each service"),
];

/// The fault for a first word that is no command.
pub(crate) fn unknown(words: &[OsString]) -> Fault {
    let word = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let commands = arguments::definition();
    let commands = commands.get_subcommands().filter(|command| !command.is_hide_set());
    let elsewhere =
        WORDS.iter().find(|(words, _)| words.contains(&&*word)).map(|(_, what)| (*what).to_owned());
    let help = elsewhere.or_else(|| {
        let nearest = nearest(&word, commands.map(clap::Command::get_name))?;
        Some(format!("did you mean `landfall {nearest}`?"))
    });
    Fault::usage(format!("there is no command `{word}`"))
        .help(help.unwrap_or_else(|| "`landfall --help` lists the commands".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(word: &str) -> String {
        unknown(&[word.into()]).help.unwrap()
    }

    #[test]
    fn words_of_other_tools_lead_to_commands_that_there_are() {
        assert!(help("ps").starts_with("`landfall status`"));
        assert!(help("stop").starts_with("`landfall down`"));
        let commands = arguments::definition();
        let known: Vec<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
        for (words, what) in WORDS {
            for (at, named) in what.match_indices("`landfall ").map(|(at, name)| (at + name.len(), what)) {
                let verb = named[at..].split([' ', '`']).next().unwrap();
                assert!(known.contains(&verb), "`{verb}` is promised");
            }
            // A word that has become a command is none of another tool's.
            assert!(words.iter().all(|word| !known.contains(word)), "{words:?}");
        }
    }

    #[test]
    fn slips_of_the_hand_are_told_and_strangers_are_not_guessed() {
        assert_eq!(help("deply"), "did you mean `landfall deploy`?");
        assert_eq!(help("Status"), "did you mean `landfall status`?");
        assert_eq!(help("banana"), "`landfall --help` lists the commands");
    }
}
