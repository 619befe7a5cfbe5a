//! A compose file as a tree: anchors, merge keys and `extends` resolved, profiles and `x-` keys known for what they are.

use serde_json::{Map, Value};

use super::super::folder::Folder;

/// The names a compose file has, in the order of the specification.
pub(in super::super) const FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// How deep services may extend others.
const MAX_DEPTH: u32 = 8;

/// The keys of which a service that extends another one has the items of both.
const JOINED: [&str; 10] = [
    "cap_add",
    "cap_drop",
    "env_file",
    "environment",
    "expose",
    "ports",
    "profiles",
    "secrets",
    "tmpfs",
    "volumes",
];

/// A compose file.
pub(super) struct File {
    /// Its name.
    pub(super) name: &'static str,
    /// The name that it gives its project.
    pub(super) project: Option<String>,
    /// Its services, in order.
    pub(super) services: Vec<(String, Map<String, Value>)>,
    /// The keys at its top that are neither services, volumes, networks nor extensions.
    pub(super) others: Vec<String>,
}

/// Reads the folder's compose file; `None` without one.
///
/// # Errors
/// Why it cannot be read, as people read it.
pub(super) fn read(folder: &Folder) -> Option<Result<File, String>> {
    let name = folder.first(&FILES)?;
    let text = folder.read(name).unwrap_or_default();
    Some(parse(&text).map(|root| file(name, &root, folder)))
}

fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Value>(text, options) {
        Ok(Value::Object(root)) => Ok(root),
        Ok(_) => Err("it is no map".to_owned()),
        Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

fn file(name: &'static str, root: &Map<String, Value>, folder: &Folder) -> File {
    let services = root.get("services").and_then(Value::as_object).into_iter().flatten();
    let services = services.filter(|(name, _)| !name.starts_with("x-"));
    let known = ["services", "volumes", "networks", "version", "name", "secrets"];
    let others = root.keys().filter(|key| !known.contains(&key.as_str()) && !key.starts_with("x-"));
    File {
        name,
        project: root.get("name").and_then(Value::as_str).map(str::to_owned),
        services: services.map(|(name, _)| (name.clone(), whole(root, name, folder, 0))).collect(),
        others: others.cloned().collect(),
    }
}

/// A service with all that it extends.
fn whole(root: &Map<String, Value>, name: &str, folder: &Folder, depth: u32) -> Map<String, Value> {
    let own = root.get("services").and_then(|all| all.get(name)).and_then(Value::as_object);
    let mut own = own.cloned().unwrap_or_default();
    let Some(extends) = own.remove("extends").filter(|_| depth < MAX_DEPTH) else { return own };
    let base = extends.as_str().or_else(|| extends.get("service")?.as_str()).unwrap_or_default();
    let elsewhere = extends.get("file").and_then(Value::as_str).map(|file| file.trim_start_matches("./"));
    let other =
        elsewhere.map(|file| folder.read(file).and_then(|text| parse(&text).ok()).unwrap_or_default());
    let mut merged = whole(other.as_ref().unwrap_or(root), base, folder, depth + 1);
    // What others need is not inherited (compose-spec, "extends", restrictions).
    merged.remove("depends_on");
    for (key, value) in own {
        let joined = JOINED.contains(&key.as_str());
        match (merged.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => below.extend(above),
            (Some(Value::Array(below)), Value::Array(above)) if joined => below.extend(above),
            (_, value) => _ = merged.insert(key, value),
        }
    }
    merged
}
