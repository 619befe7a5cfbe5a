//! Holds the schema against the parser, both ways, over documents made from the schema itself.

use serde_json::{Map, Value as Json, json};

use crate::report::Report;
use crate::{check, keys, tree};

/// What the parser finds wrong with the shape of a document.
fn parser(document: &Json) -> Vec<String> {
    let text = toml::to_string(document).unwrap();
    let (root, syntax) = tree::parse(&text);
    assert!(syntax.is_empty(), "{text}");
    let mut report = Report::default();
    check::check(&root, &keys::ROOT, "", &mut report);
    report.finish("x".as_ref(), &text.into()).into_iter().map(|d| d.message).collect()
}

/// A key of the schema: the keys that lead to it, each with what its table requires beside it, and its examples.
struct Place {
    path: Vec<Level>,
    examples: Vec<Json>,
}

/// A key, and what its table requires.
#[derive(Clone, Debug)]
struct Level {
    key: String,
    required: Map<String, Json>,
}

/// Every key that the schema has.
fn places(schema: &Json) -> Vec<Place> {
    let mut places = Vec::new();
    visit(schema, schema, &[], &mut places);
    places
}

fn visit(whole: &Json, schema: &Json, path: &[Level], places: &mut Vec<Place>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => whole.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        visit(whole, alternative, path, places);
    }
    let required: Map<String, Json> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|key| {
            (
                key.as_str().unwrap().to_owned(),
                schema["properties"][key.as_str().unwrap()]["examples"][0].clone(),
            )
        })
        .collect();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = [path, &[Level { key: key.clone(), required: required.clone() }]].concat();
        let examples = property["examples"].as_array().cloned().unwrap_or_default();
        assert!(property["description"].is_string(), "{path:?} has no description");
        places.push(Place { path: path.clone(), examples });
        visit(whole, property, &path, places);
    }
    if schema["additionalProperties"].is_object() {
        let path = [path, &[Level { key: "web".to_owned(), required: Map::new() }]].concat();
        visit(whole, &schema["additionalProperties"], &path, places);
    }
}

/// A document that has `value` at the end of the path, and beside each key what its table requires.
fn document(path: &[Level], value: Json) -> Json {
    let mut document = value;
    for level in path.iter().rev() {
        let mut table = level.required.clone();
        table.insert(level.key.clone(), document);
        document = Json::Object(table);
    }
    let root = document.as_object_mut().unwrap();
    if !root.contains_key("name") {
        root.insert("name".to_owned(), json!("app"));
    }
    document
}

