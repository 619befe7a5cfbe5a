//! The text of a Dockerfile, instruction by instruction; quoting is done here and nowhere else.

use std::fmt::Write as _;

use landfall_model::Command;

/// Where Yarn 1 keeps what it has fetched, for root.
pub(super) const YARN_CACHE: &str = "/usr/local/share/.cache/yarn";

/// A Dockerfile in the making.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    buildkit: bool,
    /// Whether the last instruction is a `RUN`.
    after_run: bool,
}

/// What a `RUN` does, and with what at hand.
#[derive(Debug, Default)]
pub(super) struct Run<'a> {
    /// Folders that are kept from build to build, where the builder can do that.
    pub(super) caches: &'a [&'a str],
    /// Secrets that are in the environment while it runs.
    pub(super) secrets: &'a [String],
}

/// A `COPY`.
#[derive(Debug, Default, Clone)]
pub(super) struct Copy {
    /// The stage it copies from; the context when there is none.
    pub(super) from: Option<&'static str>,
    /// Whether the application's user owns it.
    pub(super) owned: bool,
    /// What is copied.
    pub(super) sources: Vec<String>,
    /// Where to; with several sources a folder, `/` at its end.
    pub(super) to: String,
}

impl Text {
    /// An empty one for a builder that is BuildKit or the classic one.
    pub(super) fn new(buildkit: bool) -> Self {
        Self { text: String::new(), buildkit, after_run: false }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Lines that say why.
    pub(super) fn comment(&mut self, text: &str) {
        let _ = writeln!(self.text, "# {text}");
    }

    /// An instruction as it is.
    pub(super) fn line(&mut self, instruction: &str) {
        self.write(instruction, false);
    }

    /// Begins a stage, a blank line before it.
    pub(super) fn stage(&mut self, image: &str, name: Option<&str>) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let name = name.map(|name| format!(" AS {name}")).unwrap_or_default();
        self.write(&format!("FROM {image}{name}"), false);
    }

    /// Declares build arguments, whose values come from outside.
    pub(super) fn args<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.write(&format!("ARG {name}"), false);
        }
    }

    /// Sets variables of the environment.
    pub(super) fn env(&mut self, variables: &[(&str, String)]) {
        let words = variables.iter().map(|(name, value)| {
            let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "/.:_-".contains(c));
            if plain && !value.is_empty() { format!("{name}={value}") } else { format!("{name}=\"{value}\"") }
        });
        let words: Vec<String> = words.collect();
        if !words.is_empty() {
            self.write(&format!("ENV {}", words.join(" \\\n    ")), false);
        }
    }

    /// Runs shell commands, one after the other as long as they succeed.
    pub(super) fn run(&mut self, with: &Run<'_>, commands: &[&str]) {
        let mut all = secrets(with.secrets);
        all.extend(commands.iter().map(|command| (*command).to_owned()));
        let mounts = self.mounts(with);
        let open = if mounts.len() > usize::from(all.len() == 1) { MORE } else { " " };
        let commands = all.join(" && \\\n    ");
        self.write(&format!("RUN{}{open}{commands}", joined(&mounts)), true);
    }

    /// Says that a `RUN` may follow the one before: they are kept apart so that one is done again without the other.
    pub(super) fn apart(&mut self) {
        if self.after_run {
            self.comment("hadolint ignore=DL3059");
        }
    }

    /// Runs what the user wrote, and then a command of ours.
    pub(super) fn run_command(&mut self, with: &Run<'_>, command: &Command, behind: Option<&str>) {
        match command {
            Command::Line(line) if is_plain_line(line) => {
                let mut line = line.trim().to_owned();
                if behind.is_some() && line.contains([';', '|', '&']) {
                    line = format!("( {line} )");
                }
                let commands: Vec<&str> = [line.as_str()].into_iter().chain(behind).collect();
                self.run(with, &commands);
                return;
            }
            Command::Words(words) if with.secrets.is_empty() => self.run_words(with, words),
            Command::Line(line) => {
                let script = script(with.secrets, line);
                self.run_words(with, &["/bin/sh".to_owned(), "-c".to_owned(), script]);
            }
            Command::Words(words) => {
                let script = script(with.secrets, "exec \"$0\" \"$@\"");
                let shell = ["/bin/sh".to_owned(), "-c".to_owned(), script];
                let all: Vec<String> = shell.into_iter().chain(words.iter().cloned()).collect();
                self.run_words(with, &all);
            }
        }
        if let Some(behind) = behind {
            self.run(&Run::default(), &[behind]);
        }
    }

    fn run_words(&mut self, with: &Run<'_>, words: &[String]) {
        let mounts = self.mounts(with);
        let open = if mounts.len() > 1 { MORE } else { " " };
        self.write(&format!("RUN{}{open}{}", joined(&mounts), json(words)), true);
    }

    /// Copies files.
    pub(super) fn copy(&mut self, copy: &Copy) {
        let mut words: Vec<String> = copy.sources.iter().map(|source| pattern(source)).collect();
        words.push(copy.to.clone());
        let from = copy.from.map(|stage| format!(" --from={stage}")).unwrap_or_default();
        let owner = if copy.owned { format!(" --chown={}", super::OWNER) } else { String::new() };
        let plain = |word: &String| {
            word.starts_with(|c| c != '[')
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@+=".contains(c) || !c.is_ascii())
        };
        let words = if words.iter().all(plain) { words.join(" ") } else { json(&words) };
        self.write(&format!("COPY{from}{owner} {words}"), false);
    }

    /// The command of an instance, never through a shell of the engine's choosing.
    pub(super) fn cmd(&mut self, words: &[String]) {
        self.write(&format!("CMD {}", json(words)), false);
    }

    fn mounts(&self, with: &Run<'_>) -> Vec<String> {
        let caches = with.caches.iter().filter(|_| self.buildkit);
        let caches = caches.map(|target| {
            // Of these managers only the first Yarn is confused by another one at its cache.
            let sharing = if *target == YARN_CACHE { ",sharing=locked" } else { "" };
            format!("--mount=type=cache,target={target}{sharing}")
        });
        let secrets = with.secrets.iter().map(|name| format!("--mount=type=secret,id={name},required=true"));
        caches.chain(secrets).collect()
    }

    fn write(&mut self, instruction: &str, is_run: bool) {
        let _ = writeln!(self.text, "{instruction}");
        self.after_run = is_run;
    }
}

