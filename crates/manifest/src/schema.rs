//! The JSON Schema of the manifest, made from the language itself.

use serde_json::{Map, Value as Json, json};

use crate::keys;
use crate::measure;
use crate::shape::{Key, Shape};
use crate::tree::{self, Node, Value};

/// The JSON Schema (draft 2020-12) of `landfall.toml`, with a description and an example for each key.
///
/// What a schema cannot say is left to `landfall check`: ranges of lengths of time, references, order.
#[must_use]
pub fn schema() -> Json {
    let mut root = of(&keys::ROOT);
    let described = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "landfall.toml",
        "description": "What Landfall runs, and where.",
        "$defs": { "service": of(&keys::SERVICE), "environment": of(&keys::ENVIRONMENT) },
    });
    if let (Json::Object(root), Json::Object(described)) = (&mut root, described) {
        let shapes = std::mem::replace(root, described);
        root.extend(shapes);
    }
    root
}

fn of(shape: &Shape) -> Json {
    match shape {
        Shape::Text(form) => json!({ "type": "string", "pattern": form.pattern }),
        Shape::Plain => json!({ "type": ["string", "integer", "boolean"] }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Integer(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Duration(..) => {
            json!({ "type": "string", "pattern": measure::DURATION, "$comment": shape.expected() })
        }
        Shape::Size(min, max) => json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": measure::SIZE, "$comment": shape.expected() },
        ] }),
        Shape::Choice { now, later } => {
            let words: Vec<&str> = now.iter().chain(*later).copied().collect();
            json!({ "type": "string", "enum": words })
        }
        Shape::List(item, least) => json!({ "type": "array", "items": of(item), "minItems": least }),
        Shape::Map(names, value) => json!({
            "type": "object",
            "propertyNames": { "pattern": names.pattern },
            "additionalProperties": referred(value),
        }),
        Shape::Table(keys) => table(keys),
        Shape::Any(shapes) => json!({ "anyOf": shapes.iter().map(of).collect::<Vec<_>>() }),
        Shape::Later(shape) => of(shape),
    }
}

/// The large shapes are written once, under `$defs`.
fn referred(shape: &'static Shape) -> Json {
    let name = [("service", &keys::SERVICE), ("environment", &keys::ENVIRONMENT)]
        .into_iter()
        .find(|(_, known)| std::ptr::eq(*known, shape));
    name.map_or_else(|| of(shape), |(name, _)| json!({ "$ref": format!("#/$defs/{name}") }))
}

fn table(keys: &[Key]) -> Json {
    let properties: Map<String, Json> = keys
        .iter()
        .map(|key| {
            let mut property = of(&key.shape);
            property["description"] = key.about.into();
            property["examples"] = json!([example(key)]);
            (key.name.to_owned(), property)
        })
        .collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn example(key: &Key) -> Json {
    let (root, _) = tree::parse(&format!("example = {}", key.example));
    root.table().and_then(|table| table.get("example")).map_or(Json::Null, json_of)
}

fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => json!(number),
        Value::Float | Value::Date => Json::Null,
        Value::Flag(flag) => json!(flag),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Table(table) => table
            .entries
            .iter()
            .map(|entry| (entry.key.clone(), json_of(&entry.node)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

#[cfg(test)]
mod tests;