#[test]
fn it_is_a_schema() {
    let schema = super::schema();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn both_take_every_example_and_refuse_every_stranger() {
    let schema = super::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let places = places(&schema);
    assert!(places.len() > 100, "only {} keys were found", places.len());
    for place in &places {
        assert!(!place.examples.is_empty(), "{:?} has no example", place.path);
        for example in &place.examples {
            let right = document(&place.path, example.clone());
            assert_eq!(parser(&right), [""; 0], "{right}");
            assert!(validator.is_valid(&right), "{right}: {:?}", validator.iter_errors(&right).next());
        }
        // No key takes a fraction.
        let wrong = document(&place.path, json!(1.5));
        assert_ne!(parser(&wrong), [""; 0], "{wrong}");
        assert!(!validator.is_valid(&wrong), "{wrong}");

        // A key that nobody knows, in its place; where keys are of the user's choosing, this makes a name of it.
        let mut stranger = place.path.clone();
        let last = stranger.last_mut().unwrap();
        *last = Level { key: "no_such_key".to_owned(), required: Map::new() };
        let wrong = document(&stranger, json!(1));
        assert_ne!(parser(&wrong), [""; 0], "{wrong}");
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn both_agree_on_whole_documents() {
    let validator = jsonschema::validator_for(&super::schema()).unwrap();
    let reference: Json = toml::from_str(include_str!("../../tests/common/reference.toml")).unwrap();
    let web = |service: Json| json!({ "name": "app", "service": { "web": service } });
    let environment = |environment: Json| json!({ "name": "app", "environment": { "dev": environment } });
    let documents = [
        (reference, true),
        (json!({}), false),
        (json!({ "name": "app" }), true),
        (json!({ "name": "App" }), false),
        (json!({ "name": "app", "services": {} }), false),
        (json!({ "name": "app", "service": { "Web": {} } }), false),
        (json!({ "name": "app", "version": { "file": "V", "x": 1 } }), false),
        (json!({ "name": "app", "version": {} }), false),
        (json!({ "name": "app", "environment": { "dev": { "listen": "here" } } }), false),
        (web(json!({ "run": ["a", "b"] })), true),
        (web(json!({ "run": [] })), false),
        (web(json!({ "run": " " })), false),
        (web(json!({ "replicas": 101 })), false),
        (web(json!({ "health": { "status": [200, 204] } })), true),
        (web(json!({ "health": { "status": "200-204" } })), true),
        (web(json!({ "health": { "status": "all" } })), false),
        (web(json!({ "health": "healthz" })), false),
        (web(json!({ "drain": "10 seconds" })), false),
        (web(json!({ "limits": { "memory": 1_048_576 } })), true),
        (web(json!({ "limits": { "memory": "1.5G" } })), false),
        (web(json!({ "strategy": "restart" })), true),
        (web(json!({ "strategy": "all-at-once" })), false),
        (web(json!({ "env": { "PORT": "1" } })), false),
        (web(json!({ "env": { "A": 1, "B": true, "C": "x" } })), true),
        (web(json!({ "env": { "A": ["x"] } })), false),
        (web(json!({ "volumes": ["data"] })), true),
        (web(json!({ "volumes": { "data": "data" } })), false),
        (web(json!({ "secrets": ["A-B"] })), false),
        (web(json!({ "domain": "http://a.b" })), false),
        (web(json!({ "route": { "strip": true } })), false),
        (web(json!({ "strategy": { "kind": "rolling", "max_surge": "25%", "max_unavailable": 1 } })), true),
        (web(json!({ "strategy": { "kind": "rolling", "max_surge": "250%" } })), false),
        (web(json!({ "strategy": { "steps": [1] } })), false),
        (web(json!({ "strategy": { "kind": "canary", "steps": [0] } })), false),
        (web(json!({ "strategy": { "kind": "canary", "steps": [1, 99], "errors": "0.05%" } })), true),
        (web(json!({ "strategy": { "kind": "canary", "errors": "0.005%" } })), false),
        (web(json!({ "strategy": { "kind": "canary", "sticky": { "cookie": "a b" } } })), false),
        (web(json!({ "http": { "errors": { "502": "a.html" } } })), true),
        (web(json!({ "http": { "errors": { "200": "a.html" } } })), false),
        (web(json!({ "http": { "errors": { "502": "/a.html" } } })), false),
        (environment(json!({ "tls": "acme" })), true),
        (environment(json!({ "tls": "letsencrypt" })), false),
        (environment(json!({ "tls": { "certificate": "a", "key": "b", "hsts": true } })), true),
        (environment(json!({ "tls": { "from": "acme", "directory": "http://a" } })), false),
        (environment(json!({ "tls": { "from": "acme", "email": "ops" } })), false),
        (environment(json!({ "tls": { "from": "acme", "challenges": ["http-01", "tls-alpn-01"] } })), true),
        (environment(json!({ "tls": { "from": "acme", "challenges": [] } })), false),
        (environment(json!({ "proxy": { "trusted": ["10.0.0.0/8", "::1"] } })), true),
        (environment(json!({ "proxy": { "trusted": ["localhost"] } })), false),
    ];
    for (document, right) in documents {
        assert_eq!(parser(&document).is_empty(), right, "{document}: {:?}", parser(&document));
        assert_eq!(validator.is_valid(&document), right, "{document}");
    }
}
