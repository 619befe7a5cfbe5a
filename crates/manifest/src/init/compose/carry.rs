//! One service of a compose file as one of ours. What has no place here becomes a remark with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::folder::Folder;
use super::super::write::{Sketch, escaped, list, quoted, tidy};
use super::file::File;
use super::interpolate::{fill, fill_unless};
use super::values::{
    inside, is_volume, mount, one_or_more, pairs, plain, simple_length, split, texts, url_path, url_port,
};
use crate::forms;

/// Ports on which no HTTP is spoken: IANA's of the usual databases, caches and brokers.
const NO_HTTP: [u16; 13] = [25, 1433, 1521, 1883, 3306, 4222, 5432, 5672, 6379, 9042, 9092, 11_211, 27_017];

/// Ports on which HTTP is spoken with TLS.
const TLS: [u16; 2] = [443, 8443];

/// Keys whose meaning Landfall has in another way, or not at all, and which.
const ELSEWHERE: [(&str, &str); 14] = [
    ("container_name", "containers are named by Landfall; other services find this one by its own name"),
    ("depends_on", "services start side by side: a client must try again until the other one answers"),
    ("devices", "host devices are not given to containers"),
    ("dns", "names are the engine's affair"),
    ("entrypoint", "the image's own is run; put another one into its Dockerfile"),
    ("extra_hosts", "names of hosts are the image's or the network's affair"),
    ("hostname", "a container is named after its service and its number"),
    ("labels", "labels are given by Landfall"),
    ("links", "services of an application find each other by their names"),
    ("logging", "`landfall logs` keeps what is printed"),
    ("network_mode", "every application has a network of its own"),
    ("networks", "services of an application share one network"),
    ("privileged", "containers run without privileges; `cap_add` gives single ones"),
    ("working_dir", "the image's own is used; say it in its Dockerfile"),
];

/// Keys that are carried over, or are no setting.
const KNOWN: [&str; 29] = [
    "build",
    "cap_add",
    "cap_drop",
    "command",
    "cpus",
    "deploy",
    "env_file",
    "environment",
    "expose",
    "healthcheck",
    "image",
    "init",
    "mem_limit",
    "pids_limit",
    "platform",
    "ports",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "scale",
    "secrets",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "tty",
    "user",
    "volumes",
];

/// A service that was carried over.
pub(super) struct Carried {
    pub(super) sketch: Sketch,
    /// How many keys were not.
    pub(super) left: usize,
}

/// Why a service is no part of what runs; `None` when it is.
pub(super) fn left_out(name: &str, service: &Map<String, Value>, file: &File) -> Option<String> {
    let profiles = texts(service.get("profiles"));
    if let Some(profile) = profiles.first() {
        return Some(format!("it only runs with the profile `{profile}`"));
    }
    let waits = |other: &Map<String, Value>| {
        let condition = other.get("depends_on").and_then(|on| on.get(name)?.get("condition")?.as_str());
        condition == Some("service_completed_successfully")
    };
    let awaited = file.services.iter().any(|(_, other)| waits(other));
    awaited
        .then(|| "it runs once and ends; do it by `landfall exec`, or when the application starts".to_owned())
}

/// The service.
pub(super) fn service(
    name: &str,
    service: &Map<String, Value>,
    folder: &Folder,
    names: &BTreeSet<&str>,
) -> Carried {
    let mut draft = Draft {
        sketch: Sketch::new(name),
        remarks: Vec::new(),
        secrets: BTreeSet::new(),
        asked: true,
        made: true,
    };
    let path = draft.source(service, folder);
    draft.raw("runtime", "\"docker\"", "a container of its own");
    draft.command(service);
    if !draft.made {
        draft.raw("image", "\"scratch:none\"", "replace it");
    }
    draft.ports(service);
    draft.environment(service, folder);
    draft.volumes(service, &path, folder);
    draft.health(service);
    draft.limits(service);
    draft.stop(service);
    draft.rights(service);
    for (key, why) in ELSEWHERE {
        if service.contains_key(key) {
            draft.remark(key, why);
        }
    }
    let known = |key: &str| KNOWN.contains(&key) || ELSEWHERE.iter().any(|(other, _)| *other == key);
    for key in service.keys().filter(|key| !known(key) && !key.starts_with("x-")) {
        draft.remark(key, "has no place here");
    }
    let others: Vec<&str> =
        names.iter().copied().filter(|other| *other != name && tidy(other, "web") != *other).collect();
    for other in others {
        draft.remarks.push(format!(
            "`{other}` is named `{}` here, also for those that look for it",
            tidy(other, "web")
        ));
    }
    let left = draft.remarks.len();
    let sketch = draft.remarks.into_iter().fold(draft.sketch, |sketch, remark| sketch.remark(&remark));
    Carried { sketch, left }
}

