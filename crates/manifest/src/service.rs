//! Services: drafted from the merged tree, finished when addresses and references are known.

use std::collections::BTreeMap;

use landfall_model::{
    Dependencies, Kind, Route, Runtime, SecretNeed, Service, ServiceName, SourceSpan, Spec,
};

use crate::container::{self, Running};
use crate::environment::Environment;
use crate::load::Context;
use crate::references::Texts;
use crate::releasing::{self, Releasing};
use crate::report::Report;
use crate::tree::{Entry, Node, Table, Value};
use crate::{keys, later, merge, parts, rules};

/// A service with the environment laid over it, nothing resolved yet.
pub(crate) struct Draft {
    pub(crate) name: ServiceName,
    /// Where its name stands.
    pub(crate) at: SourceSpan,
    pub(crate) table: Table,
    /// `None` when it is wrong or of a later version.
    pub(crate) kind: Option<Kind>,
    pub(crate) runtime: Runtime,
}

impl Draft {
    /// Whether requests can come to it.
    pub(crate) fn is_routable(&self) -> bool {
        matches!(self.kind, Some(Kind::Web | Kind::Site))
    }

    /// Whether it is files and nothing that runs.
    pub(crate) fn is_site(&self) -> bool {
        self.kind == Some(Kind::Site)
    }

    /// Where the key stands, or else the service's name.
    pub(crate) fn place(&self, key: &str) -> SourceSpan {
        self.table.entry(key).map_or(self.at, |entry| entry.at)
    }
}

/// The services in the manifest's order, with the environment laid over them. Those without a right name are left out.
pub(crate) fn drafts(root: &Table, here: &Table, report: &mut Report) -> Vec<Draft> {
    let everywhere = here.entry("env").filter(|entry| entry.node.table().is_some());
    let overlays = here.table("service");
    let entries = root.table("service").into_iter().flat_map(|table| &table.entries);
    let mut drafts = Vec::new();
    for Entry { key, at, node } in entries {
        let (Ok(name), Value::Table(base)) = (key.parse::<ServiceName>(), &node.value) else { continue };
        let mut table = base.clone();
        if let Some(env) = everywhere {
            table = merge::overlay(table, &Table { entries: vec![env.clone()] });
        }
        if let Some(over) = overlays.and_then(|table| table.table(key)) {
            table = merge::overlay(table, over);
        }
        later::find(
            &Node { span: node.span, value: Value::Table(table.clone()) },
            &keys::SERVICE,
            key,
            report,
        );
        let runtime = container::runtime(&table, here);
        let kind = match table.get("kind").map(|node| &node.value) {
            None => Some(container::default_kind(&table, runtime)),
            Some(Value::Text(word)) => match word.as_str() {
                "web" => Some(Kind::Web),
                "worker" => Some(Kind::Worker),
                "site" => Some(Kind::Site),
                _ => None,
            },
            Some(_) => None,
        };
        drafts.push(Draft { name, at: *at, table, kind, runtime });
    }
    drafts
}

/// The finished service, its rules checked; `None` without a kind.
pub(crate) fn finish(
    draft: &Draft,
    texts: Texts,
    route: Option<Route>,
    environment: &Environment,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Service> {
    let table = &draft.table;
    rules::check(draft, &texts, context, report);
    let kind = draft.kind?;
    let secrets = secret_needs(table);
    let mut names: Vec<String> = secrets.iter().map(|need| need.name.clone()).collect();
    names.sort();
    // Of a compose project its own file says what is kept and how much of it there is.
    let project = draft.runtime == Runtime::Compose;
    let volumes = if project { BTreeMap::new() } else { parts::volumes(table) };
    let replicas = parts::number(table, "replicas").filter(|_| !project).unwrap_or(1);
    let Releasing { strategy, rolling, canary, warm } = releasing::read(table, kind, replicas, draft.runtime);
    let dependencies = match table.text("dependencies") {
        Some("none") => Dependencies::None,
        _ => Dependencies::Auto,
    };
    let Running { runtime, container, compose } =
        container::read(draft, kind, environment.registry.as_deref(), context);
    let spec = Spec {
        kind,
        runtime,
        container,
        compose,
        run: texts.run,
        build: texts.build,
        dependencies,
        output: (kind == Kind::Site).then(|| texts.output.unwrap_or_else(|| ".".to_owned())),
        test: texts.test,
        health: parts::health(table),
        replicas,
        stop: parts::stop(table),
        backoff: parts::backoff(table),
        volumes,
        env: texts.env,
        secrets: names,
        limits: parts::limits(table),
        route,
        strategy,
        rolling,
        canary,
        warm,
        keep: environment.keep,
        drain: parts::length(table, "drain").unwrap_or(parts::DRAIN),
    };
    let source = match table.text("path") {
        None | Some(".") => context.root.to_owned(),
        Some(path) => context.root.join(path),
    };
    let after = texts.after.into_iter().map(|(name, _)| name).collect();
    Some(Service { name: draft.name.clone(), source, after, secrets, spec })
}

/// The secrets that a service names, in its order.
pub(crate) fn secret_needs(table: &Table) -> Vec<SecretNeed> {
    let items = table.get("secrets").and_then(Node::list).unwrap_or_default();
    let need = |node: &Node| node.text().map(|name| SecretNeed { name: name.to_owned(), span: node.span });
    items.iter().filter_map(need).collect()
}
