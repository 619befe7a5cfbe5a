//! What a service must say and must not, by its kind, and what two of its keys may not say together.

use std::collections::BTreeMap;

use landfall_model::{Kind, SourceSpan};

use crate::container;
use crate::forms;
use crate::http;
use crate::load::Context;
use crate::parts;
use crate::references::Texts;
use crate::releasing;
use crate::report::{Problem, Report};
use crate::service::{self, Draft};
use crate::tree::Node;

/// Adds every problem of the draft that its single values do not have.
pub(crate) fn check(draft: &Draft, texts: &Texts, context: &Context<'_>, report: &mut Report) {
    kind_rules(draft, context, report);
    container::check(draft, context, report);
    unfilled(draft, report);
    folders(draft, texts, context, report);
    variables(draft, report);
    volumes(draft, report);
    replicas(draft, report);
    releasing::check(draft, report);
    http::check(draft, context, report);
    if let Some(node) = draft.table.table("health").and_then(|health| health.get("status")) {
        // Fewer than two have been reported already.
        if node.list().is_some_and(|ends| ends.len() >= 2) && parts::status(node).is_none() {
            let problem = Problem::error("`status` is not a first and a last status");
            report.add(problem.at(node.span, "").help("write it as [200, 399]"));
        }
    }
    if let Some(backoff) = draft.table.table("backoff") {
        let (first, max) = (parts::length(backoff, "first"), parts::length(backoff, "max"));
        if let (Some(first), Some(max), Some(at)) = (first, max, backoff.get("max"))
            && first > max
        {
            report.add(Problem::error("the longest wait is shorter than the first").at(at.span, ""));
        }
    }
}

fn kind_rules(draft: &Draft, context: &Context<'_>, report: &mut Report) {
    let Some(kind) = draft.kind else { return };
    let has = |key: &str| draft.table.entry(key);
    let name = &draft.name;
    let mut refuse = |key: &str, why: &str, help: &str| {
        if let Some(entry) = has(key) {
            report.add(Problem::error(format!("`{name}` {why}")).at(entry.at, "").help(help));
        }
    };
    match kind {
        Kind::Site => refuse("run", "is a site, which runs nothing", "remove `run`, or the `kind`"),
        Kind::Worker => {
            for key in ["domain", "route"] {
                refuse(
                    key,
                    "is a worker, to which no requests come",
                    "remove it, or make it `kind = \"web\"`",
                );
            }
        }
        Kind::Web => {}
    }
    if kind != Kind::Site {
        refuse("output", "serves no files, so it has no `output`", "remove it, or say `kind = \"site\"`");
        if has("run").is_none() && !container::says_run(draft, context) {
            report.add(
                Problem::error(format!("`{name}` has no `run`"))
                    .at(draft.at, "")
                    .help("add `run = \"…\"`, or `kind = \"site\"` if it is static files"),
            );
        }
    }
    if let (Kind::Worker, Some(entry)) = (kind, draft.table.table("health").and_then(|t| t.entry("path"))) {
        let problem =
            Problem::error(format!("`{name}` is a worker, which answers no requests")).at(entry.at, "");
        report.add(problem.help("a worker is healthy once it has stayed up for `stable`"));
    } else if let (Kind::Worker, Some(node)) =
        (kind, draft.table.get("health").filter(|n| n.text().is_some()))
    {
        let problem =
            Problem::error(format!("`{name}` is a worker, which answers no requests")).at(node.span, "");
        report.add(problem.help("write `health = { stable = \"1s\" }`, or remove it"));
    }
    let idle: &[&str] = match kind {
        Kind::Site => &["health", "replicas", "stop", "backoff", "volumes", "limits", "strategy", "drain"],
        Kind::Worker => &["hold", "http"],
        Kind::Web => &[],
    };
    for entry in draft.table.entries.iter().filter(|entry| idle.contains(&entry.key.as_str())) {
        let what =
            if kind == Kind::Site { "a site has no instances" } else { "no requests come to a worker" };
        report.add(Problem::warning(format!("`{}` does nothing: {what}", entry.key)).at(entry.at, ""));
    }
}

/// The variables that tell an instance its address.
const ADDRESS: [&str; 2] = ["$PORT", "$HOST"];

