//! What happens to a service's requests on their way: the keys of `http`, and the pages that must be there.

use landfall_model::{Http, Kind, Protocol};

use crate::forms;
use crate::front::Front;
use crate::load::Context;
use crate::parts;
use crate::report::{Problem, Report};
use crate::service::Draft;
use crate::tree::{Node, Table, Value};

/// Reads what is right. The environment's trusted proxies go with each route.
pub(crate) fn read(table: &Table, front: &Front) -> Http {
    let empty = Table::default();
    let inner = table.table("http").unwrap_or(&empty);
    let pages = inner.table("errors").into_iter().flat_map(|pages| &pages.entries);
    Http {
        protocol: if inner.text("protocol") == Some("h2c") { Protocol::H2c } else { Protocol::Http1 },
        body: parts::size(inner, "body"),
        timeout: parts::length(inner, "timeout"),
        trusted: front.trusted.clone(),
        proxy_protocol: front.proxy_protocol,
        errors: pages
            .filter_map(|entry| Some((forms::status(&entry.key)?, entry.node.text()?.to_owned())))
            .collect(),
        maintenance: inner.text("maintenance").map(str::to_owned),
        unlogged: matches!(inner.get("access_log"), Some(Node { value: Value::Flag(false), .. })),
    }
}

/// Adds what does nothing for this kind, and pages that are not there and that no `build` could make.
pub(crate) fn check(draft: &Draft, context: &Context<'_>, report: &mut Report) {
    let Some(http) = draft.table.table("http") else { return };
    if draft.kind == Some(Kind::Site) {
        for key in ["protocol", "body", "timeout"] {
            if let Some(entry) = http.entry(key) {
                let problem = Problem::warning(format!("`{key}` does nothing: a site has no instances"));
                report.add(problem.at(entry.at, ""));
            }
        }
    }
    if draft.table.entry("build").is_some() {
        return;
    }
    let path = draft.table.text("path").unwrap_or(".");
    let errors = http.table("errors").into_iter().flat_map(|pages| &pages.entries);
    for entry in errors.chain(http.entry("maintenance")) {
        let Some(page) = entry.node.text().filter(|page| forms::INSIDE.accepts(page)) else { continue };
        if !(context.is_file)(&context.root.join(path).join(page)) {
            report.add(
                Problem::error(format!("there is no file `{page}` below `{path}`"))
                    .at(entry.node.span, "")
                    .help("write the page, or add the `build` that makes it"),
            );
        }
    }
}
