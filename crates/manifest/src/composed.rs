//! What is wrong with a compose file so that any deploy of it fails: found in the file's text, without an engine and
//! without docker compose.

use serde_json::{Map, Value};

use crate::suggest;

/// The most bytes of a compose file that are looked at.
const MAX_BYTES: usize = 1 << 20;

/// The keys at the top (compose-spec, "The Compose file").
const TOP: [&str; 9] =
    ["configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"];

/// The keys of a service (`schema/compose-spec.json` of github.com/compose-spec/compose-spec).
const SERVICE: [&str; 96] = [
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "driver_opts",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "log_driver",
    "log_opt",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volume_driver",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// With the file and the line, where that is known.
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether docker compose may know better: it is newer than what is known here.
    pub(crate) doubtful: bool,
}

impl Wrong {
    fn sure(message: String) -> Self {
        Self { message, help: None, doubtful: false }
    }
}

/// What is wrong with the files of one project, each with its name, the later laid over the earlier. `wanted` is the
/// service of theirs that the manifest names.
pub(crate) fn look(files: &[(&str, String)], wanted: Option<&str>) -> Vec<Wrong> {
    let (mut wrong, mut names, mut complete) = (Vec::new(), Vec::new(), true);
    for (file, text) in files {
        let root = match parse(text) {
            Some(Ok(root)) => root,
            Some(Err(why)) => {
                complete = false;
                wrong.push(Wrong::sure(format!("{file} cannot be read: {why}")));
                continue;
            }
            None => {
                complete = false;
                continue;
            }
        };
        complete &= !root.contains_key("include");
        unknown_keys(file, text, None, &root, &mut wrong);
        match root.get("services") {
            Some(Value::Object(services)) => {
                names.extend(services.keys().cloned());
                for (name, service) in services {
                    look_at_service(file, text, (name, service), files.len() == 1, &mut wrong);
                }
            }
            None | Some(Value::Null) => {}
            Some(_) => wrong.push(Wrong::sure(format!("`services` of {file} is no map of names"))),
        }
    }
    let list = files.iter().map(|(file, _)| *file).collect::<Vec<_>>().join(", ");
    if complete && names.is_empty() {
        wrong.push(Wrong::sure(format!("there are no services in {list}")));
    } else if let Some(wanted) = wanted.filter(|wanted| complete && !names.iter().any(|name| name == wanted))
    {
        let help = suggest::help(wanted, names.iter().map(String::as_str));
        wrong.push(Wrong { help, ..Wrong::sure(format!("there is no service `{wanted}` in {list}")) });
    }
    wrong
}

fn look_at_service(
    file: &str,
    text: &str,
    (name, service): (&str, &Value),
    alone: bool,
    wrong: &mut Vec<Wrong>,
) {
    let Value::Object(service) = service else {
        let at = line(text, &[name]);
        wrong.push(Wrong::sure(format!("{file}{at}: `{name}` is no map of keys")));
        return;
    };
    unknown_keys(file, text, Some(name), service, wrong);
    let from = ["image", "build", "extends", "provider"];
    if alone && !from.iter().any(|key| service.contains_key(*key)) {
        let at = line(text, &[name]);
        wrong.push(Wrong::sure(format!("{file}{at}: `{name}` has neither `image` nor `build`")));
    }
}

/// Adds the keys that no compose file has there.
fn unknown_keys(
    file: &str,
    text: &str,
    service: Option<&str>,
    map: &Map<String, Value>,
    wrong: &mut Vec<Wrong>,
) {
    let known: &[&str] = if service.is_some() { &SERVICE } else { &TOP };
    let strange = map.keys().filter(|key| !known.contains(&key.as_str()) && !key.starts_with("x-"));
    for key in strange {
        let path: Vec<&str> = service.into_iter().chain([key.as_str()]).collect();
        let at = line(text, &path);
        let of = service.map_or_else(String::new, |name| format!(" of `{name}`"));
        let nearest = suggest::nearest(key, known.iter().copied());
        wrong.push(Wrong {
            message: format!("{file}{at}: docker compose knows no key `{key}`{of}"),
            help: nearest.map(|nearest| format!("did you mean `{nearest}`?")),
            doubtful: nearest.is_none(),
        });
    }
}

