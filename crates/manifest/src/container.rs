//! Services in containers: which runtime a service has, where its image comes from, what its container may do.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_model::{
    Compose, Container, Dockerfile, Image, ImageBuild, Kind, Runtime, SecretsAs, SourceSpan,
};

use crate::composed;
use crate::forms;
use crate::load::Context;
use crate::parts;
use crate::report::{Problem, Report};
use crate::service::Draft;
use crate::tree::{Node, Table, Value};

/// What a compose project's file is called unless the manifest says it.
const COMPOSE_FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// How a service runs.
pub(crate) struct Running {
    pub(crate) runtime: Runtime,
    pub(crate) container: Option<Container>,
    pub(crate) compose: Option<Compose>,
}

/// The runtime of a service: its own, else its environment's.
pub(crate) fn runtime(service: &Table, here: &Table) -> Runtime {
    match service.text("runtime").or_else(|| here.text("runtime")) {
        Some("docker") => Runtime::Docker,
        Some("compose") => Runtime::Compose,
        _ => Runtime::Process,
    }
}

/// Reads what is right. Sites are served by the proxy: of one only the build can be in a container.
pub(crate) fn read(draft: &Draft, kind: Kind, registry: Option<&str>, context: &Context<'_>) -> Running {
    let builds = draft.table.get("build").is_some();
    match draft.runtime {
        Runtime::Docker if kind != Kind::Site || builds => Running {
            runtime: Runtime::Docker,
            container: Some(container(draft, registry, context)),
            compose: None,
        },
        Runtime::Compose if kind != Kind::Site => {
            Running { runtime: Runtime::Compose, container: None, compose: Some(compose(draft, context)) }
        }
        _ => Running { runtime: Runtime::Process, container: None, compose: None },
    }
}

fn container(draft: &Draft, registry: Option<&str>, context: &Context<'_>) -> Container {
    let table = &draft.table;
    let image = match table.text("image") {
        Some(reference) => Image::Ready { reference: reference.to_owned() },
        None => Image::Build(build(draft, context)),
    };
    Container {
        image,
        registry: registry.map(str::to_owned),
        port: port(table),
        user: table.text("user").map(str::to_owned),
        read_only: matches!(table.get("read_only"), Some(Node { value: Value::Flag(true), .. })),
        tmpfs: texts(table, "tmpfs"),
        cap_drop: texts(table, "cap_drop"),
        cap_add: texts(table, "cap_add"),
        cpus: table.text("cpus").and_then(forms::cpus),
        pids: parts::number(table, "pids"),
        secrets_as: secrets_as(table),
    }
}

fn build(draft: &Draft, context: &Context<'_>) -> ImageBuild {
    let empty = Table::default();
    let table = draft.table.table("build").unwrap_or(&empty);
    let args = table.table("args").into_iter().flat_map(|args| &args.entries);
    let mut secrets = texts(table, "secrets");
    secrets.sort();
    secrets.dedup();
    let text = |key: &str| table.text(key).map(str::to_owned);
    ImageBuild {
        dockerfile: dockerfile(draft, context).unwrap_or_default(),
        args: args.filter_map(|entry| Some((entry.key.clone(), plain(&entry.node)?))).collect(),
        target: text("target"),
        platform: text("platform"),
        secrets,
        network: text("network"),
        builder: text("builder"),
    }
}

/// The named Dockerfile, of the service's folder or else of the manifest's; without a name that of the folder, else one
/// that is written. `None` when the named one is not there or cannot be read.
fn dockerfile(draft: &Draft, context: &Context<'_>) -> Option<Dockerfile> {
    let source = context.root.join(draft.table.text("path").unwrap_or("."));
    let Some(name) = draft.table.table("build").and_then(|build| build.text("dockerfile")) else {
        let own = !draft.is_site() && (context.is_file)(&source.join("Dockerfile"));
        return Some(if own {
            Dockerfile::Own { path: "Dockerfile".to_owned() }
        } else {
            Dockerfile::Generated
        });
    };
    if (context.is_file)(&source.join(name)) {
        return Some(Dockerfile::Own { path: name.to_owned() });
    }
    let file = context.root.join(name);
    let text = (context.text)(&file).filter(|text| text.len() <= Dockerfile::MAX_BYTES)?;
    let beside = format!("{}.dockerignore", file.display());
    let ignore = (context.text)(Path::new(&beside)).filter(|text| text.len() <= Dockerfile::MAX_BYTES);
    Some(Dockerfile::Text { name: name.to_owned(), text, ignore })
}

