//! A compose file as a tree: anchors, merge keys, `include` and `extends` resolved, with the file that `docker compose` lays
//! over it by itself; profiles and `x-` keys known for what they are.

use serde_json::{Map, Value};

use super::super::folder::Folder;
use super::layers::{bare, join, lay, moved};
use super::tree::parse;

/// The names a compose file has, in the order of the specification.
pub(in super::super) const FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// The names of what is laid over it.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// How deep services may extend others, and files include others.
const MAX_DEPTH: u32 = 8;

/// Files that are read at most.
const MAX_FILES: usize = 50;

/// The tables at the top of a file whose entries an included file adds.
const TABLES: [&str; 5] = ["services", "volumes", "networks", "secrets", "configs"];

/// A compose file.
pub(super) struct File {
    /// Its name.
    pub(super) name: &'static str,
    /// The file that is laid over it.
    pub(super) over: Option<&'static str>,
    /// The name that it gives its project.
    pub(super) project: Option<String>,
    /// Its services, in order.
    pub(super) services: Vec<(String, Map<String, Value>)>,
    /// The variables that its secrets are read from.
    pub(super) secret_variables: Vec<String>,
    /// The keys at its top that are neither services, volumes, networks nor extensions.
    pub(super) others: Vec<String>,
    /// The files that it includes and extends.
    pub(super) included: Vec<String>,
    /// What of it could not be read, a sentence each.
    pub(super) missing: Vec<String>,
}

/// Reads the folder's compose file; `None` without one.
///
/// # Errors
/// Why it cannot be read, as people read it.
pub(super) fn read(folder: &Folder) -> Option<Result<File, String>> {
    let name = folder.first(&FILES)?;
    let over = folder.first(&OVERRIDES);
    let mut reader = Reader { folder, included: Vec::new(), missing: Vec::new() };
    let mut root = match parse(&folder.read(name).unwrap_or_default()) {
        Ok(root) => root,
        Err(why) => return Some(Err(why)),
    };
    reader.include(&mut root, "", 0);
    if let Some(above) = over.and_then(|over| reader.root(over)) {
        lay_roots(&mut root, above);
    }
    let known = [&TABLES[..4], &["version", "name", "include"]].concat();
    let others = root.keys().filter(|key| !known.contains(&key.as_str()) && !key.starts_with("x-"));
    let variables = table(&root, "secrets").filter_map(|(_, secret)| secret.get("environment")?.as_str());
    let secret_variables = variables.map(str::to_owned).collect();
    let names: Vec<String> = table(&root, "services").map(|(name, _)| name.clone()).collect();
    let names = names.into_iter().filter(|name| !name.starts_with("x-"));
    let services = names.map(|name| (name.clone(), reader.whole(&root, &name, 0))).collect();
    Some(Ok(File {
        name,
        over,
        secret_variables,
        project: root.get("name").and_then(Value::as_str).map(str::to_owned),
        services,
        others: others.cloned().collect(),
        included: reader.included,
        missing: reader.missing,
    }))
}

fn table<'a>(root: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    root.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// Lays a file over another one: services key by key, what else is in tables entry by entry.
fn lay_roots(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay(below, above),
            (Some(Value::Array(below)), Value::Array(above)) => below.extend(above),
            (_, value) => _ = below.insert(key, value),
        }
    }
}

/// What reads the files that others name.
struct Reader<'a> {
    folder: &'a Folder,
    included: Vec<String>,
    missing: Vec<String>,
}

