//! What stands in front of an environment's services: the addresses, HTTPS, the proxy and what is before it.

use landfall_model::{Network, Proxy};

use crate::load::Context;
use crate::report::{Problem, Report};
use crate::tls::{self, Https};
use crate::tree::{Node, Table, Value};

/// Where plain HTTP comes in unless said.
const LISTEN: &str = "127.0.0.1:8080";
/// The same where certificates are for the world.
const PUBLIC: &str = "0.0.0.0:80";

/// What is in front of all services of an environment.
pub(crate) struct Front {
    /// Where plain HTTP comes in.
    pub(crate) listen: String,
    /// `None` for plain HTTP alone.
    pub(crate) https: Option<Https>,
    pub(crate) proxy: Proxy,
    pub(crate) trusted: Vec<Network>,
    pub(crate) proxy_protocol: bool,
}

impl Front {
    /// Reads what is right; adds what contradicts itself.
    pub(crate) fn read(here: &Table, context: &Context<'_>, report: &mut Report) -> Self {
        let usual = if tls::is_public(here) { PUBLIC } else { LISTEN };
        let listen = here.text("listen").unwrap_or(usual).to_owned();
        let https = tls::read(here, &listen, context, report);
        let empty = Table::default();
        let table = here.table("proxy").unwrap_or(&empty);
        let caddy = table.text("kind").or_else(|| here.text("proxy")) == Some("caddy");
        let trusted: Vec<Network> = table
            .get("trusted")
            .and_then(Node::list)
            .into_iter()
            .flatten()
            .filter_map(|node| node.text()?.parse().ok())
            .collect();
        let proxy_protocol =
            matches!(table.get("proxy_protocol"), Some(Node { value: Value::Flag(true), .. }));
        if let (Some(entry), true) = (table.entry("proxy_protocol"), proxy_protocol && trusted.is_empty()) {
            report.add(
                Problem::error("`proxy_protocol` would let anybody say who they are")
                    .at(entry.at, "")
                    .help("add `trusted`: the addresses of the proxies that begin connections with it"),
            );
        }
        if let (Some(entry), false) = (table.entry("admin"), caddy) {
            let problem = Problem::error("`admin` belongs to `caddy`").at(entry.at, "");
            report.add(problem.help("remove it, or add `kind = \"caddy\"`"));
        }
        let proxy = match caddy {
            true => Proxy::Caddy { admin: table.text("admin").map(str::to_owned) },
            false => Proxy::Landfall,
        };
        Self { listen, https, proxy, trusted, proxy_protocol }
    }
}
