//! What a compose file comes to, as `docker compose config` says it. Pure: its answer in, the parts that a deploy has to
//! know out. Both generations of the tool are read: the second writes JSON in the long forms of the specification
//! (github.com/compose-spec/compose-spec), the first YAML with short forms among them.

use std::collections::BTreeMap;

use landfall_model::{Fault, Millis};
use serde_json::{Map, Value};

/// A compose project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Its services by name.
    pub(super) parts: BTreeMap<String, Part>,
    /// The files that its secrets are read from, by the secret's name.
    pub(super) secret_files: BTreeMap<String, String>,
    /// The same of its configurations (`configs`).
    pub(super) config_files: BTreeMap<String, String>,
    /// The volumes and networks that are its own: each by its key, with the name that it is given, if any.
    pub(super) volumes: BTreeMap<String, Option<String>>,
    pub(super) networks: BTreeMap<String, Option<String>>,
}

/// What a throwaway container has in common with those of its part.
const PLAIN: [&str; 9] =
    ["extra_hosts", "group_add", "init", "platform", "read_only", "shm_size", "tmpfs", "user", "working_dir"];

/// A service of the project; "part" because a service of the manifest is the whole project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The image that it names.
    pub(super) image: Option<String>,
    /// Whether it is built.
    pub(super) builds: bool,
    /// Whether its image is to be asked for anew each time (`pull_policy`).
    pub(super) pulls: bool,
    /// Containers that it is to have.
    pub(super) scale: u32,
    /// Whether a container of it that ended well is done: nothing starts it again.
    pub(super) ends: bool,
    /// The files that variables are read from.
    pub(super) env_files: Vec<String>,
    /// Folders and files of the host that it sees.
    pub(super) binds: Vec<Bind>,
    /// The variables it is given, as far as they are known.
    pub(super) variables: BTreeMap<String, String>,
    /// Where it is built; a URL or a path.
    pub(super) context: Option<String>,
    /// Paths inside that are volumes.
    pub(super) volumes: Vec<String>,
    /// What else a throwaway container of it needs, as the specification says it.
    pub(super) plain: Map<String, Value>,
    /// Ports inside that it says others may reach.
    pub(super) ports: Vec<u16>,
    /// The project's secrets that it reads.
    pub(super) secrets: Vec<String>,
    /// The project's configurations that it reads.
    pub(super) configs: Vec<String>,
    /// The parts that must be there before it.
    pub(super) after: Vec<String>,
    /// The time its containers have to stop, where it says one.
    pub(super) grace: Option<Millis>,
}

/// A folder or file of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    /// Where it lies, as the file or the tool says it.
    pub(super) source: String,
    /// Where the container sees it.
    pub(super) target: String,
    pub(super) read_only: bool,
}

/// Reads the tool's answer.
///
/// # Errors
/// An answer of another form.
pub(super) fn read(text: &str) -> Result<Config, Fault> {
    let strange = |why: String| Fault::machine(format!("docker compose gave a configuration that {why}"));
    let value: Value = serde_saphyr::from_str(text).map_err(|error| strange(unreadable(&error)))?;
    let services = value
        .get("services")
        .and_then(Value::as_object)
        .ok_or_else(|| strange("has no services".to_owned()))?;
    let parts = services.iter().map(|(name, service)| (name.clone(), part(service))).collect();
    let own = |key: &str| own(value.get(key));
    Ok(Config {
        parts,
        secret_files: files(value.get("secrets")),
        config_files: files(value.get("configs")),
        volumes: own("volumes"),
        networks: own("networks"),
    })
}

/// Those of some secrets or configurations that are files.
fn files(told: Option<&Value>) -> BTreeMap<String, String> {
    let told = told.and_then(Value::as_object).into_iter().flatten();
    told.filter_map(|(name, one)| Some((name.clone(), one.get("file")?.as_str()?.to_owned()))).collect()
}

/// The names of secrets or configurations that a part reads: alone, or with where it wants them.
fn sources(told: Option<&Value>) -> Vec<String> {
    let source = |one: &Value| one.as_str().or_else(|| one.get("source")?.as_str()).map(str::to_owned);
    items(told).iter().filter_map(source).collect()
}

/// Where the answer cannot be read. What stands there is not said: it may hold values of secrets.
fn unreadable(error: &serde_saphyr::Error) -> String {
    let at = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    format!("cannot be read{}", at.unwrap_or_default())
}

/// Those of a project's volumes or networks that are not `external`.
fn own(things: Option<&Value>) -> BTreeMap<String, Option<String>> {
    let things = things.and_then(Value::as_object).into_iter().flatten();
    let is_own = |thing: &Value| {
        thing.get("external").is_none_or(|external| external.is_null() || *external == Value::Bool(false))
    };
    let name = |thing: &Value| thing.get("name").and_then(Value::as_str).map(str::to_owned);
    things.filter(|(_, thing)| is_own(thing)).map(|(key, thing)| (key.clone(), name(thing))).collect()
}