/// What goes on in the next line.
const MORE: &str = " \\\n    ";

/// Flags of a `RUN`, a line each when there are several.
fn joined(flags: &[String]) -> String {
    if flags.is_empty() { String::new() } else { format!(" {}", flags.join(MORE)) }
}

/// Shell commands that put secrets from their files into the environment, of this `RUN` alone.
fn secrets(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{name}=\"$(cat /run/secrets/{name})\" && export {name}")).collect()
}

/// A shell line behind the commands that bring the secrets.
fn script(names: &[String], line: &str) -> String {
    let mut all = secrets(names);
    all.push(line.to_owned());
    all.join(" && ")
}

/// A word of a shell line.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.=+,/:@%".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Whether a shell line can stand behind `RUN` as it is: one line that Docker takes for nothing else.
fn is_plain_line(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty()
        && !line.contains(['\n', '\r'])
        && !line.contains("<<")
        && !line.starts_with(['[', '#', '-'])
        && !line.ends_with(['\\', '`'])
}

/// Words as the JSON that the exec form is.
fn json(words: &[String]) -> String {
    let words: Vec<String> =
        words.iter().map(|word| serde_json::Value::from(word.as_str()).to_string()).collect();
    format!("[{}]", words.join(", "))
}

/// A path as the pattern that matches it alone, its variables kept from being replaced.
fn pattern(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '[' | '*' | '?' => {
                text.push('[');
                text.push(character);
                text.push(']');
            }
            '$' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(buildkit: bool, make: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::new(buildkit);
        make(&mut text);
        text.finish()
    }

    #[test]
    fn caches_are_for_those_who_can_have_them() {
        let with = Run { caches: &["/root/.cache/pip"], secrets: &[] };
        let text = made(true, |text| text.run(&with, &["pip install a"]));
        assert_eq!(text, "RUN --mount=type=cache,target=/root/.cache/pip pip install a\n");
        assert_eq!(made(false, |text| text.run(&with, &["a", "b"])), "RUN a && \\\n    b\n");
    }

    #[test]
    fn secrets_are_in_the_environment_of_one_run() {
        let names = ["TOKEN".to_owned()];
        let with = Run { caches: &[], secrets: &names };
        let text = made(true, |text| text.run_command(&with, &Command::Line("npm ci".to_owned()), None));
        assert_eq!(
            text,
            "RUN --mount=type=secret,id=TOKEN,required=true \\\n    \
             TOKEN=\"$(cat /run/secrets/TOKEN)\" && export TOKEN && \\\n    npm ci\n"
        );
        let words = Command::Words(vec!["npm".to_owned(), "ci".to_owned()]);
        let text = made(true, |text| text.run_command(&with, &words, None));
        assert_eq!(
            text,
            "RUN --mount=type=secret,id=TOKEN,required=true [\"/bin/sh\", \"-c\", \
             \"TOKEN=\\\"$(cat /run/secrets/TOKEN)\\\" && export TOKEN && exec \\\"$0\\\" \\\"$@\\\"\", \"npm\", \"ci\"]\n"
        );
    }

    #[test]
    fn lines_that_docker_would_read_otherwise_are_handed_over_whole() {
        let run = |line: &str| {
            made(true, |text| text.run_command(&Run::default(), &Command::Line(line.to_owned()), None))
        };
        assert_eq!(run("make && ls | wc"), "RUN make && ls | wc\n");
        for line in ["a\nb", "cat <<EOF", "[ -e a ]", "# a", "--x", "a \\"] {
            assert!(run(line).starts_with("RUN [\"/bin/sh\", \"-c\", \""), "{line}");
        }
    }

    #[test]
    fn paths_stay_themselves() {
        let copy = |source: &str| {
            let copy = Copy { sources: vec![source.to_owned()], to: "./".to_owned(), ..Copy::default() };
            made(true, |text| text.copy(&copy))
        };
        assert_eq!(copy("a/b-c.txt"), "COPY a/b-c.txt ./\n");
        assert_eq!(copy("a b"), "COPY [\"a b\", \"./\"]\n");
        assert_eq!(copy("[a]*"), "COPY [\"[[]a][*]\", \"./\"]\n");
        assert_eq!(copy("$a"), "COPY [\"\\\\$a\", \"./\"]\n");
    }
}
