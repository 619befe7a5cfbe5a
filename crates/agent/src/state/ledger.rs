//! Which releases there are and which of them serves.

use landfall_model::{
    AppName, EnvironmentName, Fault, ObservedRelease, Release, ReleaseId, ReleaseState, ServiceName, Version,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{State, json, named, parsed, word};

/// What is remembered of a service beside its releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServiceRow {
    pub(crate) active: Option<ReleaseId>,
    pub(crate) previous: Option<ReleaseId>,
    pub(crate) boot_ms: Option<u64>,
    pub(crate) stop_ms: Option<u64>,
}

/// Which of a service's two measured times.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measured {
    Boot,
    Stop,
}

fn optional(service: &ServiceName, version: Option<String>) -> rusqlite::Result<Option<ReleaseId>> {
    let version: Option<Version> = version.map(named).transpose()?;
    Ok(version.map(|version| ReleaseId::new(service.clone(), version)))
}

fn touch_service(c: &Connection, release: &Release) -> rusqlite::Result<()> {
    c.execute(
        "INSERT OR IGNORE INTO services (app, environment, service) VALUES (?1, ?2, ?3)",
        [release.app.as_str(), release.environment.as_str(), release.service().as_str()],
    )
    .map(|_| ())
}

fn set(c: &Connection, release: &Release, state: ReleaseState) -> rusqlite::Result<()> {
    c.execute(
        "UPDATE releases SET state = ?5, served = served OR ?6
         WHERE app = ?1 AND environment = ?2 AND service = ?3 AND version = ?4",
        params![
            release.app.as_str(),
            release.environment.as_str(),
            release.service().as_str(),
            release.id.version().to_string(),
            word(&state)?,
            state == ReleaseState::Active
        ],
    )
    .map(|_| ())
}

fn activate(c: &Connection, release: &Release) -> rusqlite::Result<()> {
    let (app, environment, service) =
        (release.app.as_str(), release.environment.as_str(), release.service().as_str());
    let version = release.id.version().to_string();
    touch_service(c, release)?;
    c.execute(
        "UPDATE releases SET state = 'kept'
         WHERE app = ?1 AND environment = ?2 AND service = ?3 AND state = 'active' AND version <> ?4",
        [app, environment, service, &version],
    )?;
    c.execute(
        "UPDATE services SET active = ?4
         WHERE app = ?1 AND environment = ?2 AND service = ?3 AND active IS NOT ?4",
        [app, environment, service, &version],
    )?;
    set(c, release, ReleaseState::Active)
}

/// A release that stops being the active one, by an undo or by being taken down: the one before it is its
/// predecessor's affair, which is activated by itself.
fn deactivate(c: &Connection, release: &Release, state: ReleaseState) -> rusqlite::Result<()> {
    set(c, release, state)?;
    c.execute(
        "UPDATE services SET active = NULL
         WHERE app = ?1 AND environment = ?2 AND service = ?3 AND active = ?4",
        [
            release.app.as_str(),
            release.environment.as_str(),
            release.service().as_str(),
            &release.id.version().to_string(),
        ],
    )
    .map(|_| ())
}

impl State {
    /// Writes a release down, in the state `Failed` until it serves.
    pub(crate) fn record(&self, release: &Release) -> Result<(), Fault> {
        self.write(|c| {
            touch_service(c, release)?;
            c.execute(
                "INSERT OR IGNORE INTO releases (app, environment, service, version, state, served, release)
                 VALUES (?1, ?2, ?3, ?4, 'failed', 0, ?5)",
                params![
                    release.app.as_str(),
                    release.environment.as_str(),
                    release.service().as_str(),
                    release.id.version().to_string(),
                    json(release)?
                ],
            )
            .map(|_| ())
        })
    }

    /// Says where a release stands; `Active` takes the place of the one that was.
    pub(crate) fn set_release_state(&self, release: &Release, state: ReleaseState) -> Result<(), Fault> {
        self.write(|c| match state {
            ReleaseState::Active => activate(c, release),
            ReleaseState::Kept | ReleaseState::Retiring | ReleaseState::Failed => {
                deactivate(c, release, state)
            }
        })
    }

