//! Rules: what Python and its servers say when an application cannot be loaded.

use landfall_model::Evidence;

use super::{Finding, between, newest, newest_with_context, short};

/// `SyntaxError: invalid syntax` under the line it is about.
pub(super) fn syntax_error(evidence: &Evidence) -> Option<Finding> {
    let (what, before) = newest_with_context(evidence, |line| {
        ["SyntaxError: ", "IndentationError: ", "TabError: "].iter().find_map(|kind| line.strip_prefix(kind))
    })?;
    // Node's has the same name, but no line of this form before it.
    let place = before.take(5).find_map(place)?;
    Finding::new(
        format!("{place} is not valid Python: {what}"),
        "correct it (`python3 -m py_compile FILE` shows it too) and deploy again",
    )
}

/// `ModuleNotFoundError: No module named 'flask'`.
pub(super) fn module_missing(evidence: &Evidence) -> Option<Finding> {
    let (module, before) = newest_with_context(evidence, |line| {
        between(line.strip_prefix("ModuleNotFoundError: ")?, "No module named '", "'")
    })?;
    Finding::new(
        format!("the Python module `{module}` is not installed{}", wanted_by(before)),
        format!(
            "add it to requirements.txt (or pyproject.toml); if `{module}` is your own, see that it is in the service's folder"
        ),
    )
}

/// `ImportError: cannot import name 'x' from 'y' (…)`.
pub(super) fn cannot_import(evidence: &Evidence) -> Option<Finding> {
    let (what, before) = newest_with_context(evidence, |line| line.strip_prefix("ImportError: "))?;
    let cause = match (between(what, "cannot import name '", "'"), between(what, "from '", "'")) {
        (Some(name), Some(module)) => format!("the Python module `{module}` has no `{name}`"),
        _ => format!("an import fails: {what}"),
    };
    Finding::new(
        format!("{cause}{}", wanted_by(before)),
        "correct the import, or pin the version of the package that has it, and deploy again",
    )
}

/// The server runs, but what `run` names as the application is not there.
pub(super) fn application_missing(evidence: &Evidence) -> Option<Finding> {
    let cause = newest(evidence, |line| {
        if let Some(module) = between(line, "Could not import module \"", "\"") {
            return Some(format!("the server cannot import the module `{module}`"));
        }
        if let Some(name) = between(line, "Failed to find attribute '", "'") {
            return Some(format!(
                "`{}` has no `{name}`",
                between(line, "' in '", "'").unwrap_or("the module")
            ));
        }
        let name = between(line, "Attribute \"", "\" not found in module")?;
        Some(format!("`{}` has no `{name}`", between(line, "in module \"", "\"").unwrap_or("the module")))
    })?;
    Finding::new(cause, "name the application in `run` as MODULE:NAME, from the service's folder on")
}

/// ` (guestbook.py:3)`: the last place of a traceback that is the user's own.
fn wanted_by<'l>(before: impl Iterator<Item = &'l str>) -> String {
    let own = |place: &String| {
        !["<frozen", "site-packages", "/lib/python"].iter().any(|theirs| place.contains(theirs))
    };
    before
        .take_while(|line| !line.starts_with("Traceback"))
        .filter_map(place)
        .find(own)
        .map_or_else(String::new, |place| format!(" ({place})"))
}

/// `guestbook.py:3` out of `  File "/…/guestbook.py", line 3, in <module>`.
fn place(line: &str) -> Option<String> {
    let line = line.trim_start().strip_prefix("File \"")?;
    let (file, rest) = line.split_once("\", line ")?;
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{}:{number}", short(file)))
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;

    const RELEASE: &str = "/var/lib/landfall/apps/g/dev/web/releases/1.0.0-20261120131502";

    #[track_caller]
    fn check(log: &str, cause: &str) -> Case {
        Case::exited(1, &log.replace("RELEASE", RELEASE)).cause(cause)
    }

    #[test]
    fn syntax_errors() {
        let gunicorn = "  File \"<frozen importlib._bootstrap>\", line 241, in _call_with_frames_removed
  File \"RELEASE/guestbook.py\", line 2
    def index(:
              ^
SyntaxError: invalid syntax
invalid syntax (syn.py, line 2)
[2026-11-21 02:31:07 +0000] [21636] [INFO] Worker exiting (pid: 21636)
[2026-11-21 02:31:07 +0000] [21624] [ERROR] Worker (pid:21636) exited with code 3.
[2026-11-21 02:31:07 +0000] [21624] [ERROR] Shutting down: Master
[2026-11-21 02:31:07 +0000] [21624] [ERROR] Reason: Worker failed to boot.";
        check(gunicorn, "guestbook.py:2 is not valid Python: invalid syntax").advice("py_compile");
        let indentation =
            "  File \"RELEASE/app/x.py\", line 9\n    pass\nIndentationError: unexpected indent";
        check(indentation, "app/x.py:9 is not valid Python: unexpected indent");
    }

    #[test]
    fn modules_that_are_not_installed() {
        let flask = "Traceback (most recent call last):
  File \"RELEASE/guestbook.py\", line 1, in <module>
    from flaskk import Flask
ModuleNotFoundError: No module named 'flaskk'";
        check(flask, "the Python module `flaskk` is not installed (guestbook.py:1)")
            .advice("requirements.txt");
        let deep = "Traceback (most recent call last):
  File \"RELEASE/guestbook.py\", line 1, in <module>
    import flask_login
  File \"/deps/3f/lib/python3.11/site-packages/flask_login/x.py\", line 4, in <module>
    from werkzeug.urls import url_decode
ImportError: cannot import name 'url_decode' from 'werkzeug.urls' (/deps/x.py)";
        check(deep, "the Python module `werkzeug.urls` has no `url_decode` (guestbook.py:1)").advice("pin");
        check(
            "ImportError: libpq.so.5: cannot open shared object file",
            "an import fails: libpq.so.5: cannot open shared object file",
        );
    }

    #[test]
    fn applications_that_are_not_there() {
        let uvicorn = "ERROR:    Error loading ASGI app. Could not import module \"nomod\".";
        check(uvicorn, "the server cannot import the module `nomod`").advice("MODULE:NAME");
        check("Failed to find attribute 'nope' in 'guestbook'.", "`guestbook` has no `nope`");
        let uvicorn = "ERROR:    Error loading ASGI app. Attribute \"nope\" not found in module \"main\".";
        check(uvicorn, "`main` has no `nope`");
    }
}
