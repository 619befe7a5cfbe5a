//! Holds a tree against the language: unknown keys, wrong types, bad forms, numbers out of range, all at once.

use landfall_model::SourceSpan;

use crate::keys;
use crate::measure;
use crate::report::{Problem, Report};
use crate::shape::{Key, Shape};
use crate::suggest;
use crate::tree::{Node, Table, Value};

/// Adds every problem of `node`, the value of the key `key`.
pub(crate) fn check(node: &Node, shape: &Shape, key: &str, report: &mut Report) {
    let Some(matching) = shape.matching(node) else {
        report.add(wrong_type(node, shape, key));
        return;
    };
    match (matching, &node.value) {
        (Shape::Later(shape), _) => check(node, shape, key, report),
        (Shape::Table(keys), Value::Table(table)) => check_table(node.span, table, keys, key, report),
        (Shape::Map(names, of), Value::Table(table)) => {
            for entry in &table.entries {
                if let Err(flaw) = (names.check)(&entry.key) {
                    report.add(
                        Problem::error(flaw.why)
                            .at(entry.at, format!("expected {}", names.expected))
                            .maybe_help(flaw.help),
                    );
                }
                check(&entry.node, of, &entry.key, report);
            }
        }
        (Shape::List(of, least), Value::List(items)) => {
            if items.len() < *least {
                let wanted = if *least == 1 { "something".to_owned() } else { format!("{least} items") };
                report.add(
                    Problem::error(format!("`{key}`: expected a list with {wanted} in it")).at(node.span, ""),
                );
            }
            items.iter().for_each(|item| check(item, of, key, report));
        }
        (shape, Value::Text(text)) => check_text(node, text, shape, key, report),
        (shape, Value::Integer(number)) if !number.is_some_and(|number| in_range(shape, number)) => {
            report.add(out_of_range(node, shape, key));
        }
        _ => {}
    }
}

fn check_table(span: SourceSpan, table: &Table, keys: &[Key], name: &str, report: &mut Report) {
    for entry in &table.entries {
        match keys.iter().find(|key| key.name == entry.key) {
            Some(key) => check(&entry.node, &key.shape, key.name, report),
            None => {
                let known = keys.iter().map(|key| key.name);
                report.add(
                    Problem::error(format!("unknown key `{}`", entry.key))
                        .at(entry.at, "")
                        .maybe_help(home(&entry.key).or_else(|| suggest::help(&entry.key, known))),
                );
            }
        }
    }
    for key in keys.iter().filter(|key| key.required && table.entry(key.name).is_none()) {
        let place = if name.is_empty() { "the manifest".to_owned() } else { format!("`{name}`") };
        report.add(
            Problem::error(format!("{place} has no `{}`", key.name))
                .at(span, "")
                .help(format!("add `{} = {}`", key.name, key.example)),
        );
    }
}

/// Where a key belongs that is not known here.
fn home(key: &str) -> Option<String> {
    let tables = [
        (&keys::ROOT, "at the top of the manifest"),
        (&keys::SERVICE, "in a `[service.NAME]`"),
        (&keys::ENVIRONMENT, "in an `[environment.NAME]`"),
    ];
    let has =
        |shape: &Shape| matches!(shape, Shape::Table(keys) if keys.iter().any(|known| known.name == key));
    let homes: Vec<&str> =
        tables.into_iter().filter(|(shape, _)| has(shape)).map(|(_, place)| place).collect();
    (!homes.is_empty()).then(|| format!("it belongs {}", homes.join(" or ")))
}

fn check_text(node: &Node, text: &str, shape: &Shape, key: &str, report: &mut Report) {
    match shape {
        Shape::Text(form) => {
            if let Err(flaw) = (form.check)(text) {
                report.add(
                    Problem::error(format!("`{key}`: {}", flaw.why))
                        .at(node.span, format!("expected {}", form.expected))
                        .maybe_help(flaw.help),
                );
            }
        }
        Shape::Plain if text.contains('\0') => {
            report.add(Problem::error(format!("`{key}`: it holds a NUL character")).at(node.span, ""));
        }
        Shape::Choice { now, later } => {
            let known = now.iter().chain(*later).copied();
            if !known.clone().any(|word| word == text) {
                report.add(
                    Problem::error(format!("`{key}`: `{text}` is not known"))
                        .at(node.span, format!("expected one of {}", suggest::list(known.clone())))
                        .maybe_help(
                            suggest::nearest(text, known).map(|word| format!("did you mean `{word}`?")),
                        ),
                );
            }
        }
        Shape::Duration(min, max) => match measure::duration(text) {
            Some(length) if (*min..=*max).contains(&length.0) => {}
            Some(_) => report.add(out_of_range(node, shape, key)),
            None => report.add(
                Problem::error(format!("`{key}`: `{text}` is not a length of time"))
                    .at(node.span, "")
                    .help("write whole numbers with ms, s, m, h or d, as in \"500ms\" or \"1m30s\""),
            ),
        },
        Shape::Size(min, max) => match measure::size(text) {
            Some(size) if (*min..=*max).contains(&size) => {}
            Some(_) => report.add(out_of_range(node, shape, key)),
            None => report.add(
                Problem::error(format!("`{key}`: `{text}` is not a size"))
                    .at(node.span, "")
                    .help("write a whole number with K, M, G or T, as in \"256M\""),
            ),
        },
        _ => {}
    }
}

fn in_range(shape: &Shape, number: i64) -> bool {
    match shape {
        Shape::Integer(min, max) => (*min..=*max).contains(&number),
        Shape::Size(min, max) => u64::try_from(number).is_ok_and(|size| (*min..=*max).contains(&size)),
        _ => true,
    }
}

fn out_of_range(node: &Node, shape: &Shape, key: &str) -> Problem {
    Problem::error(format!("`{key}` is out of range")).at(node.span, format!("expected {}", shape.expected()))
}

fn wrong_type(node: &Node, shape: &Shape, key: &str) -> Problem {
    let expected = shape.expected();
    let problem =
        Problem::error(format!("`{key}`: expected {expected}, found {}", node.kind())).at(node.span, "");
    match (&node.value, shape) {
        (Value::Integer(Some(number)), Shape::Duration(..)) => problem.help(format!("write \"{number}s\"")),
        (Value::Text(text), Shape::Integer(..)) if text.parse::<i64>().is_ok() => {
            problem.help(format!("write {text} without quotes"))
        }
        (Value::Text(text), Shape::Flag) if matches!(text.as_str(), "true" | "false") => {
            problem.help(format!("write {text} without quotes"))
        }
        (Value::Text(text), Shape::List(..)) => problem.help(format!("write [\"{text}\"]")),
        (Value::Float | Value::Date, Shape::Plain | Shape::Text(_)) => problem.help("put it in quotes"),
        _ => problem,
    }
}
