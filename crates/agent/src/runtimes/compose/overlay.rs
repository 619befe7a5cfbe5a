//! The compose files that Landfall writes: one laid over the user's own for a build, one that pins what runs, and one
//! of its own for the test gate. Pure. JSON is YAML (yaml.org/spec/1.2.2, 1.3), so that nothing has to be quoted but `$`,
//! which compose replaces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_model::Release;
use serde_json::{Map, Value, json};

use super::config::{Config, Part};
use super::files;
use super::names;
use super::pinned::{Pinned, PinnedPart};

/// What the overlay that pins a project has to know beside what is pinned.
pub(super) struct Place<'a> {
    /// Labels of every container, the same for every release: what does not change is not made anew.
    pub(super) labels: &'a BTreeMap<String, String>,
    /// Where folders lie that are kept.
    pub(super) kept: &'a Path,
    /// Where the part that answers is reached on this host.
    pub(super) address: Option<&'a str>,
    /// The names of the manifest's variables.
    pub(super) variables: Vec<&'a str>,
    /// The names of the manifest's secrets.
    pub(super) secrets: &'a [String],
    /// The file in memory that holds a secret's value, where it is read as a file.
    pub(super) file: &'a dyn Fn(&str) -> PathBuf,
    /// What tells of a part whether the files that it reads are others than before.
    pub(super) mark: &'a dyn Fn(&PinnedPart) -> Option<String>,
    /// Whether parts get the manifest's secrets as files.
    pub(super) as_files: bool,
}

/// Gives every image that is built a tag that never moves, and labels.
pub(super) fn build(release: &Release, config: &Config, labels: &BTreeMap<String, String>) -> Value {
    let parts = config.parts.iter().filter(|(_, part)| part.builds);
    let services: Map<String, Value> = parts
        .map(|(name, _)| {
            let image = names::image(release, name);
            (name.clone(), json!({ "image": image, "build": { "labels": escape(json!(labels)) } }))
        })
        .collect();
    json!({ "services": services })
}

/// Pins every part to its image and gives it what the manifest says.
pub(super) fn pinned(pinned: &Pinned, place: &Place<'_>) -> Value {
    let mut services = Map::new();
    for (name, part) in &pinned.parts {
        let mut service = Map::new();
        service.insert("image".to_owned(), json!(part.image));
        service.insert("pull_policy".to_owned(), json!("never"));
        let mut labels = place.labels.clone();
        labels.extend((place.mark)(part).map(|mark| (files::LABEL.to_owned(), mark)));
        service.insert("labels".to_owned(), json!(labels));
        if part.given {
            give(&mut service, place);
        }
        if !part.kept.is_empty() {
            let bind = |(source, target): (&String, &String)| json!({ "type": "bind", "source": place.kept.join(source), "target": target });
            service.insert("volumes".to_owned(), part.kept.iter().map(bind).collect());
        }
        if let (Some((answers, inside)), Some(address)) = (&pinned.answers, place.address)
            && answers == name
        {
            service.insert("ports".to_owned(), json!([format!("{address}:{inside}")]));
        }
        services.insert(name.clone(), Value::Object(service));
    }
    let mut whole = Map::new();
    whole.insert("services".to_owned(), Value::Object(services));
    let secrets = secrets(pinned, place);
    if !secrets.is_empty() {
        whole.insert("secrets".to_owned(), Value::Object(secrets));
    }
    escape(Value::Object(whole))
}

/// Variables by name alone, so that values stand in no file: compose takes them from its own environment.
fn give(service: &mut Map<String, Value>, place: &Place<'_>) {
    let mut environment: Map<String, Value> =
        place.variables.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    if place.as_files {
        let path = |name: &String| (format!("{name}_FILE"), json!(format!("/run/secrets/{name}")));
        environment.extend(place.secrets.iter().map(path));
        if !place.secrets.is_empty() {
            service.insert("secrets".to_owned(), json!(place.secrets));
        }
    } else {
        environment.extend(place.secrets.iter().map(|name| (name.clone(), Value::Null)));
    }
    if !environment.is_empty() {
        service.insert("environment".to_owned(), Value::Object(environment));
    }
}

/// The secrets that are files in memory.
fn secrets(pinned: &Pinned, place: &Place<'_>) -> Map<String, Value> {
    let given = place.as_files && pinned.parts.values().any(|part| part.given);
    let own = place.secrets.iter().map(|name| (name, name)).filter(|_| given);
    let all = own.chain(&pinned.secret_files);
    all.map(|(name, secret)| (name.clone(), json!({ "file": (place.file)(secret) }))).collect()
}

/// A project of one service without a port, a route or anybody's data: the part whose image is tested.
pub(super) fn gate(
    image: &str,
    part: &Part,
    labels: &BTreeMap<String, String>,
    is_source: &dyn Fn(&str) -> bool,
) -> Value {
    let names = part.variables.keys().enumerate();
    let environment: Map<String, Value> =
        names.map(|(number, name)| (name.clone(), json!(format!("${{{}}}", variable(number))))).collect();
    let (sources, strangers): (Vec<_>, Vec<_>) = part.binds.iter().partition(|bind| is_source(&bind.source));
    let binds = sources.iter().map(|bind| {
        escape(json!({ "type": "bind", "source": bind.source, "target": bind.target, "read_only": true }))
    });
    let empty = part.volumes.iter().chain(strangers.iter().map(|bind| &bind.target));
    let empty = empty.map(|target| escape(json!({ "type": "volume", "target": target })));
    let mut service = match escape(Value::Object(part.plain.clone())) {
        Value::Object(service) => service,
        _ => Map::new(),
    };
    service.insert("image".to_owned(), json!(image));
    service.insert("labels".to_owned(), escape(json!(labels)));
    service.insert("environment".to_owned(), Value::Object(environment));
    service.insert("volumes".to_owned(), binds.chain(empty).collect());
    json!({ "services": { GATE: service } })
}