fn compose(draft: &Draft, context: &Context<'_>) -> Compose {
    let node = draft.table.get("compose");
    let inner = node.and_then(Node::table);
    let files = match (node.and_then(Node::text), inner) {
        (Some(file), _) => vec![file.to_owned()],
        (_, Some(table)) => one_or_more(table, "files"),
        _ => Vec::new(),
    };
    let source = context.root.join(draft.table.text("path").unwrap_or("."));
    let found = || COMPOSE_FILES.into_iter().find(|file| (context.is_file)(&source.join(file)));
    Compose {
        files: if files.is_empty() { found().into_iter().map(str::to_owned).collect() } else { files },
        project: inner.and_then(|table| table.text("project")).map(str::to_owned),
        profiles: inner.map(|table| one_or_more(table, "profiles")).unwrap_or_default(),
        service: inner.and_then(|table| table.text("service")).map(str::to_owned),
        port: inner.and_then(port),
        secrets_as: secrets_as(&draft.table),
    }
}

/// Adds what does not go with the runtime, and files that are not there.
pub(crate) fn check(draft: &Draft, context: &Context<'_>, report: &mut Report) {
    match draft.runtime {
        Runtime::Process => check_process(draft, report),
        Runtime::Docker => check_docker(draft, context, report),
        Runtime::Compose => check_compose(draft, context, report),
    }
}

/// What a container needs may stand there for another environment; what nothing can be made of may not.
fn check_process(draft: &Draft, report: &mut Report) {
    if let Some(entry) = draft.table.entry("image")
        && draft.table.entry("run").is_none()
    {
        let problem = Problem::error(format!("`{}` is an image, and an image is no process", draft.name));
        report.add(problem.at(entry.at, "").help("say `runtime = \"docker\"` for it"));
    }
}

fn check_docker(draft: &Draft, context: &Context<'_>, report: &mut Report) {
    let name = &draft.name;
    let table = &draft.table;
    if let (Some(image), Some(build)) = (table.entry("image"), table.entry("build")) {
        let problem = Problem::error(format!("`{name}` has an image and builds one"));
        report.add(
            problem
                .at(image.at, "this one is there already")
                .at(build.at, "this makes one")
                .help("keep one of the two"),
        );
    }
    if let Some(file) = table.table("build").and_then(|build| build.get("dockerfile"))
        && file.text().is_some_and(|text| forms::INSIDE.accepts(text))
        && dockerfile(draft, context).is_none()
    {
        let problem = Problem::error(format!("there is no Dockerfile `{}`", file.text().unwrap_or_default()));
        report.add(problem.at(file.span, "").help(format!(
            "it is looked for below the service's folder, then below the manifest's; at most {} KiB",
            Dockerfile::MAX_BYTES / 1024
        )));
    }
    let files = table.text("secrets_as") == Some("files");
    if let Some(build) = table.table("build").filter(|_| table.entry("image").is_none()) {
        for secret in build.get("secrets").and_then(Node::list).unwrap_or_default() {
            let known = crate::service::secret_needs(table);
            if let Some(wanted) = secret.text()
                && !known.iter().any(|need| need.name == wanted)
            {
                let problem = Problem::error(format!("`{wanted}` is no secret of `{name}`"));
                report.add(problem.at(secret.span, "").help("name it in the service's `secrets` too"));
            }
        }
    }
    if files && crate::service::secret_needs(table).is_empty() {
        let at = table.entry("secrets_as").map_or(draft.at, |entry| entry.at);
        report.add(Problem::warning("`secrets_as` does nothing: the service has no secrets").at(at, ""));
    }
}

