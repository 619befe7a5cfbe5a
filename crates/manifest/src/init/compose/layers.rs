//! Laying one part of a compose file over another (compose-spec, "Merge and override"), and moving one that was written for
//! another folder.

use serde_json::{Map, Value};

use super::tree::{OVERRIDE, RESET};

/// The keys of a service of which it has the items of both.
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

/// Lays a service over another one.
pub(super) fn lay(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        if tagged(&value, RESET).is_some() {
            below.remove(&key);
            continue;
        }
        if let Some(whole) = tagged(&value, OVERRIDE) {
            below.insert(key, bare(whole.clone()));
            continue;
        }
        let joined = JOINED.contains(&key.as_str());
        match (below.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay(below, above),
            (Some(Value::Array(below)), Value::Array(above)) if joined => {
                below.extend(above.into_iter().map(bare));
            }
            (_, value) => _ = below.insert(key, bare(value)),
        }
    }
}

/// The value behind a tag, if it has this one.
fn tagged<'a>(value: &'a Value, tag: &str) -> Option<&'a Value> {
    value.as_object().filter(|map| map.len() == 1)?.get(tag)
}

/// A value without tags: what is reset is not there.
pub(super) fn bare(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key(OVERRIDE) => {
            map.into_iter().next().map_or(Value::Null, |(_, inner)| bare(inner))
        }
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| tagged(value, RESET).is_none());
            Value::Object(kept.map(|(key, value)| (key, bare(value))).collect())
        }
        Value::Array(items) => {
            items.into_iter().filter(|item| tagged(item, RESET).is_none()).map(bare).collect()
        }
        other => other,
    }
}

/// Makes paths of a service that was written in `folder` (relative to the one that is looked at) lead to the same places
/// from there.
pub(super) fn moved(service: &mut Map<String, Value>, folder: &str) {
    let place = |value: &mut Value| {
        if let Value::String(path) = value {
            *path = join(folder, path);
        }
    };
    match service.get_mut("build") {
        Some(Value::Object(build)) => {
            place(build.entry("context").or_insert_with(|| Value::String(".".to_owned())));
        }
        Some(context) => place(context),
        None => {}
    }
    if let Some(file) = service.get_mut("extends").and_then(|extends| extends.get_mut("file")) {
        place(file);
    }
    match service.get_mut("env_file") {
        Some(Value::Array(files)) => files.iter_mut().for_each(|file| match file {
            Value::Object(file) => _ = file.get_mut("path").map(place),
            file => place(file),
        }),
        Some(file) => place(file),
        None => {}
    }
    let mounts = service.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten();
    for mount in mounts {
        match mount {
            Value::Object(mount) if mount.get("type").and_then(Value::as_str) == Some("bind") => {
                _ = mount.get_mut("source").map(place);
            }
            Value::String(text) if text.starts_with('.') => {
                let (source, rest) =
                    text.split_once(':').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
                let rest = rest.map_or_else(String::new, |rest| format!(":{rest}"));
                *text = format!("{}{rest}", join(folder, source));
            }
            _ => {}
        }
    }
}

/// A relative path as it is seen from the folder above; an absolute one and an address stay as they are.
pub(super) fn join(folder: &str, path: &str) -> String {
    if path.starts_with(['/', '~', '$']) || path.contains("://") || path.starts_with("git@") {
        return path.to_owned();
    }
    let mut words: Vec<&str> = Vec::new();
    for word in folder.split('/').chain(path.split('/')).filter(|word| !matches!(*word, "" | ".")) {
        match (word, words.last()) {
            ("..", Some(last)) if *last != ".." => _ = words.pop(),
            _ => words.push(word),
        }
    }
    match words.first() {
        Some(&"..") => words.join("/"),
        Some(_) => format!("./{}", words.join("/")),
        None => ".".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn laid(below: &str, above: &str) -> Value {
        let (mut below, above) = (parse(below).unwrap(), parse(above).unwrap());
        lay(&mut below, above);
        Value::Object(below)
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_above_adds_replaces_and_takes_away() {
        let below = "{ image: a, ports: ['80:80'], command: [x, y], environment: { A: 1, B: 2 }, build: { args: { X: 1 } } }";
        let above =
            "{ image: b, ports: ['90:90'], command: [z], environment: { B: 3 }, build: { args: { Y: 2 } } }";
        assert_eq!(
            laid(below, above),
            value(
                r#"{"image":"b","ports":["80:80","90:90"],"command":["z"],"environment":{"A":1,"B":3},"build":{"args":{"X":1,"Y":2}}}"#
            )
        );
        let above = "{ image: !reset null, ports: !override ['90:90'], environment: { A: !reset null }, build: !reset {} }";
        assert_eq!(
            laid(below, above),
            value(r#"{"ports":["90:90"],"command":["x","y"],"environment":{"B":2}}"#)
        );
        assert_eq!(
            laid("{}", "{ a: !override { b: !reset 1, c: 2 }, d: !reset 1 }"),
            value(r#"{"a":{"c":2}}"#)
        );
    }

    #[test]
    fn paths_lead_to_the_same_places() {
        assert_eq!(join("ops", "./conf"), "./ops/conf");
        assert_eq!(join("ops/db", "../init.sql"), "./ops/init.sql");
        assert_eq!(join("ops", "../../up"), "../up");
        assert_eq!([join("ops", "/etc"), join("ops", ".")], ["/etc", "./ops"]);
        let text = "{ build: ., env_file: [.env, { path: ./b.env }], volumes: ['./d:/d:ro', 'data:/x', { type: bind, source: ./y, target: /y }], extends: { file: c.yaml, service: s } }";
        let mut service = parse(text).unwrap();
        moved(&mut service, "ops");
        assert_eq!(
            Value::Object(service).to_string(),
            r#"{"build":"./ops","env_file":["./ops/.env",{"path":"./ops/b.env"}],"volumes":["./ops/d:/d:ro","data:/x",{"type":"bind","source":"./ops/y","target":"/y"}],"extends":{"file":"./ops/c.yaml","service":"s"}}"#
        );
    }
}
