//! What a `docker compose up` that was cut short leaves behind, and what is done about it before the next one.
//!
//! Compose replaces a container by making its successor under a passing name (`ID_NAME`), then stopping and removing the
//! old one, then giving the successor its name (github.com/docker/compose, `recreateContainer`).

use std::collections::BTreeSet;

use landfall_docker::{Container, State};
use landfall_model::{Fault, Release};

use super::project_of;
use crate::host::LocalHost;

/// The label in which compose says which container another one replaces.
const REPLACES: &str = "com.docker.compose.replace";

/// Digits of the old container's id in a passing name.
const DIGITS: usize = 12;

/// What is done with a container.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mend {
    /// It never ran, and the one that it was to replace is still there.
    Remove(String),
    /// It has replaced the other and still has its passing name.
    Rename { id: String, name: String },
}

impl LocalHost {
    /// Puts right what was cut short in a release's project. Others' containers are left alone.
    pub(super) fn mend_project(&self, release: &Release) -> Result<(), Fault> {
        let all = self.containers_of(&project_of(release)?)?;
        let engine = self.docker()?;
        let ours: Vec<Container> = all.into_iter().filter(|container| self.has_made(container)).collect();
        for mend in mends(&ours) {
            match mend {
                Mend::Remove(id) => _ = self.wait_for(engine.remove(&id))?,
                Mend::Rename { id, name } => self.wait_for(engine.rename(&id, &name))?,
            }
        }
        Ok(())
    }
}

/// What there is to do.
fn mends(containers: &[Container]) -> Vec<Mend> {
    let ids: BTreeSet<&str> = containers.iter().map(|container| container.id.as_str()).collect();
    let names: BTreeSet<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    let mend = |container: &Container| {
        let replaced = container.labels.get(REPLACES)?;
        let name = container.name.strip_prefix(replaced.get(..DIGITS)?)?.strip_prefix('_')?;
        let id = container.id.clone();
        if ids.contains(replaced.as_str()) {
            return (container.state == State::Created).then_some(Mend::Remove(id));
        }
        (!names.contains(name)).then(|| Mend::Rename { id, name: name.to_owned() })
    };
    containers.iter().filter_map(mend).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_docker::ImageId;

    fn container(id: &str, name: &str, state: State, replaces: Option<&str>) -> Container {
        Container {
            id: id.to_owned(),
            name: name.to_owned(),
            image: ImageId::new("sha256:1"),
            image_name: String::new(),
            state,
            pid: None,
            exit_code: None,
            oom_killed: false,
            error: None,
            restarts: 0,
            created: None,
            started: None,
            finished: None,
            health: None,
            checks: Vec::new(),
            check_every: None,
            labels: replaces.map(|id| (REPLACES.to_owned(), id.to_owned())).into_iter().collect(),
            addresses: std::collections::BTreeMap::new(),
            aliases: std::collections::BTreeMap::new(),
            variables: Vec::new(),
            command: Vec::new(),
            tty: false,
            memory: None,
            binds: std::collections::BTreeMap::new(),
        }
    }

    const OLD: &str = "0123456789abcdef";

    #[test]
    fn a_successor_that_never_ran_goes() {
        let old = container(OLD, "p-web-1", State::Running, None);
        let new = container("n", "0123456789ab_p-web-1", State::Created, Some(OLD));
        assert_eq!(mends(&[old, new]), [Mend::Remove("n".to_owned())]);
    }

    #[test]
    fn a_successor_that_took_over_gets_its_name() {
        for state in [State::Created, State::Running] {
            let new = container("n", "0123456789ab_p-web-1", state, Some(OLD));
            let renamed = Mend::Rename { id: "n".to_owned(), name: "p-web-1".to_owned() };
            assert_eq!(mends(std::slice::from_ref(&new)), [renamed]);
            let other = container("o", "p-web-1", State::Running, None);
            assert_eq!(mends(&[new, other]), [], "the name is another's");
        }
    }

    #[test]
    fn what_was_replaced_well_stays() {
        let new = container("n", "p-web-1", State::Running, Some(OLD));
        let old = container(OLD, "p-db-1", State::Running, None);
        assert_eq!(mends(&[new, old]), []);
    }
}
