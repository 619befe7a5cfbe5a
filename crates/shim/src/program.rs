//! What a command comes down to: a program, its arguments, and who gets its signals. Pure but for looking into PATH.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall_model::Command;

/// Where programs are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The exit code of a shell that finds no such command (POSIX, Shell Command Language, 2.8.2).
pub(crate) const NOT_FOUND: i32 = 127;
/// The exit code of a shell that may not execute what it found (the same).
pub(crate) const NOT_EXECUTABLE: i32 = 126;

/// Who gets a signal that is meant for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The main process: it is the program itself.
    Main,
    /// The whole process group: the main process is a shell that passes nothing on.
    Group,
}

/// A program to be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The file, absolute.
    pub(crate) file: PathBuf,
    /// The name it is called by, and its arguments.
    pub(crate) words: Vec<String>,
    pub(crate) target: Target,
}

/// Why there is nothing to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoProgram {
    /// As a shell would say it.
    pub(crate) message: String,
    /// The exit code a shell would give.
    pub(crate) code: i32,
}

/// Works out what to execute for `command` in `folder`: a line goes to `/bin/sh`, replaced by the program itself where
/// it is one simple command; words go to no shell, looked up in the environment's own `PATH`.
pub(crate) fn program(
    command: &Command,
    folder: &Path,
    env: &BTreeMap<String, String>,
) -> Result<Program, NoProgram> {
    match command {
        Command::Line(line) => {
            let simple = simple(line);
            let target = if simple.is_some() { Target::Main } else { Target::Group };
            let script = simple.map_or_else(|| line.clone(), |line| format!("exec {line}"));
            let words = vec!["sh".to_owned(), "-c".to_owned(), script];
            Ok(Program { file: PathBuf::from("/bin/sh"), words, target })
        }
        Command::Words(words) => {
            let name = words.first().filter(|name| !name.is_empty()).ok_or_else(|| NoProgram {
                message: "landfall: the command is empty".to_owned(),
                code: NOT_FOUND,
            })?;
            let path = env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
            let file = find(name, folder, path)?;
            Ok(Program { file, words: words.clone(), target: Target::Main })
        }
    }
}

/// The line without a leading `exec` if it is one simple command, so that `exec` may stand before it: nothing in it
/// but words, variables and quotes, and the first word is a program's name.
fn simple(line: &str) -> Option<&str> {
    /// Reserved words and built-in utilities (POSIX, Shell Command Language, 2.4, 2.14; XCU 1.6), which `exec` does
    /// not find.
    const BUILT_IN: &[&str] = &[
        "!", ".", ":", "[", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done",
        "echo", "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fg", "fi", "for",
        "function", "getopts", "hash", "if", "jobs", "kill", "local", "printf", "pwd", "read", "readonly",
        "return", "select", "set", "shift", "source", "test", "then", "time", "times", "trap", "true",
        "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
    ];
    let line = line.trim();
    let line = line.strip_prefix("exec ").map_or(line, str::trim_start);
    let first = line.split_ascii_whitespace().next()?;
    let compound =
        without_braced_names(line).contains([';', '|', '&', '<', '>', '(', ')', '{', '}', '`', '\n']);
    let assignment = first.split_once('=').is_some_and(|(name, _)| is_name(name));
    (!compound && !assignment && !first.starts_with('-') && !BUILT_IN.contains(&first)).then_some(line)
}

/// The line without every plain `${NAME}`, whose braces group no commands.
fn without_braced_names(line: &str) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some(at) = rest.find("${") {
        text.push_str(&rest[..at]);
        rest = match rest[at + 2..].split_once('}') {
            Some((name, after)) if is_name(name) => after,
            _ => {
                text.push_str("${");
                &rest[at + 2..]
            }
        };
    }
    text.push_str(rest);
    text
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Finds a program as `execvp(3)` does: a name with a slash is a path, from `folder` on; another is looked for in
/// `path`.
fn find(name: &str, folder: &Path, path: &str) -> Result<PathBuf, NoProgram> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![folder.join(name)]
    } else {
        path.split(':').map(|entry| folder.join(entry).join(name)).collect()
    };
    let files = || candidates.iter().filter_map(|file| Some((file, std::fs::metadata(file).ok()?)));
    if let Some((file, _)) =
        files().find(|(_, facts)| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    {
        return Ok(file.clone());
    }
    Err(match files().next() {
        Some((file, _)) => NoProgram {
            message: format!("landfall: {}: Permission denied", file.display()),
            code: NOT_EXECUTABLE,
        },
        None => NoProgram { message: format!("landfall: {name}: not found"), code: NOT_FOUND },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_lines_are_told_from_compound_ones() {
        for line in [
            "gunicorn --bind $HOST:$PORT app:app",
            "  node server.js ",
            "./run 'a b' \"$X\" # as is",
            "gunicorn --bind ${HOST}:${PORT} app:app",
            "env A=1 node x.js",
        ] {
            assert_eq!(simple(line), Some(line.trim()), "{line}");
        }
        assert_eq!(simple("exec node x.js"), Some("node x.js"));
        for line in [
            "",
            "a; b",
            "a && b",
            "a | b",
            "a > b",
            "a < b",
            "$(a)",
            "`a`",
            "a\nb",
            "{ a; }",
            "A=1 b",
            "cd x",
            "if x",
            "! a",
            "exec",
            "${A:-b} c",
            "${A} & b",
            "exec -a x y",
        ] {
            assert_eq!(simple(line), None, "{line}");
        }
    }

    #[test]
    fn words_are_found_in_the_given_path_and_reach_no_shell() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bin/tool");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let run = |words: &[&str], path: &str| {
            let command = Command::Words(words.iter().map(|w| (*w).to_owned()).collect());
            let env = BTreeMap::from([("PATH".to_owned(), path.to_owned())]);
            program(&command, folder.path(), &env).map(|p| p.file).map_err(|e| e.code)
        };
        assert_eq!(run(&["tool"], "bin"), Err(NOT_EXECUTABLE));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(run(&["tool", "$(x)"], "/nowhere:bin"), Ok(file.clone()));
        assert_eq!(run(&["bin/tool"], ""), Ok(file));
        assert_eq!(run(&["tool"], "/nowhere"), Err(NOT_FOUND));
        assert_eq!(run(&["bin"], "."), Err(NOT_EXECUTABLE), "a folder");
        assert_eq!(run(&[], "bin"), Err(NOT_FOUND));
    }

    #[test]
    fn lines_go_to_the_shell() {
        let of = |line: &str| {
            let line = Command::Line(line.to_owned());
            let program = program(&line, Path::new("/"), &BTreeMap::new()).unwrap();
            (program.words[2].clone(), program.target)
        };
        assert_eq!(of("exec a b"), ("exec a b".to_owned(), Target::Main));
        assert_eq!(of("a && b"), ("a && b".to_owned(), Target::Group));
    }
}