fn part(service: &Value) -> Part {
    let text = |key: &str| service.get(key).and_then(Value::as_str).map(str::to_owned);
    let deploy = service.get("deploy");
    let build = service.get("build").filter(|build| !build.is_null());
    let context = build.and_then(|build| build.as_str().or_else(|| build.get("context")?.as_str()));
    let plain = PLAIN.iter().filter_map(|key| {
        let value = service.get(key).filter(|value| !value.is_null())?;
        Some(((*key).to_owned(), value.clone()))
    });
    let mounts = items(service.get("volumes"));
    let replicas = deploy.and_then(|deploy| deploy.get("replicas"));
    let scale = service.get("scale").or(replicas).and_then(Value::as_u64).unwrap_or(1);
    let condition = deploy.and_then(|deploy| deploy.get("restart_policy")?.get("condition"));
    let restart = text("restart").or_else(|| condition.and_then(Value::as_str).map(str::to_owned));
    Part {
        image: text("image"),
        builds: build.is_some(),
        pulls: text("pull_policy").as_deref() == Some("always"),
        scale: u32::try_from(scale).unwrap_or(u32::MAX),
        ends: restart
            .is_none_or(|restart| restart == "no" || restart == "none" || restart.starts_with("on-failure")),
        env_files: env_files(service.get("env_file")),
        binds: mounts.iter().filter_map(bind).collect(),
        variables: variables(service.get("environment")),
        context: context.map(str::to_owned),
        volumes: mounts.iter().filter(|mount| bind(mount).is_none()).filter_map(target).collect(),
        plain: plain.collect(),
        ports: ports(service),
        secrets: sources(service.get("secrets")),
        configs: sources(service.get("configs")),
        after: names(service.get("depends_on")),
        grace: text("stop_grace_period").as_deref().and_then(duration),
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// One file, several, or several with what else is said of each.
fn env_files(value: Option<&Value>) -> Vec<String> {
    let path = |value: &Value| value.as_str().or_else(|| value.get("path")?.as_str()).map(str::to_owned);
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(path).collect(),
        Some(one) => path(one).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The variables of a map or a list; those without a value are left out.
fn variables(value: Option<&Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    match value {
        Some(Value::Object(map)) => {
            map.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
        }
        Some(Value::Array(list)) => {
            let pairs = list.iter().filter_map(|item| item.as_str()?.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// Where a container sees a mount.
fn target(mount: &Value) -> Option<String> {
    match mount {
        Value::Object(mount) => mount.get("target")?.as_str().map(str::to_owned),
        _ => mount.as_str()?.split(':').find(|word| word.starts_with('/')).map(str::to_owned),
    }
}

/// The keys of a map, or what stands before `=` in a list.
fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Array(list)) => {
            let name = |item: &Value| item.as_str()?.split('=').next().map(str::to_owned);
            list.iter().filter_map(name).collect()
        }
        _ => Vec::new(),
    }
}

/// `{"type": "bind", "source": …}`, or `./conf:/etc/conf:ro`; `None` for a volume.
fn bind(value: &Value) -> Option<Bind> {
    if let Value::Object(mount) = value {
        let text = |key: &str| mount.get(key).and_then(Value::as_str);
        let read_only = mount.get("read_only").and_then(Value::as_bool) == Some(true);
        return (text("type")? == "bind").then_some(()).and_then(|()| {
            Some(Bind { source: text("source")?.to_owned(), target: text("target")?.to_owned(), read_only })
        });
    }
    let mut words = value.as_str()?.split(':');
    let (source, target) = (words.next()?, words.next()?);
    let read_only = words.next().is_some_and(|mode| mode.split(',').any(|word| word == "ro"));
    source.starts_with(['/', '.', '~']).then(|| Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
    })
}

/// The ports inside of `ports` and `expose`, each once, in their order.
fn ports(service: &Value) -> Vec<u16> {
    let mut found = Vec::new();
    for value in items(service.get("ports")).iter().chain(items(service.get("expose"))) {
        let text = match value {
            Value::Object(port) if is_tcp(port) => port.get("target").map(Value::to_string),
            Value::Number(port) => Some(port.to_string()),
            Value::String(port) if !port.ends_with("/udp") => {
                port.rsplit(':').next().map(|port| port.trim_end_matches("/tcp").to_owned())
            }
            _ => None,
        };
        let port = text.and_then(|text| text.parse().ok());
        found.extend(port.filter(|port| !found.contains(port)));
    }
    found
}

/// `1m30s`, `500ms` (compose-spec, "Specifying durations"); whole numbers are enough here.
fn duration(text: &str) -> Option<Millis> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let ms = match &rest[digits..unit] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(ms)?)?;
        rest = &rest[unit..];
    }
    Some(Millis(total))
}

