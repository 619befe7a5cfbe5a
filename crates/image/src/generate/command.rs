//! A command of the user's as the `CMD` of an image, and which programs it calls.

use landfall_model::Command;

/// Characters that mean something to a shell.
const SPECIAL: &str = "$`\\\"'|&;<>()*?[]{}~#!\n\r";

/// The words that an image executes: the command's own where no shell is needed, else `/bin/sh -c` with a line that makes
/// way for the program where it is a single one, so that signals reach it.
pub(super) fn words(command: &Command) -> Vec<String> {
    match command {
        Command::Words(words) => words.clone(),
        Command::Line(line) if needs_no_shell(line) => line.split_whitespace().map(str::to_owned).collect(),
        Command::Line(line) => {
            let line = line.trim();
            let line = if is_single(line) { format!("exec {line}") } else { line.to_owned() };
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line]
        }
    }
}

/// Whether a line of several commands stands between the engine's signals and the application.
pub(super) fn hides_signals(command: &Command) -> bool {
    matches!(command, Command::Line(line) if !needs_no_shell(line) && !is_single(line.trim()))
}

/// The programs that a command calls, in order, paths as they are written.
pub(super) fn programs(command: &Command) -> Vec<String> {
    match command {
        Command::Words(words) => words.iter().take(1).cloned().collect(),
        Command::Line(line) => {
            line.split(['|', '&', ';', '\n', '(', ')']).filter_map(program).map(str::to_owned).collect()
        }
    }
}

/// The program of a simple command, behind assignments and words that only lead to it.
fn program(simple: &str) -> Option<&str> {
    let leading = ["exec", "env", "time", "nohup", "if", "then", "do", "!"];
    simple.split_whitespace().find(|word| !leading.contains(word) && !is_assignment(word))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn needs_no_shell(line: &str) -> bool {
    let first = line.split_whitespace().next();
    !line.contains(|c| SPECIAL.contains(c))
        && first.is_some_and(|word| !is_assignment(word) && !is_builtin(word))
}

/// Whether a word is something that only a shell does.
fn is_builtin(word: &str) -> bool {
    matches!(
        word,
        "." | ":"
            | "cd"
            | "exec"
            | "export"
            | "if"
            | "for"
            | "while"
            | "case"
            | "set"
            | "unset"
            | "trap"
            | "ulimit"
            | "umask"
            | "eval"
            | "source"
            | "until"
            | "!"
    )
}

/// Whether a line is one simple command, which `exec` can stand before. Quotes may hold anything.
fn is_single(line: &str) -> bool {
    let Some(first) = line.split_whitespace().next() else { return false };
    if is_assignment(first) || is_builtin(first) || first.starts_with(['(', '{', '#', '<', '>']) {
        return false;
    }
    let (mut quote, mut rest) = (None, line.chars());
    while let Some(character) = rest.next() {
        match (quote, character) {
            (None | Some('"'), '\\') => {
                rest.next();
            }
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), same) if open == same => quote = None,
            // What a substitution holds is done before the program starts.
            (None, '|' | '&' | ';' | '\n' | '\r') => return false,
            _ => {}
        }
    }
    quote.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Command {
        Command::Line(text.to_owned())
    }

    #[test]
    fn a_shell_is_only_called_where_one_is_needed() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(&line(text)), expected, "{text}");
        check("node server.js", &["node", "server.js"]);
        check("  gunicorn   -w 4 app:app ", &["gunicorn", "-w", "4", "app:app"]);
        check("gunicorn -b $HOST:$PORT a:b", &["/bin/sh", "-c", "exec gunicorn -b $HOST:$PORT a:b"]);
        check("gunicorn 'a:b()'", &["/bin/sh", "-c", "exec gunicorn 'a:b()'"]);
        check("a 'x; y' \"$(b | c)\"", &["/bin/sh", "-c", "exec a 'x; y' \"$(b | c)\""]);
        for kept in [
            "a && b",
            "A=1 b",
            "cd x",
            "a | b",
            "(a)",
            "exec a $B",
            "a 'b",
            "if a; then b; fi",
            "a\nb",
            "a &",
        ] {
            check(kept, &["/bin/sh", "-c", kept]);
        }
        assert!(
            hides_signals(&line("a && b")) && !hides_signals(&line("a $B")) && !hides_signals(&line("a"))
        );
        let given = vec!["a b".to_owned(), "$C".to_owned()];
        assert_eq!(words(&Command::Words(given.clone())), given);
    }

    #[test]
    fn programs_are_found_behind_what_leads_to_them() {
        let check = |text: &str, expected: &[&str]| assert_eq!(programs(&line(text)), expected, "{text}");
        check("npm ci && npm run build", &["npm", "npm"]);
        check("A=1 exec ./b --c | d; e", &["./b", "d", "e"]);
        check("", &[]);
        assert_eq!(programs(&Command::Words(vec!["python3".to_owned(), "a".to_owned()])), ["python3"]);
    }
}
