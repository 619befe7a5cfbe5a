//! What Caddy logs of requests: a line for each in a file of its own, from which they are counted.

use serde_json::{Map, Value, json};

use super::{OURS, Setting, existing, object};
use crate::folder::Stored;

/// The log is begun anew at this size …
const ROLL_MIB: u32 = 64;
/// … and this many old ones are kept.
const KEPT: u32 = 4;

/// The name that access is logged under: servers name it as their logger.
pub(super) const LOGGER: &str = OURS;

pub(super) fn merge(config: &mut Map<String, Value>, routes: &[Stored], setting: Setting<'_>) {
    let source = format!("http.log.access.{LOGGER}");
    if routes.is_empty() {
        if let Some(logs) = existing(config, &["logging", "logs"]) {
            logs.remove(LOGGER);
            if let Some(excluded) = logs.get_mut("default").and_then(|log| log.get_mut("exclude")) {
                excluded.as_array_mut().into_iter().for_each(|names| names.retain(|name| *name != *source));
            }
        }
        return;
    }
    let logs = object(config, &["logging", "logs"]);
    let log = json!({
        "writer": {
            "output": "file",
            "filename": setting.folder.log(),
            "roll_size_mb": ROLL_MIB,
            "roll_gzip": false,
            "roll_keep": KEPT,
        },
        // Fields of requests may hold what is nobody's business, and the token of probes.
        "encoder": {
            "format": "filter",
            "wrap": { "format": "json" },
            "fields": {
                "request>headers": { "filter": "delete" },
                "request>tls": { "filter": "delete" },
                "resp_headers": { "filter": "delete" },
            },
        },
        "include": [source],
    });
    logs.insert(LOGGER.to_owned(), log);
    let default = object(logs, &["default"]);
    let excluded = default.entry("exclude").or_insert_with(|| json!([]));
    if let Some(names) = excluded.as_array_mut()
        && !names.iter().any(|name| *name == *source)
    {
        names.push(source.into());
    }
}
