//! Filters by label, as every listing of the engine takes them.

use std::collections::HashMap;

/// The filter that lets through what carries all of `labels`, each `KEY` or `KEY=VALUE`; everything for none.
pub(crate) fn filters(labels: &[String]) -> HashMap<String, Vec<String>> {
    if labels.is_empty() { HashMap::new() } else { HashMap::from([("label".to_owned(), labels.to_vec())]) }
}