fn is_tcp(port: &Map<String, Value>) -> bool {
    port.get("protocol").and_then(Value::as_str).is_none_or(|protocol| protocol == "tcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_generation_is_read() {
        let text = r#"{ "services": { "web": {
            "build": { "context": "/s", "dockerfile": "Dockerfile" }, "image": "own:1",
            "environment": { "LOG": "info", "KEY": null }, "env_file": [{ "path": ".env", "required": true }],
            "depends_on": { "db": { "condition": "service_healthy" } }, "restart": "unless-stopped",
            "deploy": { "replicas": 2 }, "expose": ["8000"],
            "ports": [{ "target": 8443, "published": "8443", "protocol": "tcp" }, { "target": 53, "protocol": "udp" }],
            "volumes": [{ "type": "volume", "source": "data", "target": "/data" },
                { "type": "bind", "source": "/s/conf", "target": "/etc/conf", "read_only": true }] },
          "db": { "image": "postgres:17", "pull_policy": "always", "secrets": [{ "source": "token" }], "configs": ["hba"] } },
          "configs": { "hba": { "file": "/s/hba.conf" } },
          "secrets": { "token": { "file": "/s/token.txt" }, "other": { "environment": "OTHER" } } }"#;
        let config = read(text).unwrap();
        let web = &config.parts["web"];
        assert_eq!(
            (web.image.as_deref(), web.builds, web.context.as_deref()),
            (Some("own:1"), true, Some("/s"))
        );
        assert_eq!((web.scale, web.ends, web.pulls), (2, false, false));
        assert_eq!((&*web.env_files, &*web.after), (&[".env".to_owned()][..], &["db".to_owned()][..]));
        assert_eq!(web.variables, [("LOG".to_owned(), "info".to_owned())].into());
        assert_eq!((&*web.ports, &*web.volumes), (&[8443, 8000][..], &["/data".to_owned()][..]));
        let conf = Bind { source: "/s/conf".into(), target: "/etc/conf".into(), read_only: true };
        assert_eq!(web.binds, [conf]);
        let db = &config.parts["db"];
        assert_eq!((db.pulls, db.ends, db.builds, db.scale), (true, true, false, 1));
        assert_eq!((&*db.secrets, &*db.configs), (&["token".to_owned()][..], &["hba".to_owned()][..]));
        assert_eq!(config.secret_files, [("token".to_owned(), "/s/token.txt".to_owned())].into());
        assert_eq!(config.config_files, [("hba".to_owned(), "/s/hba.conf".to_owned())].into());
    }

    #[test]
    fn the_first_generation_is_read() {
        let text = "services:\n  web:\n    build:\n      context: /s\n    depends_on:\n      db:\n        condition: service_started\n    environment:\n      LOG: info\n    ports:\n    - 127.0.0.1:80:8000/tcp\n    - published: 81\n      target: 8001\n    - 9000/udp\n    restart: 'on-failure:3'\n    volumes:\n    - /s/conf:/etc/conf:ro\n    - data:/data:rw\n  db:\n    image: postgres:17\n    scale: 3\n    restart: always\nversion: '3.9'\nvolumes:\n  data: {}\n";
        let config = read(text).unwrap();
        let web = &config.parts["web"];
        assert_eq!((web.builds, web.ends, &*web.after), (true, true, &["db".to_owned()][..]));
        assert_eq!((&*web.ports, &*web.volumes), (&[8000, 8001][..], &["/data".to_owned()][..]));
        assert_eq!(web.binds.len(), 1);
        assert_eq!((config.parts["db"].scale, config.parts["db"].ends), (3, false));
    }

    #[test]
    fn what_is_external_is_none_of_the_project() {
        let text = r#"{ "services": {}, "networks": { "default": { "name": "p_default", "ipam": {} } },
            "volumes": { "data": null, "own": { "name": "kept" }, "theirs": { "name": "x", "external": true } } }"#;
        let config = read(text).unwrap();
        let volumes = [("data".to_owned(), None), ("own".to_owned(), Some("kept".to_owned()))];
        assert_eq!(config.volumes, volumes.into());
        assert_eq!(config.networks, [("default".to_owned(), Some("p_default".to_owned()))].into());
    }

    #[test]
    fn durations_are_sums() {
        let read = |text| duration(text).map(|length| length.0);
        assert_eq!([read("10s"), read("1m30s"), read("500ms")], [Some(10_000), Some(90_000), Some(500)]);
        assert_eq!([read("10"), read("s"), read("1.5s"), read("1d")], [None; 4]);
    }

    #[test]
    fn other_forms_are_no_configuration() {
        for text in ["", "services: [a]", "{", "a: 1"] {
            read(text).unwrap_err();
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        for text in ["services:\n  web:\n    KEY: \"hunter22\n", "services: {KEY: hunter22", "a: *hunter22"] {
            let fault = read(text).unwrap_err();
            assert!(fault.message.contains("cannot be read at line "), "{fault}");
            assert!(!fault.message.contains("hunter22"), "{fault}");
        }
    }
}
