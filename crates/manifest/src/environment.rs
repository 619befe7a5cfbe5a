//! What an environment says: where it listens, under which name, where its secrets are.

use std::path::PathBuf;

use landfall_model::{AppName, EnvironmentName, SourceSpan};

use crate::front::Front;
use crate::load::Context;
use crate::report::{Problem, Report};
use crate::tree::{Node, Table, Value};
use crate::{keys, later, suggest};

/// The environment that need not be declared.
pub(crate) const DEFAULT: &str = "dev";
/// Old releases kept unless said.
const KEEP: u32 = 5;

/// An environment, read.
pub(crate) struct Environment {
    /// What is in front of its services.
    pub(crate) front: Front,
    /// The host name of the first service.
    pub(crate) domain: String,
    /// Where the manifest says so.
    pub(crate) domain_at: Option<SourceSpan>,
    /// Absolute.
    pub(crate) env_files: Vec<PathBuf>,
    pub(crate) keep: u32,
    /// Where images are pushed.
    pub(crate) registry: Option<String>,
}

/// The table of the environment; an empty one for `dev` when it is not declared.
pub(crate) fn select(root: &Table, name: &EnvironmentName, report: &mut Report) -> Option<Table> {
    let declared = root.table("environment");
    if let Some(node) = declared.and_then(|table| table.get(name.as_str())) {
        return node.table().cloned();
    }
    if name.as_str() == DEFAULT {
        return Some(Table::default());
    }
    let known: Vec<&str> = declared.into_iter().flat_map(Table::keys).collect();
    let help = suggest::nearest(name.as_str(), known.iter().copied()).map_or_else(
        || {
            let there = suggest::list(known.iter().copied().chain([DEFAULT]).filter(distinct()));
            format!("there is {there}; or add [environment.{name}]")
        },
        |nearest| format!("did you mean `{nearest}`?"),
    );
    let problem = Problem::error(format!("the manifest declares no environment `{name}`")).help(help);
    let places = root.table("environment").into_iter();
    let places = places.flat_map(|table| &table.entries);
    report.add(places.fold(problem, |problem, entry| problem.at(entry.at, "")));
    None
}

/// A filter that lets each word through once.
fn distinct<'a>() -> impl FnMut(&&'a str) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    move |word| seen.insert(*word)
}

/// Refuses what environments say of services that there are not.
pub(crate) fn check_overlays(root: &Table, report: &mut Report) {
    let services: Vec<&str> = root.table("service").into_iter().flat_map(Table::keys).collect();
    let environments = root.table("environment").into_iter().flat_map(|table| &table.entries);
    for environment in environments {
        let overlays = environment.node.table().and_then(|table| table.table("service"));
        for overlay in overlays.into_iter().flat_map(|table| &table.entries) {
            if !services.contains(&overlay.key.as_str()) {
                report.add(
                    Problem::error(format!("there is no service `{}`", overlay.key))
                        .at(overlay.at, "an environment changes services, it adds none")
                        .maybe_help(suggest::help(&overlay.key, services.iter().copied())),
                );
            }
        }
    }
}

impl Environment {
    /// Reads what is right; what is not has been reported already.
    pub(crate) fn read(
        root: &Table,
        here: &Table,
        app: Option<&AppName>,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Self {
        let node = Node { span: SourceSpan::default(), value: Value::Table(here.clone()) };
        later::find(&node, &keys::ENVIRONMENT, DEFAULT, report);
        let name = context.environment.as_str();
        let app = app.map_or("app", AppName::as_str);
        let default =
            if name == DEFAULT { format!("{app}.localhost") } else { format!("{name}.{app}.localhost") };
        Self {
            front: Front::read(here, context, report),
            domain: here.text("domain").map_or(default, str::to_lowercase),
            domain_at: here.get("domain").map(|node| node.span),
            env_files: env_files(root, here, context),
            keep: here.get("keep").or_else(|| root.get("keep")).and_then(number).unwrap_or(KEEP),
            registry: here.text("registry").map(str::to_owned),
        }
    }
}

fn env_files(root: &Table, here: &Table, context: &Context<'_>) -> Vec<PathBuf> {
    if here.table("secrets").and_then(|table| table.text("from")) == Some("env") {
        return Vec::new();
    }
    let names = match here.get("env_file").or_else(|| root.get("env_file")).map(|node| &node.value) {
        Some(Value::Text(one)) => vec![one.clone()],
        Some(Value::List(items)) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
        _ => vec![format!(".env.{}", context.environment), ".env".to_owned()],
    };
    names.into_iter().map(|name| context.root.join(name)).collect()
}

fn number(node: &Node) -> Option<u32> {
    node.integer().and_then(|number| u32::try_from(number).ok())
}