fn check_compose(draft: &Draft, context: &Context<'_>, report: &mut Report) {
    let name = &draft.name;
    let table = &draft.table;
    for key in ["run", "build", "image", "replicas", "volumes", "limits", "backoff"] {
        if let Some(entry) = table.entry(key) {
            let problem = Problem::warning(format!("`{key}` does nothing: the compose file says it"));
            report.add(problem.at(entry.at, ""));
        }
    }
    if let Some(word) = crate::releasing::word(table).filter(|word| *word != "restart") {
        let problem = Problem::error(format!("`{name}` cannot be released by `{word}`"));
        report.add(problem.at(draft.place("strategy"), "").help(
            "docker compose replaces containers in place, so that only `restart` is true of it; `landfall init` makes \
             services of a compose file that can do the others",
        ));
    }
    let compose = compose(draft, context);
    if compose.files.is_empty() {
        let problem = Problem::error(format!("`{name}` has no compose file"));
        report.add(
            problem.at(draft.at, "").help("add `compose = \"compose.yaml\"`, below the service's `path`"),
        );
    }
    let source = context.root.join(table.text("path").unwrap_or("."));
    for file in &compose.files {
        if forms::INSIDE.accepts(file) && !(context.is_file)(&source.join(file)) {
            let at = table.get("compose").map_or(draft.at, |node| node.span);
            report.add(Problem::error(format!("there is no compose file `{file}`")).at(at, ""));
        }
    }
    check_files(draft, &compose, context, report);
    if draft.kind == Some(Kind::Web) && compose.port.is_none() {
        let at = draft.place("kind");
        let problem = Problem::error(format!("`{name}` gets requests, and no port of the project is named"));
        report.add(problem.at(at, "").help(
            "add `compose = { service = \"web\", port = 8000 }`, or leave `kind` out: the project then publishes its ports \
             itself",
        ));
    }
}

/// Adds what is wrong with the compose files themselves.
fn check_files(draft: &Draft, compose: &Compose, context: &Context<'_>, report: &mut Report) {
    let source = context.root.join(draft.table.text("path").unwrap_or("."));
    let inside = compose.files.iter().filter(|file| forms::INSIDE.accepts(file));
    let texts: Vec<(&str, String)> =
        inside.filter_map(|file| Some((file.as_str(), (context.text)(&source.join(file))?))).collect();
    if texts.is_empty() || texts.len() != compose.files.len() {
        return;
    }
    let node = draft.table.get("compose");
    let at = node.map_or(draft.at, |node| node.span);
    let named =
        node.and_then(Node::table).and_then(|table| table.get("service")).map_or(at, |node| node.span);
    for wrong in composed::look(&texts, compose.service.as_deref()) {
        let at = if wrong.message.starts_with("there is no service") { named } else { at };
        let problem = match wrong.doubtful {
            true => Problem::warning(wrong.message),
            false => Problem::error(wrong.message),
        };
        let problem = problem.at(at, "");
        report.add(match wrong.help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}

/// Adds two services of one environment that have the same compose project.
pub(crate) fn check_projects(drafts: &[Draft], report: &mut Report) {
    let mut known: BTreeMap<&str, (&Draft, SourceSpan)> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.runtime == Runtime::Compose) {
        let Some(node) = draft.table.table("compose").and_then(|compose| compose.get("project")) else {
            continue;
        };
        let Some(name) = node.text() else { continue };
        if let Some((other, at)) = known.insert(name, (draft, node.span)) {
            let problem = Problem::error(format!(
                "`{}` and `{}` have one compose project: {name}",
                other.name, draft.name
            ));
            report.add(
                problem
                    .at(node.span, "this one")
                    .at(at, "and this one")
                    .help("each of them would take the other's containers away: name another `project`"),
            );
        }
    }
}

/// Whether an image says by itself what is run.
pub(crate) fn says_run(draft: &Draft, context: &Context<'_>) -> bool {
    match draft.runtime {
        // That it cannot run as a process has been said.
        Runtime::Process => draft.table.entry("image").is_some(),
        Runtime::Compose => true,
        Runtime::Docker => {
            draft.table.entry("image").is_some()
                || dockerfile(draft, context).is_none_or(|dockerfile| dockerfile != Dockerfile::Generated)
        }
    }
}

/// The kind of a service that says none: of a compose project that names no port, one without a route.
pub(crate) fn default_kind(table: &Table, runtime: Runtime) -> Kind {
    let ported = table.table("compose").and_then(port).is_some();
    if runtime == Runtime::Compose && !ported { Kind::Worker } else { Kind::Web }
}

fn port(table: &Table) -> Option<u16> {
    table.get("port")?.integer().and_then(|port| u16::try_from(port).ok())
}

fn secrets_as(table: &Table) -> SecretsAs {
    if table.text("secrets_as") == Some("files") { SecretsAs::Files } else { SecretsAs::Env }
}

fn texts(table: &Table, key: &str) -> Vec<String> {
    let items = table.get(key).and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}

fn one_or_more(table: &Table, key: &str) -> Vec<String> {
    table.text(key).map_or_else(|| texts(table, key), |one| vec![one.to_owned()])
}

/// A string, an integer or a boolean as text.
fn plain(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => number.map(|number| number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        _ => None,
    }
}
