//! Finds what the manifest rightly asks for and this version cannot do. Looked for only in what holds for the chosen
//! environment, so that the others may already say what they will need.

use crate::report::{Problem, Report};
use crate::shape::Shape;
use crate::suggest;
use crate::tree::{Node, Value};

/// Adds a problem for each such value in `node`, the value of the key `key`.
pub(crate) fn find(node: &Node, shape: &Shape, key: &str, report: &mut Report) {
    match (shape.matching(node), &node.value) {
        (Some(Shape::Later(_)), Value::List(items)) if items.is_empty() => {}
        (Some(Shape::Later(_)), _) => {
            let (what, help) = whole(key);
            report.add(
                Problem::missing(format!("{what} are not in this version")).at(node.span, "").help(help),
            );
        }
        (Some(Shape::Choice { later, .. }), Value::Text(word)) if later.contains(&word.as_str()) => report
            .add(
                Problem::missing(if key == "from" {
                    format!("secrets from `{word}` are not in this version")
                } else {
                    format!("{key} `{word}` is not in this version")
                })
                .at(node.span, "")
                .maybe_help(now(shape)),
            ),
        (Some(Shape::Table(keys)), Value::Table(table)) => {
            for entry in &table.entries {
                if let Some(key) = keys.iter().find(|key| key.name == entry.key) {
                    find(&entry.node, &key.shape, key.name, report);
                }
            }
        }
        _ => {}
    }
}

/// What a whole key stands for, and what to do without it.
fn whole(key: &str) -> (&'static str, &'static str) {
    match key {
        "hosts" => ("servers over SSH", "without `hosts` it runs on this machine"),
        _ => ("migrations", "let `run` bring the database up to date, and remove the key"),
    }
}

fn now(shape: &Shape) -> Option<String> {
    match shape {
        Shape::Choice { now: [word], .. } => Some(format!("use `{word}`, or leave the key out")),
        Shape::Choice { now, .. } => Some(format!("use one of {}", suggest::list(now.iter().copied()))),
        Shape::Any(shapes) => shapes.iter().find_map(now),
        _ => None,
    }
}