/// The names of the variables in a service's files of variables.
pub(super) fn env_file_names(service: &Map<String, Value>, folder: &Folder) -> BTreeSet<String> {
    env_file(service, folder).into_iter().map(|(name, _)| name).collect()
}

/// The variables in a service's files of variables, in their order.
pub(super) fn env_file(service: &Map<String, Value>, folder: &Folder) -> Vec<(String, String)> {
    let path = |value: &Value| value.as_str().or_else(|| value.get("path")?.as_str()).map(str::to_owned);
    let files: Vec<String> = match service.get("env_file") {
        Some(Value::Array(items)) => items.iter().filter_map(path).collect(),
        Some(one) => path(one).into_iter().collect(),
        None => Vec::new(),
    };
    files.iter().flat_map(|file| variables_in(folder, file.trim_start_matches("./"))).collect()
}

/// The names of the variables in a file of variables.
fn names_in(folder: &Folder, file: &str) -> BTreeSet<String> {
    variables_in(folder, file).into_iter().map(|(name, _)| name).collect()
}

/// The variables in a file of variables, quotes around their values taken away.
fn variables_in(folder: &Folder, file: &str) -> Vec<(String, String)> {
    let text = folder.read(file).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.trim().trim_start_matches("export ").split_once('='));
    let bare = |value: &str| value.trim().trim_matches(['"', '\'']).to_owned();
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), bare(value)));
    pairs.filter(|(name, _)| forms::VARIABLE.accepts(name)).collect()
}

/// The names of the volumes that a service shares with nobody or somebody.
pub(super) fn named_volumes(service: &Map<String, Value>) -> Vec<String> {
    let mounts = service.get("volumes").and_then(Value::as_array).into_iter().flatten();
    mounts.filter_map(mount).filter(|(source, _)| is_volume(source)).map(|(source, _)| source).collect()
}

struct Draft {
    sketch: Sketch,
    remarks: Vec<String>,
    secrets: BTreeSet<String>,
    /// Whether requests come to it.
    asked: bool,
    /// Whether there is something to make its container from.
    made: bool,
}

impl Draft {
    fn raw(&mut self, key: &str, value: &str, why: &str) {
        self.sketch = self.sketch.clone().raw(key, value, why);
    }

    fn remark(&mut self, key: &str, why: &str) {
        self.remarks.push(format!("`{key}`: {why}"));
    }

