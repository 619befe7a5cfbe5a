//! What things in the engine are called, and the labels by which they are known to be ours. Pure.

use std::collections::BTreeMap;

use landfall_model::{AppName, Container, EnvironmentName, Release, ServiceName, Version};

use crate::state::InstanceRow;

/// Labels: the agent's own mark first, for several agents may share an engine.
pub(super) const STATE: &str = "io.landfall.state";
pub(super) const APP: &str = "io.landfall.app";
pub(super) const ENVIRONMENT: &str = "io.landfall.environment";
pub(super) const SERVICE: &str = "io.landfall.service";
pub(super) const RELEASE: &str = "io.landfall.release";
pub(super) const INSTANCE: &str = "io.landfall.instance";
/// The version that an image was made for, as the OCI image specification has it.
pub(super) const VERSION: &str = "org.opencontainers.image.version";
/// What an image was made from, for people (`build::Recipe`).
pub(super) const KEY: &str = "io.landfall.key";
/// Of a container that a person's one command has for itself.
pub(super) const RUN: &str = "io.landfall.run";
/// Of what the test gate makes: the release.
pub(super) const GATE: &str = "io.landfall.gate";
/// Of a container that is never started: what it was made for.
pub(super) const OPENED: &str = "io.landfall.opened";

/// How the names of containers begin that were put aside.
const ASIDE: &str = "landfall_aside_";

/// The network of an application: containers have their addresses there, and reach the world through it. No name of ours
/// has a `_`, so that no two applications and environments have the same.
pub(super) fn network(app: &AppName, environment: &EnvironmentName, mark: &str) -> String {
    format!("landfall_{app}_{environment}_{mark}")
}

/// The network in which a service's name leads to the releases that serve. It leads nowhere else.
pub(super) fn names_network(app: &AppName, environment: &EnvironmentName, mark: &str) -> String {
    format!("{}_names", network(app, environment, mark))
}

/// What both were called before, each of them perhaps another application's: `a-b` in `c` and `a` in `b-c` were the same.
pub(super) fn networks_before(app: &AppName, environment: &EnvironmentName, mark: &str) -> [String; 2] {
    let before = format!("landfall-{app}-{environment}-{mark}");
    let names = format!("{before}-names");
    [before, names]
}

/// The container of an instance.
pub(super) fn container(row: &InstanceRow) -> String {
    format!("{}-{}-{}-{}-{}", row.app, row.environment, row.release.service(), row.ordinal, row.id)
}

/// The container with this id, once it is in nobody's way any more.
pub(super) fn aside(id: &str) -> String {
    format!("{ASIDE}{}", id.get(..12).unwrap_or(id))
}

/// Whether `aside` gave that name. No instance's is like it: a `_` is in no name of an application.
pub(super) fn is_aside(name: &str) -> bool {
    name.starts_with(ASIDE)
}

/// The tag of a version's image. It is given once.
pub(super) fn tag(app: &AppName, service: &ServiceName, version: &Version, container: &Container) -> String {
    let registry = container.registry.as_deref().unwrap_or("landfall");
    format!("{}/{app}/{service}:{version}", registry.trim_end_matches('/'))
}

/// The labels of what belongs to an application in an environment.
pub(super) fn of_place(app: &AppName, environment: &EnvironmentName, mark: &str) -> BTreeMap<String, String> {
    [(STATE, mark.to_owned()), (APP, app.to_string()), (ENVIRONMENT, environment.to_string())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The labels of what belongs to a release.
pub(super) fn of_release(release: &Release, mark: &str) -> BTreeMap<String, String> {
    let mut labels = of_place(&release.app, &release.environment, mark);
    labels.insert(SERVICE.to_owned(), release.service().to_string());
    labels.insert(RELEASE.to_owned(), release.id.to_string());
    labels
}

/// Labels as the engine filters by them.
pub(super) fn filters(labels: &[(&str, &str)]) -> Vec<String> {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_applications_share_a_network() {
        let of = |app: &str, environment: &str| {
            let (app, environment) = (app.parse().unwrap(), environment.parse().unwrap());
            [network(&app, &environment, "mark"), names_network(&app, &environment, "mark")]
        };
        let all = [of("a-b", "c"), of("a", "b-c"), of("a-b-c", "mark"), of("a", "b-c-mark")].concat();
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
    }
}