/// The tree of a file; `None` where it cannot be told here whether it is right.
fn parse(text: &str) -> Option<Result<Map<String, Value>, String>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let options = serde_saphyr::options! { strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Value>(text, options) {
        Ok(Value::Object(root)) => Some(Ok(root)),
        Ok(_) => Some(Err("it is no map of keys".to_owned())),
        // `!reset` and `!override` are compose's own.
        Err(_) if text.contains(" !") => None,
        Err(error) => {
            let why = error.to_string();
            let first = why.lines().next().unwrap_or_default();
            Some(Err(first.trim_start_matches("error: ").to_owned()))
        }
    }
}

/// Where the last of the keys stands, each below the one before, as `:4`; nothing where that is not seen.
fn line(text: &str, path: &[&str]) -> String {
    let mut lines = text.lines().enumerate();
    let mut found = None;
    for key in path {
        let is_key = |line: &str| {
            let bare = line.trim_start_matches([' ', '{', '"', '\'']);
            bare.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
        };
        let next = |at: usize, line: &str| (is_key(line) || line.split(['{', ',']).any(is_key)).then_some(at);
        // A flow map has its keys on the line of its name.
        let again = found.and_then(|at| next(at, text.lines().nth(at)?));
        let Some(at) = again.or_else(|| lines.find_map(|(at, line)| next(at, line))) else {
            return String::new();
        };
        found = Some(at);
    }
    found.map_or_else(String::new, |at| format!(":{}", at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: Option<&str>, expected: &[&str]) {
        let found = look(&[("compose.yaml", text.to_owned())], wanted);
        let drawn: Vec<String> = found
            .iter()
            .map(|wrong| {
                let help = wrong.help.as_deref().map_or_else(String::new, |help| format!(" ({help})"));
                format!("{}{}{help}", if wrong.doubtful { "perhaps " } else { "" }, wrong.message)
            })
            .collect();
        assert_eq!(drawn, expected);
    }

    const WEB: &str = "services:\n  web:\n    image: x\n    x-own: 1\n  db: { image: y, restart: always }\n";

    #[test]
    fn what_is_right_is_right() {
        check(WEB, Some("db"), &[]);
        check("include: [a.yaml]\n", Some("db"), &[]);
        check("services: { web: { image: x, ports: !override [80] } }\n", None, &[]);
        let base = "x-base: &base\n  restart: always\nservices:\n  web:\n    <<: *base\n    image: x\n";
        check(base, Some("web"), &[]);
    }

    #[test]
    fn a_key_that_nobody_knows_is_found_with_its_line() {
        let comand =
            "compose.yaml:4: docker compose knows no key `comand` of `web` (did you mean `command`?)";
        check("services:\n  web:\n    image: x\n    comand: y\n", None, &[comand]);
        let flow = "compose.yaml:2: docker compose knows no key `comand` of `web` (did you mean `command`?)";
        check("services:\n  web: { image: x, comand: y }\n", None, &[flow]);
        let top = "compose.yaml:1: docker compose knows no key `service` (did you mean `services`?)";
        check("service:\n  web: { image: x }\n", None, &[top, "there are no services in compose.yaml"]);
        let new = "perhaps compose.yaml:1: docker compose knows no key `quux` of `web`";
        check("services: { web: { image: x, quux: y } }\n", None, &[new]);
    }

    #[test]
    fn what_is_no_project_is_said() {
        check(WEB, Some("wbe"), &["there is no service `wbe` in compose.yaml (did you mean `web`?)"]);
        check("a: [\n", None, &["compose.yaml cannot be read: line 1 column 4: unclosed bracket '['"]);
        check(
            "services:\n  web:\n    restart: always\n",
            None,
            &["compose.yaml:2: `web` has neither `image` nor `build`"],
        );
        check("services: { web: nginx }\n", None, &["compose.yaml:1: `web` is no map of keys"]);
    }

    #[test]
    fn files_are_taken_together() {
        let over = "services:\n  web:\n    restart: always\n".to_owned();
        let files = [("a.yaml", WEB.to_owned()), ("b.yaml", over)];
        assert_eq!(look(&files, Some("db")), []);
    }
}
