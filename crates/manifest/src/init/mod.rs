//! Looks at a folder and proposes a manifest for what is in it: short, commented, and right as it stands.
//!
//! What the owner wrote down outranks what can be guessed: a Procfile, then a compose file, then the framework, then
//! static files, then a Dockerfile's command; a Dockerfile is named whatever was first. Where the folder itself shows nothing, the folders in it are looked at.

mod compose;
mod dockerfile;
mod folder;
mod node;
mod procfile;
mod python;
mod site;
mod write;

use std::io;
use std::path::Path;

use folder::Folder;
use write::Sketch;

/// Folders in the folder that are looked at, at most.
const MAX_FOLDERS: usize = 50;

/// A manifest, and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The text of `landfall.toml`; it loads without a diagnostic.
    pub manifest: String,
    /// One sentence each: what was seen, and what follows.
    pub found: Vec<String>,
}

/// Proposes a manifest that runs the folder's compose file as it stands; `None` where there is no such file. `running`
/// gives, of the name that compose would give the project, the name of the project that runs from this folder now.
///
/// # Errors
/// As [`propose`].
pub fn propose_as_is(path: &Path, running: &dyn Fn(&str) -> Option<String>) -> io::Result<Option<Proposal>> {
    let folder = Folder::open(path)?;
    let mut seen = Seen::default();
    compose::as_it_stands(&folder, running, &mut seen);
    let name = write::tidy(&folder.name(), "app");
    let manifest = write::manifest(&name, &folder, &seen);
    Ok((!seen.services.is_empty()).then_some(Proposal { manifest, found: seen.found }))
}

/// What was seen in a folder.
#[derive(Default)]
struct Seen {
    services: Vec<Sketch>,
    found: Vec<String>,
    /// What a person should know of, as comments in the manifest.
    notes: Vec<String>,
}

/// Looks at the folder and proposes a manifest. Reads, and writes nothing.
///
/// # Errors
/// A folder that cannot be read. A file in it that cannot be read counts as not there.
pub fn propose(path: &Path) -> io::Result<Proposal> {
    let folder = Folder::open(path)?;
    let mut seen = Seen::default();
    procfile::look(&folder, &mut seen);
    if seen.services.is_empty() {
        compose::look(&folder, &mut seen);
    }
    if seen.services.is_empty() {
        seen.services.extend(framework(&folder, &mut seen.found));
    }
    if seen.services.is_empty() {
        below(&folder, &mut seen);
    }
    if seen.services.is_empty() {
        seen.services.extend(dockerfile::look(&folder, &mut seen.found));
    }
    if seen.services.is_empty() {
        seen.found.push("nothing here was recognised, so the command is a placeholder".to_owned());
        seen.services.push(Sketch::new("web").line(
            "run",
            "./start --host $HOST --port $PORT",
            "replace it: what starts your application",
        ));
    }
    let services = std::mem::take(&mut seen.services).into_iter();
    seen.services = services.map(|sketch| dockerfile::offer(sketch, &folder, &mut seen.found)).collect();
    let name = write::tidy(&folder.name(), "app");
    Ok(Proposal { manifest: write::manifest(&name, &folder, &seen), found: seen.found })
}

/// The service of a folder by its framework or its files.
fn framework(folder: &Folder, found: &mut Vec<String>) -> Option<Sketch> {
    python::look(folder, found).or_else(|| node::look(folder, found)).or_else(|| site::look(folder, found))
}

/// Each folder in the folder that shows something is a service of its own.
fn below(folder: &Folder, seen: &mut Seen) {
    for name in folder.folders().into_iter().take(MAX_FOLDERS) {
        let Ok(inner) = folder.inner(&name) else { continue };
        let mut found = Vec::new();
        if let Some(sketch) = framework(&inner, &mut found) {
            seen.found.extend(found.into_iter().map(|sentence| format!("{name}: {sentence}")));
            seen.services.push(sketch.named(&name).below(&name));
        }
    }
}