    /// All releases of an application and environment, oldest first.
    pub(crate) fn releases(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
    ) -> Result<Vec<ObservedRelease>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT release, state FROM releases WHERE app = ?1 AND environment = ?2 ORDER BY position",
            )?
            .query_map([app.as_str(), environment.as_str()], |row| {
                Ok(ObservedRelease {
                    release: parsed(&row.get::<_, String>(0)?)?,
                    state: named(row.get::<_, String>(1)?)?,
                })
            })?
            .collect()
        })
    }

    /// All releases in a state, of all applications, oldest first.
    pub(crate) fn releases_in(&self, state: ReleaseState) -> Result<Vec<Release>, Fault> {
        self.read(|c| {
            c.prepare_cached("SELECT release FROM releases WHERE state = ?1 ORDER BY position")?
                .query_map([word(&state)?], |row| parsed(&row.get::<_, String>(0)?))?
                .collect()
        })
    }

    /// One release by its name.
    pub(crate) fn release(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        id: &ReleaseId,
    ) -> Result<Option<ObservedRelease>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT release, state FROM releases
                 WHERE app = ?1 AND environment = ?2 AND service = ?3 AND version = ?4",
            )?
            .query_row(
                [app.as_str(), environment.as_str(), id.service().as_str(), &id.version().to_string()],
                |row| {
                    Ok(ObservedRelease {
                        release: parsed(&row.get::<_, String>(0)?)?,
                        state: named(row.get::<_, String>(1)?)?,
                    })
                },
            )
            .optional()
        })
    }

    /// The releases of a service that prune may remove: all but the active, the retiring and the newest `keep` that
    /// served.
    pub(crate) fn superfluous(&self, release: &Release, keep: u32) -> Result<Vec<Release>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT release FROM releases
                 WHERE app = ?1 AND environment = ?2 AND service = ?3 AND state IN ('kept', 'failed')
                   AND position NOT IN (
                     SELECT position FROM releases
                     WHERE app = ?1 AND environment = ?2 AND service = ?3 AND state = 'kept' AND served
                     ORDER BY position DESC LIMIT ?4)
                   AND NOT EXISTS (
                     SELECT 1 FROM instances i
                     WHERE i.app = ?1 AND i.environment = ?2 AND i.service = ?3 AND i.version = releases.version)",
            )?
            .query_map(
                params![release.app.as_str(), release.environment.as_str(), release.service().as_str(), keep],
                |row| parsed(&row.get::<_, String>(0)?),
            )?
            .collect()
        })
    }

    /// Forgets a release whose files are gone.
    pub(crate) fn forget_release(&self, release: &Release) -> Result<(), Fault> {
        self.write(|c| {
            c.execute(
                "DELETE FROM releases WHERE app = ?1 AND environment = ?2 AND service = ?3 AND version = ?4",
                [
                    release.app.as_str(),
                    release.environment.as_str(),
                    release.service().as_str(),
                    &release.id.version().to_string(),
                ],
            )
            .map(|_| ())
        })
    }

    /// Forgets a service that was taken down, with all its releases.
    pub(crate) fn forget_service(&self, release: &Release) -> Result<(), Fault> {
        self.write(|c| {
            for table in ["releases", "services"] {
                c.execute(
                    &format!("DELETE FROM {table} WHERE app = ?1 AND environment = ?2 AND service = ?3"),
                    [release.app.as_str(), release.environment.as_str(), release.service().as_str()],
                )?;
            }
            Ok(())
        })
    }

    /// What is remembered of the services of an application and environment.
    pub(crate) fn services(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
    ) -> Result<Vec<(ServiceName, ServiceRow)>, Fault> {
        self.read(|c| {
            c.prepare_cached(
                // Where a plain rollback goes: the newest that served before the active one was made. Going back twice
                // goes further back; it never goes forward again.
                "SELECT service, active, (
                     SELECT version FROM releases r
                     WHERE r.app = s.app AND r.environment = s.environment AND r.service = s.service
                       AND r.served AND r.state IN ('kept', 'retiring') AND r.position < (
                         SELECT position FROM releases a
                         WHERE a.app = s.app AND a.environment = s.environment AND a.service = s.service
                           AND a.version = s.active)
                     ORDER BY r.position DESC LIMIT 1), boot_ms, stop_ms
                 FROM services s WHERE app = ?1 AND environment = ?2 ORDER BY service",
            )?
            .query_map([app.as_str(), environment.as_str()], |row| {
                let service: ServiceName = named(row.get(0)?)?;
                let known = ServiceRow {
                    active: optional(&service, row.get(1)?)?,
                    previous: optional(&service, row.get(2)?)?,
                    boot_ms: row.get(3)?,
                    stop_ms: row.get(4)?,
                };
                Ok((service, known))
            })?
            .collect()
        })
    }

    /// The release of a service that serves.
    pub(crate) fn active(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        service: &ServiceName,
    ) -> Result<Option<ReleaseId>, Fault> {
        self.read(|c| {
            let version: Option<Option<String>> = c
                .prepare_cached(
                    "SELECT active FROM services WHERE app = ?1 AND environment = ?2 AND service = ?3",
                )?
                .query_row([app.as_str(), environment.as_str(), service.as_str()], |row| row.get(0))
                .optional()?;
            optional(service, version.flatten())
        })
    }

    /// Remembers how long a boot or a stop took, for the next forecast.
    pub(crate) fn measured(&self, release: &Release, what: Measured, ms: u64) -> Result<(), Fault> {
        let column = match what {
            Measured::Boot => "boot_ms",
            Measured::Stop => "stop_ms",
        };
        self.write(|c| {
            c.execute(
                &format!(
                    "UPDATE services SET {column} = ?4 WHERE app = ?1 AND environment = ?2 AND service = ?3"
                ),
                params![release.app.as_str(), release.environment.as_str(), release.service().as_str(), ms],
            )
            .map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_fx::SystemRandom;
    use landfall_model::{AppName, EnvironmentName};

    fn release(moment: &str) -> Release {
        crate::runtimes::release_of(&format!("1.0.0-{moment}"))
    }

    fn names() -> (AppName, EnvironmentName) {
        ("a".parse().unwrap(), "dev".parse().unwrap())
    }

    fn open() -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.db"), &SystemRandom).unwrap();
        (folder, state)
    }

    fn served(state: &State, release: &Release) {
        state.record(release).unwrap();
        state.set_release_state(release, ReleaseState::Active).unwrap();
    }

    #[test]
    fn going_back_goes_back_and_never_forward_again() {
        let (_folder, state) = open();
        let (app, environment) = names();
        let all = ["20260101000001", "20260101000002", "20260101000003"].map(release);
        all.iter().for_each(|release| served(&state, release));
        let row = || state.services(&app, &environment).unwrap().remove(0).1;
        assert_eq!((row().active, row().previous), (Some(all[2].id.clone()), Some(all[1].id.clone())));
        state.set_release_state(&all[1], ReleaseState::Active).unwrap();
        assert_eq!((row().active, row().previous), (Some(all[1].id.clone()), Some(all[0].id.clone())));
        state.set_release_state(&all[0], ReleaseState::Active).unwrap();
        assert_eq!((row().active, row().previous), (Some(all[0].id.clone()), None));
    }

    #[test]
    fn an_undone_release_leaves_the_old_one_active() {
        let (_folder, state) = open();
        let (app, environment) = names();
        let (old, new) = (release("20260101000001"), release("20260101000002"));
        served(&state, &old);
        served(&state, &new);
        state.set_release_state(&old, ReleaseState::Active).unwrap();
        state.set_release_state(&new, ReleaseState::Failed).unwrap();
        assert_eq!(state.active(&app, &environment, old.service()).unwrap(), Some(old.id.clone()));
        let known = state.releases(&app, &environment).unwrap();
        assert_eq!(
            known.iter().map(|r| r.state).collect::<Vec<_>>(),
            [ReleaseState::Active, ReleaseState::Failed]
        );
        assert_eq!(state.superfluous(&old, 5).unwrap(), [new]);
        assert_eq!(state.present().unwrap().len(), 1);
    }

    #[test]
    fn where_all_that_there_was_has_failed_nothing_is() {
        let (_folder, state) = open();
        let new = release("20260101000001");
        state.record(&new).unwrap();
        state.set_release_state(&new, ReleaseState::Kept).unwrap();
        assert_eq!(state.present().unwrap().len(), 1);
        state.set_release_state(&new, ReleaseState::Failed).unwrap();
        assert_eq!(state.present().unwrap(), []);
        // It is remembered for what may have been left of it.
        assert_eq!(state.deployed().unwrap().len(), 1);
    }

    #[test]
    fn prune_keeps_the_newest_that_served_and_whatever_runs() {
        let (_folder, state) = open();
        let moments =
            ["20260101000001", "20260101000002", "20260101000003", "20260101000004", "20260101000005"];
        let all = moments.map(release);
        all.iter().for_each(|release| served(&state, release));
        let gone = state.superfluous(&all[4], 2).unwrap();
        assert_eq!(gone, all[..2]);
        state
            .add_instances(&[super::super::InstanceRow {
                id: all[0].instances().remove(0),
                app: all[0].app.clone(),
                environment: all[0].environment.clone(),
                release: all[0].id.clone(),
                ordinal: 1,
                address: None,
                stay: super::super::Stay::On,
            }])
            .unwrap();
        assert_eq!(state.superfluous(&all[4], 2).unwrap(), all[1..2]);
    }
}
