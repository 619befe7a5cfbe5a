//! Why a release is replaced: what differs between the one that runs and the one that is to.

use std::collections::BTreeMap;

use landfall_model::{ChangeKind, Fingerprint, Release, Spec};
use serde_json::Value;

/// The reasons for which `new` is not what `old` is; empty when both would run the same thing. Keys are named, values
/// never shown.
pub(crate) fn reasons(old: &Release, new: &Release) -> Vec<ChangeKind> {
    let mut reasons = Vec::new();
    if old.artifact != new.artifact {
        reasons.push(ChangeKind::Artifact);
    }
    if old.config != new.config {
        let keys = changed_keys(&old.spec, &new.spec);
        if !keys.is_empty() {
            reasons.push(ChangeKind::Config { keys });
        }
    }
    let names = changed_secrets(&old.secrets, &new.secrets);
    if !names.is_empty() {
        reasons.push(ChangeKind::Secrets { names });
    }
    reasons
}

/// The paths of the keys whose values differ, in the order of the specification. Which secrets there are is told by
/// their fingerprints and left out here.
fn changed_keys(old: &Spec, new: &Spec) -> Vec<String> {
    let json = |spec: &Spec| serde_json::to_value(spec).expect("a Spec has only string keys");
    let mut keys = Vec::new();
    compare("", &json(old), &json(new), &mut keys);
    keys.retain(|key| key != "secrets");
    keys
}

fn compare(path: &str, old: &Value, new: &Value, keys: &mut Vec<String>) {
    if old == new {
        return;
    }
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else {
        keys.push(path.to_owned());
        return;
    };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(gone) {
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let at = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
        compare(&inner, &at(before), &at(after), keys);
    }
}

fn changed_secrets(old: &BTreeMap<String, Fingerprint>, new: &BTreeMap<String, Fingerprint>) -> Vec<String> {
    let mut names: Vec<String> = old
        .iter()
        .filter(|(name, print)| new.get(*name) != Some(*print))
        .map(|(name, _)| name.clone())
        .chain(new.keys().filter(|name| !old.contains_key(*name)).cloned())
        .collect();
    names.sort();
    names
}