    /// Where its image comes from. Gives the folder of its source.
    fn source(&mut self, service: &Map<String, Value>, folder: &Folder) -> String {
        let Some(build) = service.get("build").filter(|build| !build.is_null()) else {
            match service.get("image").and_then(Value::as_str).map(|image| fill(image).text) {
                Some(image) if forms::IMAGE.accepts(&image) => {
                    self.raw("image", &quoted(&image), "pinned by its digest when it is deployed");
                }
                image => {
                    self.remark("image", &format!("`{}` names no image for good", image.unwrap_or_default()));
                    self.raw("image", "\"scratch:none\"", "replace it");
                }
            }
            return ".".to_owned();
        };
        let text = |key: &str| build.get(key).and_then(Value::as_str).map(|text| fill(text).text);
        let context =
            build.as_str().map(|text| fill(text).text).or_else(|| text("context")).unwrap_or_default();
        let path = context.trim_start_matches("./").trim_end_matches('/').to_owned();
        let path = if path.is_empty() { ".".to_owned() } else { path };
        let inside = path == "." || (forms::INSIDE.accepts(&path) && folder.has_folder(&path));
        if inside {
            self.sketch = self.sketch.clone().below(&path);
        } else {
            self.remark("build", &format!("`{path}` is no folder below this one"));
        }
        let mut inner = Vec::new();
        inner.extend(
            text("dockerfile")
                .filter(|f| forms::INSIDE.accepts(f))
                .map(|f| format!("dockerfile = {}", quoted(f.trim_start_matches("./")))),
        );
        inner.extend(text("target").map(|target| format!("target = {}", quoted(&target))));
        let args = pairs(build.get("args"));
        let args: Vec<String> = args
            .iter()
            .filter(|(name, _)| forms::ARGUMENT.accepts(name))
            .filter_map(|(name, value)| Some(format!("{name} = {}", quoted(&fill(value.as_deref()?).text))))
            .collect();
        if !args.is_empty() {
            inner.push(format!("args = {{ {} }}", args.join(", ")));
        }
        let there =
            |file: &str| folder.has(&if path == "." { file.to_owned() } else { format!("{path}/{file}") });
        let named = text("dockerfile").is_none_or(|file| there(file.trim_start_matches("./")));
        self.made = inside && named && (text("dockerfile").is_some() || there("Dockerfile"));
        if !inner.is_empty() && inside && named {
            self.raw("build", &format!("{{ {} }}", inner.join(", ")), "how the image is built");
        } else if !named {
            self.remark("build", "its Dockerfile is not there");
        }
        for key in ["secrets", "ssh", "cache_from", "network", "labels", "additional_contexts"] {
            if build.get(key).is_some() {
                self.remark(&format!("build.{key}"), "is not carried over");
            }
        }
        if path == "." || inside { path } else { ".".to_owned() }
    }

    fn command(&mut self, service: &Map<String, Value>) {
        let words: Vec<String> = match service.get("command") {
            Some(Value::Array(words)) => {
                words.iter().filter_map(plain).map(|word| fill(&word).text).collect()
            }
            Some(Value::String(line)) => split(&fill(line).text),
            _ => Vec::new(),
        };
        if !words.is_empty() && words.iter().any(|word| !word.trim().is_empty()) {
            let words = words.iter().map(|word| escaped(word));
            self.raw("run", &list(words), "given to the image's entrypoint");
            self.made = true;
        }
    }

    /// The port that it listens on, and whether requests come to it.
    fn ports(&mut self, service: &Map<String, Value>) {
        let (published, exposed) = (inside(service.get("ports")), inside(service.get("expose")));
        let all: Vec<u16> = published.iter().chain(&exposed).copied().collect();
        let asked =
            url_port(&one_or_more(service.get("healthcheck").and_then(|check| check.get("test"))).join(" "));
        let mut http: Vec<u16> =
            all.iter().copied().chain(asked).filter(|port| !NO_HTTP.contains(port)).collect();
        // Landfall's proxy speaks TLS itself, and plain HTTP behind.
        http.sort_by_key(|port| TLS.contains(port));
        let http = http.first().copied();
        let Some(port) = http.filter(|_| !published.is_empty() || service.contains_key("build")) else {
            self.asked = false;
            self.raw("kind", "\"worker\"", "no requests come to it from outside");
            if let Some(port) = published.first() {
                self.remark(
                    "ports",
                    &format!("{port} is reached by other services alone, under this service's name"),
                );
            }
            return;
        };
        self.raw("port", &port.to_string(), "where it listens inside; Landfall's proxy stands in front");
        if published.len() > 1 {
            let rest: Vec<String> =
                published.iter().filter(|other| **other != port).map(u16::to_string).collect();
            self.remark("ports", &format!("only one port is served; {} is not", rest.join(", ")));
        }
    }

