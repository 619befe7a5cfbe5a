//! Reads journals from outside, as a person with a text editor would: which steps a transaction has, and how far it is.
//! Knows of the format only that a line is a checksum, a space and a JSON object with `record` and perhaps `step`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use serde_json::Value;

/// A moment in a transaction: the journal holds this record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The kind of record: `begun`, `intent`, `done`, `undo-intent`, `ended` …
    pub record: String,
    /// The step it is about.
    pub step: Option<u64>,
}

/// The journal of the newest transaction of an application and environment.
#[must_use]
pub fn newest(state: &Path, app: &str, environment: &str) -> Option<PathBuf> {
    let folder = state.join("journal").join(format!("{app}.{environment}"));
    let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "journal")).max()
}

/// The moments a journal tells of, in order; a torn last line is passed over.
#[must_use]
pub fn moments(path: &Path) -> Vec<Moment> {
    records(path)
        .iter()
        .filter_map(|record| {
            let kind = record.get("record")?.as_str()?.to_owned();
            Some(Moment { record: kind, step: record.get("step").and_then(Value::as_u64) })
        })
        .collect()
}

/// The verbs of the steps of the plan that a journal carries, in order: `prepare`, `start` …
#[must_use]
pub fn steps(path: &Path) -> Vec<String> {
    let records = records(path);
    let steps = records.first().and_then(|begun| begun.pointer("/plan/steps")).and_then(Value::as_array);
    let verb = |step: &Value| Some(step.get("step")?.as_str()?.to_owned());
    steps.map(|steps| steps.iter().filter_map(verb).collect()).unwrap_or_default()
}

/// Waits until a journal that is newer than `before` holds `moment`, and gives its path; `None` after `limit`. Looks five
/// thousand times a second, so that what acts on it acts within the step.
#[must_use]
pub fn wait_for_moment(
    state: &Path,
    (app, environment): (&str, &str),
    before: Option<&Path>,
    moment: &Moment,
    limit: Duration,
) -> Option<PathBuf> {
    let clock = SystemClock::new();
    let begun = Instant::now();
    while begun.elapsed() < limit {
        let path = newest(state, app, environment).filter(|path| Some(path.as_path()) != before);
        if let Some(path) = path
            && moments(&path).contains(moment)
        {
            return Some(path);
        }
        clock.sleep(Duration::from_micros(200));
    }
    None
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read(path).unwrap_or_default();
    let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.filter_map(|line| serde_json::from_slice(line.get(9..)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_moments_and_steps_and_passes_over_a_torn_end() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(newest(state.path(), "tiny", "dev"), None);
        let folder = state.path().join("journal/tiny.dev");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("00000001.journal"), "").unwrap();
        fs::write(folder.join("00000002.journal.reserve"), "").unwrap();
        let path = folder.join("00000002.journal");
        let text = "00000000 {\"record\":\"begun\",\"plan\":{\"steps\":[{\"step\":\"prepare\"},{\"step\":\"start\"}]}}\n\
                    00000000 {\"record\":\"intent\",\"step\":0}\n00000000 {\"record\":\"done\",\"st";
        fs::write(&path, text).unwrap();
        assert_eq!(newest(state.path(), "tiny", "dev"), Some(path.clone()));
        assert_eq!(steps(&path), ["prepare", "start"]);
        let moment = |record: &str, step| Moment { record: record.to_owned(), step };
        assert_eq!(moments(&path), [moment("begun", None), moment("intent", Some(0))]);
    }
}
