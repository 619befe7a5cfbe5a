//! A Procfile: one service a line.

use super::Seen;
use super::folder::Folder;
use super::write::{Sketch, escaped};

/// Adds a service for each line `name: command`.
pub(super) fn look(folder: &Folder, seen: &mut Seen) {
    let Some(text) = folder.read("Procfile") else { return };
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((name, command)) = line.split_once(':') else { continue };
        let (name, command) = (name.trim(), command.trim());
        if command.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            continue;
        }
        match name {
            "release" => {
                seen.found.push("the Procfile's `release` is no service; it is kept as a comment".to_owned());
                seen.notes.push(format!("The Procfile's release command: {command}"));
            }
            "web" => {
                seen.found.push("the Procfile's `web` becomes a service that answers on $PORT".to_owned());
                let run = escaped(command);
                seen.services.push(Sketch::new("web").line(
                    "run",
                    &run,
                    "from the Procfile; PORT and HOST are given",
                ));
            }
            _ => {
                seen.found.push(format!("the Procfile's `{name}` becomes a worker"));
                let sketch = Sketch::new(name).line("kind", "worker", "no requests come to it");
                seen.services.push(sketch.line("run", &escaped(command), "from the Procfile"));
            }
        }
    }
}