/// Warns of an address that nothing fills in: words of a list are seen by no shell, unless the program is one.
fn unfilled(draft: &Draft, report: &mut Report) {
    let Some([program, words @ ..]) = draft.table.get("run").and_then(Node::list) else { return };
    if program.text().is_some_and(|program| program.ends_with("sh")) {
        return;
    }
    for word in words {
        let text = word.text().unwrap_or_default();
        if let Some(variable) = ADDRESS.iter().find(|variable| text.contains(**variable)) {
            report.add(
                Problem::warning(format!("`{variable}` in a list is not filled in"))
                    .at(word.span, "the program gets it as it stands here")
                    .help("write `run` as one line, which goes through a shell"),
            );
        }
    }
}

fn folders(draft: &Draft, texts: &Texts, context: &Context<'_>, report: &mut Report) {
    let path = draft.table.text("path").unwrap_or(".");
    let source = context.root.join(path);
    if let Some(node) = draft.table.get("path").filter(|node| node.text().is_some())
        && forms::INSIDE.accepts(path)
        && !(context.is_folder)(&source)
    {
        report.add(Problem::error(format!("there is no folder `{path}`")).at(node.span, ""));
        return;
    }
    let (Some(output), Some(node)) = (&texts.output, draft.table.get("output")) else { return };
    if draft.kind != Some(Kind::Site) {
        return;
    }
    if let Err(flaw) = (forms::INSIDE.check)(output) {
        report.add(Problem::error(format!("`output`: {}", flaw.why)).at(node.span, "").maybe_help(flaw.help));
    } else if draft.table.entry("build").is_none() && !(context.is_folder)(&source.join(output)) {
        report.add(
            Problem::error(format!("there is no folder `{output}` below `{path}`"))
                .at(node.span, "")
                .help("add the `build` that makes it"),
        );
    }
}

fn variables(draft: &Draft, report: &mut Report) {
    let mut seen: BTreeMap<String, SourceSpan> = BTreeMap::new();
    for need in service::secret_needs(&draft.table) {
        if let Some(first) = seen.insert(need.name.clone(), need.span) {
            let problem = Problem::error(format!("the secret `{}` is named twice", need.name));
            report.add(problem.at(need.span, "again").at(first, "first"));
        }
    }
    for entry in draft.table.table("env").into_iter().flat_map(|env| &env.entries) {
        if let Some(secret) = seen.get(&entry.key) {
            report.add(
                Problem::error(format!("`{}` is both a secret and a variable", entry.key))
                    .at(entry.at, "its value stands here")
                    .at(*secret, "it is to be a secret here")
                    .help("keep one of the two"),
            );
        }
    }
}

fn volumes(draft: &Draft, report: &mut Report) {
    let Some(node) = draft.table.get("volumes") else { return };
    let mut paths: BTreeMap<&str, SourceSpan> = BTreeMap::new();
    let items = node.list().unwrap_or_default();
    let entries = node.table().into_iter().flat_map(|table| &table.entries).map(|entry| &entry.node);
    for volume in items.iter().chain(entries) {
        let Some(path) = volume.text() else { continue };
        if let Some(first) = paths.insert(path, volume.span) {
            let problem = Problem::error(format!("`{path}` is given to two volumes"));
            report.add(problem.at(volume.span, "again").at(first, "first"));
        }
    }
}

fn replicas(draft: &Draft, report: &mut Report) {
    if draft.kind == Some(Kind::Site) {
        return;
    }
    let volumes = parts::volumes(&draft.table);
    let Some(volume) = volumes.keys().next() else { return };
    let strategy = releasing::word(&draft.table).unwrap_or("restart");
    let count = parts::number(&draft.table, "replicas").unwrap_or(1);
    if strategy == "restart" && count > 1 {
        report.add(
            Problem::warning(format!("{count} instances share the volume `{volume}`"))
                .at(draft.place("replicas"), "")
                .help("fine for files of their own; a database in one file, such as SQLite, wants `replicas = 1`"),
        );
    }
    if matches!(strategy, "rolling" | "blue-green" | "canary") {
        report.add(
            Problem::warning(format!("for a while two releases share the volume `{volume}`"))
                .at(
                    draft.place("strategy"),
                    format!("`{strategy}` starts the new one before the old one ends"),
                )
                .help("with one writer, such as SQLite, use `strategy = \"restart\"`"),
        );
    }
}