    fn environment(&mut self, service: &Map<String, Value>, folder: &Folder) {
        let mut env = BTreeMap::new();
        // Compose reads it too: what it sets counts, and not the default.
        let set = names_in(folder, ".env");
        for (name, value) in pairs(service.get("environment")) {
            if !forms::VARIABLE.accepts(&name) || ["HOST", "PORT"].contains(&name.as_str()) {
                self.remark(&format!("environment.{name}"), "Landfall gives HOST and PORT itself");
                continue;
            }
            let Some(value) = value else {
                self.secrets.insert(name);
                continue;
            };
            let filled = fill_unless(&value, &|name| set.contains(name));
            match filled.missing.as_slice() {
                [] => _ = env.insert(name, filled.text),
                [one] if *one == name => _ = self.secrets.insert(name),
                missing => {
                    let whole = format!(
                        "`{name}` was made of {}: write its whole value where secrets are kept",
                        missing.join(", ")
                    );
                    self.remarks.push(whole);
                    self.secrets.insert(name);
                }
            }
        }
        let given = env_file_names(service, folder);
        self.secrets.extend(given.into_iter().filter(|name| !env.contains_key(name)));
        if !env.is_empty() {
            let env: Vec<String> =
                env.iter().map(|(name, value)| format!("{name} = {}", quoted(&escaped(value)))).collect();
            self.raw("env", &format!("{{ {} }}", env.join(", ")), "");
        }
        let files = texts(service.get("secrets"))
            .into_iter()
            .map(|name| name.to_ascii_uppercase().replace(['-', '.'], "_"));
        let files: Vec<String> = files.filter(|name| forms::VARIABLE.accepts(name)).collect();
        if !files.is_empty() {
            self.raw("secrets_as", "\"files\"", "/run/secrets/NAME, and NAME_FILE says so");
            self.secrets.extend(files);
        }
        if !self.secrets.is_empty() {
            let secrets = list(std::mem::take(&mut self.secrets));
            self.raw("secrets", &secrets, "their values come from .env, or where you keep them");
        }
    }

    fn volumes(&mut self, service: &Map<String, Value>, path: &str, folder: &Folder) {
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        let mut tmpfs = one_or_more(service.get("tmpfs"));
        for value in service.get("volumes").and_then(Value::as_array).into_iter().flatten() {
            if value.get("type").and_then(Value::as_str) == Some("tmpfs") {
                tmpfs.extend(value.get("target").and_then(Value::as_str).map(str::to_owned));
                continue;
            }
            let Some((source, target)) = mount(value) else { continue };
            let local = source.trim_start_matches("./");
            let place = if path == "." {
                local.to_owned()
            } else {
                local.trim_start_matches(&format!("{path}/")).to_owned()
            };
            if source.starts_with(['/', '~']) || source.starts_with("../") {
                self.remark("volumes", &format!("`{source}` lies on the host, outside of the application"));
            } else if source.starts_with('.') && (folder.has(local) || folder.has_folder(local)) {
                self.remark(
                    "volumes",
                    &format!("`{place}` at {target} is source: put it into the image (`COPY`)"),
                );
            } else if forms::ABSOLUTE.accepts(&target) {
                let name = tidy(if source.is_empty() { &target } else { local }, "data");
                kept.insert(name, target);
            }
        }
        if !kept.is_empty() {
            let kept: Vec<String> =
                kept.iter().map(|(name, target)| format!("{name} = {}", quoted(target))).collect();
            self.raw("volumes", &format!("{{ {} }}", kept.join(", ")), "kept folders");
        }
        let tmpfs: Vec<String> =
            tmpfs.into_iter().map(|path| path.split(':').next().unwrap_or_default().to_owned()).collect();
        if !tmpfs.is_empty() && tmpfs.iter().all(|path| forms::ABSOLUTE.accepts(path)) {
            self.raw("tmpfs", &list(tmpfs), "in memory");
        }
    }

