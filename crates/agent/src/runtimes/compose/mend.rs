//! What a `docker compose up` that was cut short leaves behind, and what is done about it before the next one.
//!
//! Compose replaces a container by making its successor under a passing name (`ID_NAME`), then stopping and removing the
//! old one, then giving the successor its name (github.com/docker/compose, `recreateContainer`).

use std::collections::BTreeSet;
use std::time::Duration;

use landfall_docker::{Container, Engine, State};
use landfall_model::{Fault, Release, Runtime};

use super::project_of;
use crate::host::LocalHost;
use crate::runtimes::process::leftovers;

/// The label in which compose says that a container replaces another one.
const REPLACES: &str = "com.docker.compose.replace";

/// Digits of the old container's id in a passing name.
const DIGITS: usize = 12;

/// What an engine was told by a tool that is gone is finished when its containers are the same at so many looks in turn.
const STEADY: u32 = 4;

/// Between two of those looks.
const LOOK: Duration = Duration::from_millis(100);

/// The most looks.
const LOOKS: u32 = 100;

/// How often it is mended: to end what was begun may bring more to light.
const ROUNDS: usize = 4;

/// What is done with a container.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mend {
    /// It never ran. The one that it was to replace, if any, is still there: whether its engine was told already to stop
    /// that one is not to be seen, and it would end a while after it was found running.
    Remove { id: String, stops: Option<String> },
    /// It has replaced the other and still has its passing name.
    Rename { id: String, name: String },
}

impl LocalHost {
    /// Ends what a killed agent left of `docker compose` at work on any release of the service, and waits until the engine
    /// has done what it was told.
    pub(super) fn end_orphans(&self, release: &Release) -> Result<(), Fault> {
        let mut found = false;
        for known in self.state().releases(&release.app, &release.environment)? {
            let other = &known.release;
            if other.service() == release.service() && other.spec.runtime == Runtime::Compose {
                found |= leftovers::end_orphans(&self.dir().release(other), self.clock());
            }
        }
        if found { self.await_steady(&project_of(release)?) } else { Ok(()) }
    }

    fn await_steady(&self, project: &str) -> Result<(), Fault> {
        let (mut before, mut same) = (None, 0);
        for _ in 0..LOOKS {
            let all = self.containers_of(project)?;
            let now: BTreeSet<_> = all.into_iter().map(|one| (one.id, one.name, one.started)).collect();
            same = if before.as_ref() == Some(&now) { same + 1 } else { 1 };
            if same == STEADY {
                return Ok(());
            }
            before = Some(now);
            self.clock().sleep(LOOK);
        }
        Ok(())
    }

    /// Puts right what was cut short in a release's project. Others' containers are left alone.
    pub(super) fn mend_project(&self, release: &Release) -> Result<(), Fault> {
        self.end_orphans(release)?;
        let engine = self.docker()?;
        for _ in 0..ROUNDS {
            let all = self.containers_of(&project_of(release)?)?;
            let ours: Vec<Container> = all.into_iter().filter(|container| self.has_made(container)).collect();
            let mends = mends(&ours);
            if mends.is_empty() {
                break;
            }
            for mend in mends {
                self.wait_for(perform(&engine, mend, release.spec.stop.grace.duration()))?;
            }
        }
        Ok(())
    }
}

async fn perform(engine: &Engine, mend: Mend, grace: Duration) -> Result<(), Fault> {
    match mend {
        Mend::Remove { id, stops } => {
            if let Some(old) = stops {
                engine.stop(&old, grace).await?;
            }
            engine.remove(&id).await.map(drop)
        }
        Mend::Rename { id, name } => engine.rename(&id, &name).await,
    }
}

/// What there is to do.
fn mends(containers: &[Container]) -> Vec<Mend> {
    let names: BTreeSet<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    let mend = |container: &Container| {
        let never_ran = container.state == State::Created;
        let id = container.id.clone();
        if !container.labels.contains_key(REPLACES) {
            // Compose may have been about to let it join its networks, and would start it without them.
            return never_ran.then_some(Mend::Remove { id, stops: None });
        }
        // What the label holds is the other's id or name, by compose's version.
        let (digits, name) = container.name.split_once('_').filter(|(digits, _)| digits.len() == DIGITS)?;
        if let Some(replaced) = containers.iter().find(|other| other.id.starts_with(digits)) {
            return never_ran.then(|| Mend::Remove { id, stops: Some(replaced.id.clone()) });
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
        let remove = Mend::Remove { id: "n".to_owned(), stops: Some(OLD.to_owned()) };
        assert_eq!(mends(&[old, new]), [remove]);
    }

    #[test]
    fn what_is_new_and_never_ran_is_made_again() {
        let new = container("n", "p-web-1", State::Created, None);
        assert_eq!(mends(&[new]), [Mend::Remove { id: "n".to_owned(), stops: None }]);
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
