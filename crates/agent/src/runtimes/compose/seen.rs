//! The containers of a project as its engine shows them, without what a project has nothing to do with.

use std::collections::BTreeMap;

/// What compose itself labels containers with, both generations alike.
pub(super) const PROJECT_LABEL: &str = "com.docker.compose.project";
pub(super) const PART_LABEL: &str = "com.docker.compose.service";
const ONE_OFF_LABEL: &str = "com.docker.compose.oneoff";

/// A container of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The part.
    pub(super) part: String,
    pub(super) container: landfall_docker::Container,
}

/// Those that belong to parts, by part and name; what `run` made for once is left out.
pub(super) fn parts_of(containers: Vec<landfall_docker::Container>) -> Vec<Seen> {
    let mut seen: Vec<Seen> = containers
        .into_iter()
        .filter(|container| !is_one_off(&container.labels))
        .filter_map(|container| Some(Seen { part: container.labels.get(PART_LABEL)?.clone(), container }))
        .collect();
    seen.sort_by(|a, b| (&a.part, &a.container.name).cmp(&(&b.part, &b.container.name)));
    seen
}

/// Whether these are the labels of a container that belongs to a part of the project.
pub(super) fn is_of(labels: &BTreeMap<String, String>, project: &str) -> bool {
    labels.get(PROJECT_LABEL).is_some_and(|name| name == project)
        && labels.contains_key(PART_LABEL)
        && !is_one_off(labels)
}

fn is_one_off(labels: &BTreeMap<String, String>) -> bool {
    labels.get(ONE_OFF_LABEL).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