    fn health(&mut self, service: &Map<String, Value>) {
        let Some(check) = service.get("healthcheck") else { return };
        let test = one_or_more(check.get("test")).join(" ");
        if check.get("disable").and_then(Value::as_bool) == Some(true) || test.starts_with("NONE") {
            return;
        }
        let Some(path) = url_path(&test).filter(|path| forms::REQUEST_PATH.accepts(path)) else {
            let mut short: String = test.chars().take(60).collect();
            if short.len() < test.len() {
                short.push('…');
            }
            self.remark(
                "healthcheck",
                &format!("`{short}` is not run; the image's own HEALTHCHECK is, or its port is tried"),
            );
            return;
        };
        if !self.asked {
            self.remark("healthcheck", &format!("{path} is not asked: a worker answers no requests"));
            return;
        }
        let mut parts = vec![format!("path = {}", quoted(&path))];
        for key in ["interval", "timeout", "start_period"] {
            let length = check.get(key).and_then(Value::as_str).filter(|text| *text != "0s");
            parts.extend(
                length.filter(|text| simple_length(text)).map(|text| format!("{key} = {}", quoted(text))),
            );
        }
        self.raw("health", &format!("{{ {} }}", parts.join(", ")), "asked by Landfall itself");
    }

    fn limits(&mut self, service: &Map<String, Value>) {
        let deploy = service.get("deploy");
        let limits = deploy.and_then(|deploy| deploy.get("resources")?.get("limits"));
        let said = |key: &str, old: &str| {
            limits.and_then(|l| l.get(key)).or_else(|| service.get(old)).and_then(plain)
        };
        if let Some(memory) =
            said("memory", "mem_limit").map(|text| text.trim_end_matches(['b', 'B']).to_ascii_uppercase())
        {
            if crate::measure::size(&memory).is_some() {
                self.raw("limits", &format!("{{ memory = {} }}", quoted(&memory)), "");
            } else {
                self.remark("mem_limit", "is not understood");
            }
        }
        if let Some(cpus) = said("cpus", "cpus").filter(|text| forms::CPUS.accepts(text)) {
            self.raw("cpus", &quoted(&cpus), "");
        }
        if let Some(pids) =
            said("pids", "pids_limit").and_then(|text| text.parse::<u32>().ok()).filter(|pids| *pids > 0)
        {
            self.raw("pids", &pids.to_string(), "");
        }
        let replicas = deploy.and_then(|deploy| deploy.get("replicas")).or_else(|| service.get("scale"));
        if let Some(replicas) = replicas.and_then(Value::as_u64).filter(|count| (2..=100).contains(count)) {
            self.raw("replicas", &replicas.to_string(), "");
        }
    }

    fn stop(&mut self, service: &Map<String, Value>) {
        let mut parts = Vec::new();
        let text = |key: &str| service.get(key).and_then(plain);
        if let Some(signal) = text("stop_signal") {
            let signal = signal.trim_start_matches("SIG").to_owned();
            if ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"].contains(&signal.as_str()) {
                parts.push(format!("signal = {}", quoted(&signal)));
            } else {
                self.remark("stop_signal", &format!("SIG{signal} is none that Landfall sends"));
            }
        }
        parts.extend(
            text("stop_grace_period").filter(|t| simple_length(t)).map(|t| format!("grace = {}", quoted(&t))),
        );
        if !parts.is_empty() {
            self.raw("stop", &format!("{{ {} }}", parts.join(", ")), "");
        }
    }

    fn rights(&mut self, service: &Map<String, Value>) {
        if let Some(user) = service.get("user").and_then(plain).map(|user| fill(&user).text) {
            if forms::USER.accepts(&user) {
                self.raw("user", &quoted(&user), "");
            } else {
                self.remark("user", "is not understood");
            }
        }
        if service.get("read_only").and_then(Value::as_bool) == Some(true) {
            self.raw("read_only", "true", "");
        }
        for key in ["cap_drop", "cap_add"] {
            let names: Vec<String> = texts(service.get(key))
                .iter()
                .map(|name| name.trim_start_matches("CAP_").to_owned())
                .collect();
            if !names.is_empty() && names.iter().all(|name| forms::CAPABILITY.accepts(name)) {
                self.raw(key, &list(names), "");
            }
        }
        if service.get("restart").and_then(plain).is_some_and(|restart| restart == "no") {
            self.remark("restart", "what ends is always started again here");
        }
    }
}
