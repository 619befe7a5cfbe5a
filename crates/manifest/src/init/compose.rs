//! A compose file: services whose command is visible run as processes, the others become comments.
//!
//! Read line by line: enough of YAML for the shape that compose files have, and no more; what is not understood is left
//! out.

use super::folder::Folder;
use super::write::{Sketch, escaped, with_given_port};
use super::{Seen, dockerfile};

/// The names a compose file has, in the order of the specification.
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// A service of the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    name: String,
    image: Option<String>,
    /// The folder it is built in.
    build: Option<String>,
    command: Option<String>,
    /// The port inside the container.
    port: Option<String>,
}

/// Adds what the compose file says.
pub(super) fn look(folder: &Folder, seen: &mut Seen) {
    let Some(file) = folder.first(&FILES) else { return };
    for entry in read(&folder.read(file).unwrap_or_default()) {
        if let Some(sketch) = native(&entry, folder, seen) {
            seen.services.push(sketch);
            continue;
        }
        let what = entry.image.as_ref().map_or_else(String::new, |image| format!(" (image {image})"));
        seen.found.push(format!("{file} has `{}`{what}, which no process can stand for here", entry.name));
        seen.notes.push(format!(
            "{file} has `{}`{what}: run it yourself, and give its address in `env`; images come with a later version.",
            entry.name
        ));
    }
}

/// The service as a process, where a command is visible.
fn native(entry: &Entry, folder: &Folder, seen: &mut Seen) -> Option<Sketch> {
    let context = entry.build.as_deref()?;
    let path = context.trim_start_matches("./").trim_end_matches('/');
    let path = if path.is_empty() { "." } else { path };
    if path != "." && (!crate::forms::INSIDE.accepts(path) || !folder.has_folder(path)) {
        return None;
    }
    let inner = folder.inner(path).ok()?;
    let Some(command) = &entry.command else {
        let sketch = super::framework(&inner, &mut seen.found)
            .or_else(|| dockerfile::look(&inner, &mut seen.found))?;
        seen.found
            .push(format!("the compose file's `{}` is built here, so it runs as a process", entry.name));
        return Some(sketch.named(&entry.name).below(path));
    };
    seen.found.push(format!("the compose file's `{}` runs `{command}`, here as a process", entry.name));
    let run = escaped(&with_given_port(command, entry.port.as_deref()));
    let sketch = Sketch::new(&entry.name).below(path);
    Some(match entry.port {
        None => sketch.line("kind", "worker", "it has no port").line("run", &run, "from the compose file"),
        Some(_) if run.contains("PORT") => {
            sketch.line("run", &run, "from the compose file; HOST and PORT are given")
        }
        Some(_) => sketch.line("run", &run, "from the compose file; make it listen on $PORT"),
    })
}

/// The services of a compose file.
fn read(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut inside = false;
    let mut service_indent = None;
    let mut key_indent = None;
    let mut key = String::new();
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if indent == 0 {
            inside = content == "services:";
            continue;
        }
        if !inside {
            continue;
        }
        if indent <= *service_indent.get_or_insert(indent) {
            let name = content.trim_end_matches(':').trim_matches(['"', '\'']);
            entries.push(Entry { name: name.to_owned(), ..Entry::default() });
            key_indent = None;
            continue;
        }
        let Some(entry) = entries.last_mut() else { continue };
        let item = content.strip_prefix("- ");
        if indent <= *key_indent.get_or_insert(indent) && item.is_none() {
            let (name, value) = content.split_once(':').unwrap_or((content, ""));
            name.clone_into(&mut key);
            set(entry, &key, scalar(value));
        } else if let Some(item) = item {
            add(entry, &key, &scalar(item));
        } else if let ("build", Some(("context", value))) = (key.as_str(), content.split_once(':')) {
            entry.build = Some(scalar(value));
        }
    }
    entries
}

fn set(entry: &mut Entry, key: &str, value: String) {
    match key {
        "image" if !value.is_empty() => entry.image = Some(value),
        "build" => entry.build = Some(if value.is_empty() { ".".to_owned() } else { value }),
        "command" => entry.command = dockerfile::command(&value.replace("$$", "$")),
        "ports" | "expose" => {
            if let Ok(ports) = serde_json::from_str::<Vec<serde_json::Value>>(&value) {
                ports.iter().for_each(|port| add(entry, key, port.to_string().trim_matches('"')));
            }
        }
        _ => {}
    }
}

/// An item of a list.
fn add(entry: &mut Entry, key: &str, item: &str) {
    match key {
        "command" => {
            let word = dockerfile::quote(&item.replace("$$", "$"));
            entry.command =
                Some(entry.command.take().map_or_else(|| word.clone(), |line| format!("{line} {word}")));
        }
        "ports" | "expose" if entry.port.is_none() => {
            let port = item.split('/').next().and_then(|port| port.rsplit(':').next()).map(str::trim);
            entry.port = Some(port.filter(|port| port.parse::<u16>().is_ok()).unwrap_or_default().to_owned());
        }
        _ => {}
    }
}

/// A value without its quotes and its comment.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return text[1..].split(quote).next().unwrap_or_default().to_owned();
    }
    text.split(" #").next().unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read() {
        let text = "version: '3'\nservices:\n  web:\n    build:\n      context: ./app\n    command: gunicorn -b 0.0.0.0:8000 app:app # x\n    ports:\n      - \"80:8000\"\n  worker:\n    build: .\n    command: [\"python\", \"-m\", \"a b\"]\n  list:\n    build: .\n    command:\n    - sleep\n    - '5'\n  db:\n    image: \"postgres:16\"\nvolumes:\n  data:\n";
        let entries = read(text);
        let shown: Vec<String> = entries
            .iter()
            .map(|e| format!("{} {:?} {:?} {:?} {:?}", e.name, e.image, e.build, e.command, e.port))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        web None Some("./app") Some("gunicorn -b 0.0.0.0:8000 app:app") Some("8000")
        worker None Some(".") Some("python -m 'a b'") None
        list None Some(".") Some("sleep 5") None
        db Some("postgres:16") None None None
        "#);
    }
}