/// The service of the gate's project.
pub(super) const GATE: &str = "gate";

/// The variable that the value of the gate's variable of this number is passed in: its own name may mean something to
/// the tool itself.
pub(super) fn variable(number: usize) -> String {
    format!("LANDFALL_GATE_{number}")
}

/// The same, with every `$` of every text doubled.
fn escape(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(items) => items.into_iter().map(escape).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, escape(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::compose::config;
    use crate::runtimes::release_of;

    fn labels() -> BTreeMap<String, String> {
        [("io.landfall.state".to_owned(), "a$b".to_owned())].into()
    }

    fn project() -> Pinned {
        let web = PinnedPart {
            image: "sha256:11".into(),
            given: true,
            kept: [("store".to_owned(), "/store".to_owned())].into(),
            ..PinnedPart::default()
        };
        let db = PinnedPart { image: "postgres@sha256:22".into(), ..PinnedPart::default() };
        let mut pinned = Pinned::new([("web".to_owned(), web), ("db".to_owned(), db)].into());
        pinned.answers = Some(("web".to_owned(), 8000));
        pinned.secret_files = [("token".to_owned(), "TOKEN".to_owned())].into();
        pinned
    }

    fn place<'a>(labels: &'a BTreeMap<String, String>, secrets: &'a [String], as_files: bool) -> Place<'a> {
        Place {
            labels,
            kept: Path::new("/kept"),
            address: Some("127.0.0.1:41873"),
            variables: vec!["LOG"],
            secrets,
            file: &|secret| Path::new("/dev/shm/f").join(secret),
            mark: &|part| part.given.then(|| "m".to_owned()),
            as_files,
        }
    }

    #[test]
    fn every_part_is_pinned_and_no_value_is_written() {
        let (labels, secrets) = (labels(), ["TOKEN".to_owned()]);
        insta::assert_snapshot!(pinned(&project(), &place(&labels, &secrets, false)), @r#"{"services":{"db":{"image":"postgres@sha256:22","pull_policy":"never","labels":{"io.landfall.state":"a$$b"}},"web":{"image":"sha256:11","pull_policy":"never","labels":{"io.landfall.files":"m","io.landfall.state":"a$$b"},"environment":{"LOG":null,"TOKEN":null},"volumes":[{"type":"bind","source":"/kept/store","target":"/store"}],"ports":["127.0.0.1:41873:8000"]}},"secrets":{"token":{"file":"/dev/shm/f/TOKEN"}}}"#);
        insta::assert_snapshot!(pinned(&project(), &place(&labels, &secrets, true)), @r#"{"services":{"db":{"image":"postgres@sha256:22","pull_policy":"never","labels":{"io.landfall.state":"a$$b"}},"web":{"image":"sha256:11","pull_policy":"never","labels":{"io.landfall.files":"m","io.landfall.state":"a$$b"},"secrets":["TOKEN"],"environment":{"LOG":null,"TOKEN_FILE":"/run/secrets/TOKEN"},"volumes":[{"type":"bind","source":"/kept/store","target":"/store"}],"ports":["127.0.0.1:41873:8000"]}},"secrets":{"TOKEN":{"file":"/dev/shm/f/TOKEN"},"token":{"file":"/dev/shm/f/TOKEN"}}}"#);
    }

    #[test]
    fn images_that_are_built_get_a_tag_that_never_moves() {
        let text = "services:\n  web: { build: . }\n  db: { image: 'postgres:17' }\n";
        let config = config::read(text).unwrap();
        insta::assert_snapshot!(build(&release_of("1.0.0-20260101000001"), &config, &labels()), @r#"{"services":{"web":{"image":"landfall/a/dev/web/web:1.0.0-20260101000001","build":{"labels":{"io.landfall.state":"a$$b"}}}}}"#);
    }

    #[test]
    fn the_gate_has_the_variables_and_none_of_the_data() {
        let text = r#"{ "services": { "web": { "image": "x", "user": "app", "working_dir": "/a$b", "ports": ["80:80"],
            "environment": { "PATH": "/own", "COST": "5$" }, "restart": "always", "container_name": "web",
            "volumes": [{ "type": "volume", "source": "data", "target": "/data" },
                { "type": "bind", "source": "/r/conf", "target": "/conf" },
                { "type": "bind", "source": "/srv/real", "target": "/real" }] } } }"#;
        let part = &config::read(text).unwrap().parts["web"];
        let made = gate("sha256:11", part, &labels(), &|source| source.starts_with("/r/"));
        insta::assert_snapshot!(made, @r#"{"services":{"gate":{"user":"app","working_dir":"/a$$b","image":"sha256:11","labels":{"io.landfall.state":"a$$b"},"environment":{"COST":"${LANDFALL_GATE_0}","PATH":"${LANDFALL_GATE_1}"},"volumes":[{"type":"bind","source":"/r/conf","target":"/conf","read_only":true},{"type":"volume","target":"/data"},{"type":"volume","target":"/real"}]}}}"#);
    }
}
