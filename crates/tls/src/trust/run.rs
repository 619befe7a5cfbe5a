//! Runs the system's own tools, without a shell and not for ever.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use landfall_fx::Clock;

/// One tool may take this long.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at whether it is done.
const LOOK: Duration = Duration::from_millis(10);
/// Where tools for administrators are, also when the path does not say so.
const ADMINISTRATORS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Runs tools.
pub(crate) struct Runner<'a> {
    pub(crate) clock: &'a dyn Clock,
}

/// Finds a tool.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(ADMINISTRATORS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(tool)).find(|file| file.is_file())
}

/// A command line as people type it.
pub(crate) fn shown(words: &[&str]) -> String {
    let quoted = |word: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:,+=@".contains(&byte);
        if !word.is_empty() && word.bytes().all(plain) {
            (*word).to_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The folder of a path and those above it.
pub(crate) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

impl Runner<'_> {
    /// Runs a tool and waits for it.
    ///
    /// # Errors
    /// Why it did not do its work, for people.
    pub(crate) fn run(&self, words: &[&str]) -> Result<(), String> {
        let (tool, arguments) = words.split_first().ok_or("no command")?;
        let line = shown(words);
        let program = find(tool).ok_or_else(|| format!("{tool} is not installed"))?;
        let mut command = Command::new(program);
        // What it prints is not kept: a full pipe would stop it.
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("`{line}` cannot be run: {error}"))?;
        let began = self.clock.elapsed();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("`{line}` failed ({status})")),
                Ok(None) if self.clock.elapsed() - began < LIMIT => self.clock.sleep(LOOK),
                Ok(None) => {
                    // It is ours and did not end; that it cannot be killed changes nothing.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("`{line}` did not end in {} s", LIMIT.as_secs()));
                }
                Err(error) => return Err(format!("`{line}`: {error}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_fx::SystemClock;

    use super::*;

    #[test]
    fn tools_are_run_and_their_failures_told() {
        let clock = SystemClock::new();
        let runner = Runner { clock: &clock };
        assert_eq!(runner.run(&["true"]), Ok(()));
        assert_eq!(runner.run(&["false"]), Err("`false` failed (exit status: 1)".to_owned()));
        assert_eq!(runner.run(&["no-such-tool"]), Err("no-such-tool is not installed".to_owned()));
        assert_eq!(shown(&["cp", "/a b/it's", "-d", ""]), r"cp '/a b/it'\''s' -d ''");
    }
}
