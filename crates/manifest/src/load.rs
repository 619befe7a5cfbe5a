//! The way from text to `Resolved`, and what it asks of the machine.

use std::path::Path;
use std::sync::Arc;

use landfall_model::{AppName, Diagnostic, EnvironmentName, Resolved, Severity, VersionSource};

use crate::environment::Environment;
use crate::report::{Problem, Report};
use crate::tree::{Node, Table};
use crate::{check, container, environment, keys, order, references, routes, service, tls, tree};

/// The largest manifest in bytes; one for 1,000 services is a tenth of it.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a manifest is read for, and what must be known of the machine.
pub struct Context<'a> {
    /// The manifest's path, for diagnostics.
    pub file: &'a Path,
    /// The folder of the manifest, absolute.
    pub root: &'a Path,
    /// The environment that is meant.
    pub environment: &'a EnvironmentName,
    /// A variable of this process's environment, for `${env.NAME}`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whether there is a folder of this absolute path.
    pub is_folder: &'a dyn Fn(&Path) -> bool,
    /// Whether there is a file of this absolute path.
    pub is_file: &'a dyn Fn(&Path) -> bool,
    /// The text of the file of this absolute path, if it can be read: a Dockerfile that is kept beside the manifest.
    pub text: &'a dyn Fn(&Path) -> Option<String>,
}

/// A manifest that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What it means.
    pub resolved: Resolved,
    /// What is worth knowing.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the manifest's text for one environment.
///
/// # Errors
/// All problems at once, at least one of them an `Error` (the manifest is wrong) or `Missing` (it is right, and this
/// version or this machine cannot do it).
pub fn load(text: &str, context: &Context<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    let whole: Arc<str> = text.into();
    let mut report = Report::default();
    let resolved = read(&whole, context, &mut report);
    let diagnostics = report.finish(context.file, &whole);
    match resolved {
        Some(resolved) if diagnostics.iter().all(|d| d.severity == Severity::Warning) => {
            Ok(Loaded { resolved, warnings: diagnostics })
        }
        _ => Err(diagnostics),
    }
}

/// The names of the environments that the manifest declares, in its order, as far as it can be understood.
#[must_use]
pub fn environments(text: &str) -> Vec<String> {
    let (root, _) = tree::parse(text);
    let declared = root.table().and_then(|table| table.table("environment"));
    declared.map(|table| table.keys().map(str::to_owned).collect()).unwrap_or_default()
}

/// The application's name, as far as the manifest can be understood: what looks at a running application needs no more,
/// and must not be kept from it by a manifest that is being edited.
#[must_use]
pub fn app_name(text: &str) -> Option<AppName> {
    let (root, _) = tree::parse(text);
    root.table()?.text("name")?.parse().ok()
}

fn read(text: &Arc<str>, context: &Context<'_>, report: &mut Report) -> Option<Resolved> {
    if text.len() > MAX_BYTES {
        report.add(Problem::error(format!("the manifest is larger than {} MiB", MAX_BYTES >> 20)));
        return None;
    }
    let root = shaped(text, report)?;
    let root = root.table()?;
    let here = &environment::select(root, context.environment, report)?;
    environment::check_overlays(root, report);
    let app: Option<AppName> = root.text("name").and_then(|name| name.parse().ok());
    let environment = Environment::read(root, here, app.as_ref(), context, report);

    let drafts = service::drafts(root, here, report);
    if drafts.is_empty() {
        no_services(root, report);
    }
    let routes = routes::assign(&drafts, &environment, report);
    container::check_projects(&drafts, report);
    tls::check_on_demand(here, &routes, report);
    let texts = references::resolve(&drafts, &routes, text, context, report);
    let order = order::sort(&drafts, &texts, report);
    let services = drafts
        .iter()
        .zip(texts)
        .zip(routes)
        .map(|((draft, texts), route)| service::finish(draft, texts, route, &environment, context, report))
        .collect::<Vec<_>>();

    let mut services: Vec<_> =
        services.into_iter().collect::<Option<Vec<_>>>()?.into_iter().map(Some).collect();
    Some(Resolved {
        app: app?,
        environment: context.environment.clone(),
        root: context.root.to_owned(),
        file: context.file.to_owned(),
        text: Arc::clone(text),
        version: version(root, context.root),
        env_files: environment.env_files,
        services: order?.into_iter().filter_map(|index| services.get_mut(index)?.take()).collect(),
    })
}

/// The tree, if it is TOML; with the problems that the language itself sees.
fn shaped(text: &str, report: &mut Report) -> Option<Node> {
    let (root, syntax) = tree::parse(text);
    check::check(&root, &keys::ROOT, "", report);
    if syntax.is_empty() {
        return Some(root);
    }
    let places: Vec<_> = syntax.iter().map(|(span, _)| *span).collect();
    report.forget_around(text, &places);
    syntax.into_iter().for_each(|(_, problem)| report.add(problem));
    None
}

fn no_services(root: &Table, report: &mut Report) {
    if root.get("service").is_none_or(|node| node.table().is_some_and(|table| table.entries.is_empty())) {
        let problem = Problem::error("the manifest has no service");
        report.add(problem.help("add `[service.web]`, and below it `run = \"…\"`"));
    }
}

fn version(root: &Table, folder: &Path) -> VersionSource {
    let Some(node) = root.get("version") else { return VersionSource::Git };
    let given = node.text().and_then(|text| text.parse().ok()).map(VersionSource::Manifest);
    let file = || node.table()?.text("file").map(|file| VersionSource::File(folder.join(file)));
    given.or_else(file).unwrap_or(VersionSource::Git)
}
