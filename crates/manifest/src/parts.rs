//! The parts of a service with their defaults: health, stop, back-off, limits, volumes, held requests.

use std::collections::BTreeMap;

use landfall_model::{Backoff, Health, HoldLimits, Limits, Millis, Stop};

use crate::forms;
use crate::measure;
use crate::tree::{Node, Table, Value};

/// How long an old release may finish its requests unless said.
pub(crate) const DRAIN: Millis = Millis::seconds(30);
const LOG_SIZE: u64 = 10 * 1024 * 1024;
const LOG_FILES: u32 = 5;

/// When it is healthy: statuses 200 to 399, every 2 s, 5 s for an answer, 60 s to boot, 1 s to be called stable.
pub(crate) fn health(table: &Table) -> Health {
    let node = table.get("health");
    let inner = node.and_then(Node::table);
    let of = |key, default| inner.and_then(|table| length(table, key)).unwrap_or(default);
    let path = node.and_then(Node::text).or_else(|| inner?.text("path"));
    Health {
        path: path.map(str::to_owned),
        status: inner.and_then(|table| table.get("status")).and_then(status).unwrap_or((200, 399)),
        interval: of("interval", Millis::seconds(2)),
        timeout: of("timeout", Millis::seconds(5)),
        start_period: of("start_period", Millis::seconds(60)),
        stable: of("stable", Millis::seconds(1)),
    }
}

/// One status, `"200-399"` or `[200, 399]`, as first and last; `None` when it is wrong.
pub(crate) fn status(node: &Node) -> Option<(u16, u16)> {
    let single = |node: &Node| node.integer().and_then(|number| u16::try_from(number).ok());
    let (first, last) = match &node.value {
        Value::Integer(_) => (single(node)?, single(node)?),
        Value::Text(text) => {
            text.split_once('-').and_then(|(a, b)| Some((forms::status(a)?, forms::status(b)?)))?
        }
        Value::List(items) => match items.as_slice() {
            [first, last] => (single(first)?, single(last)?),
            _ => return None,
        },
        _ => return None,
    };
    (first <= last).then_some((first, last))
}

/// How it is stopped: TERM, and 10 s.
pub(crate) fn stop(table: &Table) -> Stop {
    let inner = table.table("stop");
    Stop {
        signal: inner.and_then(|table| table.text("signal")).unwrap_or("TERM").to_owned(),
        grace: inner.and_then(|table| length(table, "grace")).unwrap_or(Millis::seconds(10)),
    }
}

/// From 500 ms to 30 s; what is given of the two draws the other along.
pub(crate) fn backoff(table: &Table) -> Backoff {
    let of = |key| table.table("backoff").and_then(|table| length(table, key));
    let (first, max) = (of("first"), of("max"));
    let default = Millis(500);
    let first_or = first.unwrap_or_else(|| max.map_or(default, |max| max.min(default)));
    Backoff { first: first_or, max: max.unwrap_or_else(|| first_or.max(Millis::seconds(30))) }
}

/// No limit on memory and files; output rotated at 10 MiB, 5 files kept.
pub(crate) fn limits(table: &Table) -> Limits {
    let inner = table.table("limits");
    let of = |key| inner.and_then(|table| size(table, key));
    Limits {
        memory: of("memory"),
        files: inner.and_then(|table| number(table, "files")).map(u64::from),
        log_size: Some(of("log_size").unwrap_or(LOG_SIZE)),
        log_files: Some(inner.and_then(|table| number(table, "log_files")).unwrap_or(LOG_FILES)),
    }
}

/// Name to path; in a list, a volume's path is its name below the root.
pub(crate) fn volumes(table: &Table) -> BTreeMap<String, String> {
    match table.get("volumes").map(|node| &node.value) {
        Some(Value::Table(volumes)) => {
            let pair = |entry: &crate::tree::Entry| Some((entry.key.clone(), entry.node.text()?.to_owned()));
            volumes.entries.iter().filter_map(pair).collect()
        }
        Some(Value::List(names)) => {
            names.iter().filter_map(Node::text).map(|name| (name.to_owned(), format!("/{name}"))).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// What a release that never becomes healthy needs beyond its `start_period` until the old one answers again: a stop and a
/// boot.
const WAY_BACK: Millis = Millis::seconds(30);

/// The longest that requests are held unless the manifest says longer.
const LONGEST_HOLD: Millis = Millis::seconds(300);

/// Limits on held requests; they are held for as long as a release may take to fail, and the way back.
pub(crate) fn hold(table: &Table) -> HoldLimits {
    let failing = health(table).start_period.0.saturating_add(WAY_BACK.0).min(LONGEST_HOLD.0);
    let default = HoldLimits::default();
    let default = HoldLimits { time: default.time.max(Millis(failing)), ..default };
    let Some(inner) = table.table("hold") else { return default };
    HoldLimits {
        requests: number(inner, "requests").unwrap_or(default.requests),
        bytes: size(inner, "bytes").unwrap_or(default.bytes),
        time: length(inner, "time").unwrap_or(default.time),
    }
}

/// The length of time of a key.
pub(crate) fn length(table: &Table, key: &str) -> Option<Millis> {
    measure::duration(table.text(key)?)
}

/// The number of a key.
pub(crate) fn number(table: &Table, key: &str) -> Option<u32> {
    u32::try_from(table.get(key)?.integer()?).ok()
}

/// The size of a key.
pub(crate) fn size(table: &Table, key: &str) -> Option<u64> {
    let node = table.get(key)?;
    node.text().map_or_else(|| u64::try_from(node.integer()?).ok(), measure::size)
}