impl Reader<'_> {
    /// Another file; `None`, and a sentence, when it is not to be had.
    fn root(&mut self, path: &str) -> Option<Map<String, Value>> {
        let path = path.trim_start_matches("./");
        let away = path.contains("://") || path.starts_with("git@") || path.starts_with("oci:");
        let read = match (away, self.included.len() < MAX_FILES) {
            (true, _) => Err("it is not in this folder".to_owned()),
            (_, false) => Err(format!("more than {MAX_FILES} files are named")),
            _ => self.folder.read(path).ok_or_else(|| "there is no such file".to_owned()),
        };
        match read.and_then(|text| parse(&text)) {
            Ok(root) => {
                if !self.included.iter().any(|known| known == path) {
                    self.included.push(path.to_owned());
                }
                Some(root)
            }
            Err(why) => {
                self.miss(format!("`{path}` could not be carried over: {why}"));
                None
            }
        }
    }

    fn miss(&mut self, sentence: String) {
        if !self.missing.contains(&sentence) {
            self.missing.push(sentence);
        }
    }

    /// Adds what a file that lies in `at` includes.
    fn include(&mut self, root: &mut Map<String, Value>, at: &str, depth: u32) {
        let Some(Value::Array(items)) = root.get("include").cloned() else { return };
        if depth >= MAX_DEPTH {
            self.miss(format!("files that include others more than {MAX_DEPTH} deep are left out"));
            return;
        }
        for item in items {
            let paths: Vec<String> = match item.as_object().map_or(Some(&item), |long| long.get("path")) {
                Some(Value::String(path)) => vec![path.clone()],
                Some(Value::Array(paths)) => {
                    paths.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => continue,
            };
            let Some(first) = paths.first().map(|path| join(at, path)) else { continue };
            if item.get("env_file").is_some() {
                self.miss(format!(
                    "the `env_file` of the include of {first} is not read: name its variables in `secrets`"
                ));
            }
            let mut inner = Map::new();
            for path in &paths {
                if let Some(above) = self.root(&join(at, path)) {
                    lay_roots(&mut inner, above);
                }
            }
            let own = item.get("project_directory").and_then(Value::as_str).map(|path| join(at, path));
            let own = own.unwrap_or_else(|| folder_of(&first));
            move_services(&mut inner, &own);
            self.include(&mut inner, &own, depth + 1);
            self.add(root, inner, &first);
        }
    }

    /// Adds the entries of an included file; those that are there already count.
    fn add(&mut self, root: &mut Map<String, Value>, inner: Map<String, Value>, path: &str) {
        for (key, value) in inner {
            let (true, Value::Object(entries)) = (TABLES.contains(&key.as_str()), value) else { continue };
            let known = root.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(known) = known else { continue };
            for (name, entry) in entries {
                if known.contains_key(&name) && key == "services" {
                    self.miss(format!(
                        "`{name}` of {path} is left out: there is a service of that name already"
                    ));
                } else {
                    known.entry(name).or_insert(entry);
                }
            }
        }
    }

    /// A service with all that it extends.
    fn whole(&mut self, root: &Map<String, Value>, name: &str, depth: u32) -> Map<String, Value> {
        let own = root.get("services").and_then(|all| all.get(name)).and_then(Value::as_object);
        let mut own = own.cloned().unwrap_or_default();
        let Some(extends) = own.remove("extends").filter(|_| depth < MAX_DEPTH) else {
            return flat(own);
        };
        let base = extends.as_str().or_else(|| extends.get("service")?.as_str()).unwrap_or_default();
        let elsewhere = extends.get("file").and_then(Value::as_str);
        let mut merged = match elsewhere {
            None => self.whole(root, base, depth + 1),
            Some(file) => {
                let mut other = self.root(file).unwrap_or_default();
                move_services(&mut other, &folder_of(file));
                self.whole(&other, base, depth + 1)
            }
        };
        // What others need is not inherited (compose-spec, "extends", restrictions).
        merged.remove("depends_on");
        lay(&mut merged, own);
        merged
    }
}

/// The folder that a file lies in, as it is seen from the one that is looked at.
fn folder_of(file: &str) -> String {
    let file = join("", file);
    file.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// Makes the paths of all services of a file that lies in `folder` lead to the same places from here.
fn move_services(root: &mut Map<String, Value>, folder: &str) {
    if let Some(Value::Object(services)) = root.get_mut("services")
        && !matches!(folder, "" | ".")
    {
        services.values_mut().filter_map(Value::as_object_mut).for_each(|one| moved(one, folder));
    }
}

/// A service without tags.
fn flat(service: Map<String, Value>) -> Map<String, Value> {
    match bare(Value::Object(service)) {
        Value::Object(service) => service,
        _ => Map::new(),
    }
}
