//! A compose file: every service becomes one of ours in a container, so that it is released without a pause; or the whole
//! file runs as it stands. What cannot be carried over is said, with the reason, where it would stand.

mod carry;
mod file;
mod interpolate;
mod layers;
mod tree;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Seen;
use super::folder::Folder;
use super::write::{Sketch, list, tidy};

/// Adds the services of a compose file, each in a container.
pub(super) fn look(folder: &Folder, seen: &mut Seen) {
    let file = match file::read(folder) {
        None => return,
        Some(Ok(file)) => file,
        Some(Err(why)) => {
            seen.found.push(format!("the compose file cannot be read: {why}"));
            return;
        }
    };
    seen.found.extend(layers_of(&file));
    seen.found.extend(file.missing.iter().map(|what| format!("the compose file {}: {what}", file.name)));
    seen.notes.extend(file.missing.iter().map(|what| format!("{}: {what}", file.name)));
    for key in &file.others {
        seen.notes.push(format!("{}: `{key}` was not carried over", file.name));
    }
    let names: BTreeSet<&str> = file.services.iter().map(|(name, _)| name.as_str()).collect();
    for (name, service) in &file.services {
        if let Some(why) = carry::left_out(name, service, &file) {
            seen.found.push(format!("the compose file's `{name}` is left out: {why}"));
            seen.notes.push(format!("{}: `{name}` is left out: {why}", file.name));
            continue;
        }
        let carried = carry::service(name, service, folder, &names);
        let what =
            match service.get("image").and_then(Value::as_str).filter(|_| !service.contains_key("build")) {
                Some(image) => format!("image {image}"),
                None => "built here".to_owned(),
            };
        let short = match carried.left {
            0 => String::new(),
            1 => "; 1 key is not carried over, see there".to_owned(),
            count => format!("; {count} keys are not carried over, see there"),
        };
        seen.found
            .push(format!("the compose file's `{name}` ({what}) becomes a service in a container{short}"));
        seen.services.push(carried.sketch);
    }
    shared_volumes(&file, seen);
    if !seen.services.is_empty() {
        seen.found.push("to run the compose file as it stands instead: `landfall init --as-is`".to_owned());
    }
}

/// Adds the whole file as one service that runs as it stands.
pub(super) fn as_it_stands(folder: &Folder, running: &dyn Fn(&str) -> Option<String>, seen: &mut Seen) {
    let Some(Ok(file)) = file::read(folder) else { return };
    let mut names = BTreeSet::new();
    let mut defaults = BTreeMap::new();
    for (_, service) in &file.services {
        missing(&Value::Object(service.clone()), &mut names, &mut defaults);
    }
    for (name, value) in file.services.iter().flat_map(|(_, service)| carry::env_file(service, folder)) {
        // What the file gives anyway need not come from outside.
        if !value.is_empty() && defaults.get(&name) == Some(&value) {
            continue;
        }
        names.insert(name);
    }
    names.extend(file.secret_variables.iter().cloned());
    seen.found.push(format!("{} runs as it stands, through docker compose", file.name));
    seen.found.extend(layers_of(&file));
    let files: Vec<&str> = std::iter::once(file.name).chain(file.over).collect();
    let files = list(files.into_iter().map(str::to_owned));
    let name = tidy(&folder.name(), "app");
    let mut sketch =
        Sketch::new(&name).line("runtime", "compose", "docker compose runs it, its images pinned by digest");
    let project = running(&project_name(&file, folder));
    sketch = match &project {
        Some(project) => {
            seen.found.push(format!(
                "the compose project `{project}` runs now: the first deploy takes it over, and its volumes stay"
            ));
            let value = format!("{{ files = {files}, project = \"{project}\" }}");
            sketch.raw("compose", &value, "the file as it is, and the project that runs from it now")
        }
        None if file.over.is_some() => {
            let why = "the file as it is, and what docker compose lays over it";
            sketch.raw("compose", &format!("{{ files = {files} }}"), why)
        }
        None => sketch.line("compose", file.name, "the file as it is"),
    };
    if !names.is_empty() {
        sketch =
            sketch.raw("secrets", &list(names), "the variables that it takes from outside, as from .env");
    }
    let more = match (&project, file.over) {
        (Some(project), _) => format!("files = {files}, project = \"{project}\", "),
        (None, Some(_)) => format!("files = {files}, "),
        (None, None) => String::new(),
    };
    seen.services.push(sketch.idea(
        &format!("compose = {{ {more}service = \"web\", port = 8000 }}"),
        "with it, Landfall's proxy stands in front of that service",
    ));
}

/// Which other files are a part of it, a sentence each.
fn layers_of(file: &file::File) -> Vec<String> {
    let over = file.over.map(|over| format!("{over} is laid over it, as docker compose does"));
    let others: Vec<&str> =
        file.included.iter().map(String::as_str).filter(|name| Some(*name) != file.over).collect();
    let others = (!others.is_empty()).then(|| format!("it includes or extends {}", others.join(", ")));
    let told = over.into_iter().chain(others);
    told.map(|what| format!("the compose file {}: {what}", file.name)).collect()
}

/// What compose calls the project where nobody says it (compose-spec, "name"): what the file says, else the folder's name
/// in lower case and without what no such name may hold.
fn project_name(file: &file::File, folder: &Folder) -> String {
    let said = file.project.as_ref().map(|name| interpolate::fill(name).text);
    let name = said.unwrap_or_else(|| folder.name().to_lowercase());
    let kept = name.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(*c));
    kept.collect::<String>().trim_start_matches(['_', '-']).to_owned()
}

/// The variables without a default in a tree of texts, and the others with theirs.
fn missing(value: &Value, names: &mut BTreeSet<String>, defaults: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            let filled = interpolate::fill(text);
            names.extend(filled.missing);
            defaults.extend(filled.defaults);
        }
        Value::Array(items) => items.iter().for_each(|item| missing(item, names, defaults)),
        Value::Object(map) => map.values().for_each(|item| missing(item, names, defaults)),
        _ => {}
    }
}

/// A volume is a service's own here.
fn shared_volumes(file: &file::File, seen: &mut Seen) {
    let mut known: Vec<(String, &str)> = Vec::new();
    for (name, service) in &file.services {
        for volume in carry::named_volumes(service) {
            if let Some((_, other)) = known.iter().find(|(known, _)| *known == volume) {
                seen.notes.push(format!(
                    "{}: the volume `{volume}` is shared by `{other}` and `{name}`; here each of them has its own",
                    file.name
                ));
            }
            known.push((volume, name));
        }
    }
}
