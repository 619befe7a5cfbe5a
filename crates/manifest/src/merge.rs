//! Lays an environment over what holds everywhere, on the tree itself, so that every value keeps its own place.

use crate::tree::{Entry, Table, Value};

/// `base` with `over` laid on it: tables are merged key by key, all else is replaced. A `strategy` of
/// another kind replaces the one below it whole, since that one's keys would mean nothing to it.
pub(crate) fn overlay(mut base: Table, over: &Table) -> Table {
    for entry in &over.entries {
        put(&mut base, entry);
    }
    base
}

fn put(base: &mut Table, over: &Entry) {
    let Some(below) = base.entries.iter_mut().find(|entry| entry.key == over.key) else {
        base.entries.push(over.clone());
        return;
    };
    match (&mut below.node.value, &over.node.value) {
        (Value::Table(lower), Value::Table(upper)) if !replaces(&over.key, lower, upper) => {
            upper.entries.iter().for_each(|entry| put(lower, entry));
        }
        _ => *below = over.clone(),
    }
}

fn replaces(key: &str, lower: &Table, upper: &Table) -> bool {
    match key {
        "strategy" => lower.text("kind") != upper.text("kind"),
        // A cookie or a header.
        "sticky" => true,
        _ => false,
    }
}
