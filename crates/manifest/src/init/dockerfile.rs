//! A Dockerfile: its command, the port it was made for, and the container that it would make.

use super::folder::Folder;
use super::write::{Sketch, escaped, with_given_port};

/// The file that a builder looks for.
const FILE: &str = "Dockerfile";

/// What a Dockerfile says of how the application is started.
pub(super) struct Hints {
    pub(super) command: Option<String>,
    pub(super) port: Option<String>,
}

/// The service that the Dockerfile's command makes.
pub(super) fn look(folder: &Folder, found: &mut Vec<String>) -> Option<Sketch> {
    let hints = hints(&folder.read(FILE)?);
    let command = hints.command?;
    let run = with_given_port(&command, hints.port.as_deref());
    let why = if run.contains("PORT") {
        "the Dockerfile's command; PORT and HOST are given"
    } else {
        "the Dockerfile's command; make it listen on $PORT"
    };
    found.push(format!("the Dockerfile starts `{command}`, which runs here as a process"));
    if let Some(port) = hints.port {
        found.push(format!("the Dockerfile exposes port {port}; here the port is given, as $PORT"));
    }
    Some(Sketch::new("web").line("run", &escaped(&run), why))
}

/// The service with the line that runs it in a container, where its folder has a Dockerfile that nothing uses yet.
pub(super) fn offer(sketch: Sketch, folder: &Folder, found: &mut Vec<String>) -> Sketch {
    let (there, place) = match sketch.path() {
        None => (folder.has(FILE), String::new()),
        Some(path) => (folder.inner(path).is_ok_and(|inner| inner.has(FILE)), format!("{path}: ")),
    };
    // Files are served by the proxy, whatever they were made in.
    if !there || sketch.has("runtime") || sketch.has("output") {
        return sketch;
    }
    let sentence =
        format!("{place}there is a Dockerfile: `runtime = \"docker\"` runs what it makes in a container");
    if !found.contains(&sentence) {
        found.push(sentence);
    }
    sketch.idea("runtime = \"docker\"", "in a container, made by the Dockerfile; without it, as a process")
}

/// Reads the instructions of the last stage.
pub(super) fn hints(text: &str) -> Hints {
    let mut hints = Hints { command: None, port: None };
    let mut entrypoint: Option<String> = None;
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines().map(str::trim) {
        let Some((word, rest)) = line.split_once(char::is_whitespace) else { continue };
        match word.to_ascii_uppercase().as_str() {
            "FROM" => (hints, entrypoint) = (Hints { command: None, port: None }, None),
            "CMD" => hints.command = command(rest),
            "ENTRYPOINT" => entrypoint = command(rest),
            "EXPOSE" => {
                let port = rest.split_whitespace().next().and_then(|port| port.split('/').next());
                hints.port = port.filter(|port| port.parse::<u16>().is_ok()).map(str::to_owned);
            }
            _ => {}
        }
    }
    hints.command = match (entrypoint, hints.command) {
        (Some(entrypoint), Some(command)) => Some(format!("{entrypoint} {command}")),
        (entrypoint, command) => entrypoint.or(command),
    };
    hints
}

/// A command in either form, `["a", "b"]` or `a b`, as a shell line; `None` when it is empty.
pub(super) fn command(text: &str) -> Option<String> {
    let text = text.trim();
    let line = match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => match words.as_slice() {
            [shell, flag, line] if shell.ends_with("sh") && flag.ends_with('c') => line.clone(),
            words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
        },
        Err(_) => text.to_owned(),
    };
    (!line.trim().is_empty()).then_some(line)
}

/// A word as the shell reads it.
pub(super) fn quote(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_speaks() {
        let text = "FROM a\nCMD old\nFROM b\nEXPOSE 8000/tcp\nENTRYPOINT [\"gunicorn\"]\nCMD [\"-b\", \\\n \"0.0.0.0:8000\", \"a b\"]";
        let read = hints(text);
        assert_eq!(read.command.as_deref(), Some("gunicorn -b 0.0.0.0:8000 'a b'"));
        assert_eq!(read.port.as_deref(), Some("8000"));
        assert_eq!(command(r#"["sh", "-c", "a && b"]"#).as_deref(), Some("a && b"));
        assert_eq!(command("[]"), None);
    }
}
