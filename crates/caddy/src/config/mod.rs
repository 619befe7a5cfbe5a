//! Caddy's configuration: what is there, less what was Landfall's, plus what is to be. Pure: JSON in, JSON out.
//!
//! Landfall's parts are known by their names (servers, a logger) and by their `@id`s (routes in servers of others,
//! certificates); everything else stays as it is.

mod log;
mod route;
mod server;
mod tls;

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Folder;
use crate::folder::Stored;
use crate::version::Version;

/// How names and `@id`s of Landfall's own parts begin.
pub(crate) const OURS: &str = "landfall";

/// What the configuration is made from, beside the routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// Where Caddy finds who answers.
    pub(crate) folder: &'a Folder,
    /// The value of the header `x-landfall-probe`.
    pub(crate) token: &'a str,
    /// What Caddy it is for.
    pub(crate) version: Version,
}

/// The configuration that a Caddy of Landfall's own starts with: an admin API, a place for certificates.
pub(crate) fn first(folder: &Folder, socket: &Path) -> Value {
    json!({
        "admin": { "listen": format!("unix/{}", socket.display()), "origins": ["landfall"] },
        "storage": { "module": "file_system", "root": folder.root().join("data") },
    })
}

/// The configuration that is to be.
///
/// # Errors
/// A route that no Caddy can be told, or whose address a server has that is not Landfall's and cannot take it.
pub(crate) fn merge(now: &Value, routes: &[Stored], setting: Setting<'_>) -> Result<Value, String> {
    let mut config = now.as_object().cloned().unwrap_or_default();
    server::merge(&mut config, routes, setting)?;
    tls::merge(&mut config, routes);
    log::merge(&mut config, routes, setting);
    Ok(Value::Object(config))
}

/// The object at a path of keys; made where there is none.
pub(crate) fn object<'a>(config: &'a mut Map<String, Value>, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut at = config;
    for key in path {
        let entry = at.entry(*key).or_insert_with(|| json!({}));
        if !entry.is_object() {
            *entry = json!({});
        }
        at = entry.as_object_mut().expect("it was just made one");
    }
    at
}

/// The object at a path of keys, if it is there.
pub(crate) fn existing<'a>(
    config: &'a mut Map<String, Value>,
    path: &[&str],
) -> Option<&'a mut Map<String, Value>> {
    let mut at = config;
    for key in path {
        at = at.get_mut(*key)?.as_object_mut()?;
    }
    Some(at)
}

/// Whether a part is Landfall's, by its `@id`.
pub(crate) fn is_ours(part: &Value) -> bool {
    let id = part.get("@id").and_then(Value::as_str);
    id.is_some_and(|id| id.strip_prefix(OURS).is_some_and(|rest| rest.starts_with(':')))
}

/// Whether any route of a configuration is Landfall's.
pub(crate) fn has_ours(config: &Value) -> bool {
    let servers = config.pointer("/apps/http/servers").and_then(Value::as_object);
    let routes = servers.into_iter().flat_map(Map::values).filter_map(|server| server["routes"].as_array());
    routes.flatten().any(is_ours)
}

/// Takes Landfall's parts out of an array, and the array out of its object when nothing is left.
pub(crate) fn without_ours(parent: &mut Map<String, Value>, key: &str) {
    let Some(parts) = parent.get_mut(key).and_then(Value::as_array_mut) else { return };
    parts.retain(|part| !is_ours(part));
    if parts.is_empty() {
        parent.remove(key);
    }
}

#[cfg(test)]
mod tests;
