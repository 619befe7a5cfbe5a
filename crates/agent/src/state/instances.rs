//! The instances that should run. A row is written before a supervisor is started and removed after it has ended, so
//! that a restarted agent knows what to look after. One that is to go says so in its row, and since when it is told to end:
//! whoever wants it back takes that away again.

use landfall_model::{AppName, EnvironmentName, Fault, InstanceId, Release, ReleaseId, Timestamp};
use rusqlite::{Row, params};

use super::{State, named};

/// An instance that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceRow {
    pub(crate) id: InstanceId,
    pub(crate) app: AppName,
    pub(crate) environment: EnvironmentName,
    pub(crate) release: ReleaseId,
    pub(crate) ordinal: u32,
    /// Where it is to listen; `None` for a worker.
    pub(crate) address: Option<String>,
    /// How long it is to be there.
    pub(crate) stay: Stay,
}

/// How long an instance is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Until further notice.
    On,
    /// It is as it is until this moment, is then drained, then stopped.
    Until(Timestamp),
    /// It was told to end; since the moment that it was to stay until.
    Ending(Timestamp),
}

const COLUMNS: &str = "id, app, environment, service, version, ordinal, address, phase, leaves";

/// How a row says that it is to go, and that it was told to end.
const LEAVES: &str = "leaves";
const ENDS: &str = "ends";

fn stay(phase: Option<&str>, leaves: Option<String>) -> rusqlite::Result<Stay> {
    let leaves: Option<Timestamp> = leaves.map(named).transpose()?;
    Ok(match (phase, leaves) {
        (Some(ENDS), Some(leaves)) => Stay::Ending(leaves),
        (Some(_), Some(leaves)) => Stay::Until(leaves),
        _ => Stay::On,
    })
}

fn row(row: &Row<'_>) -> rusqlite::Result<InstanceRow> {
    Ok(InstanceRow {
        id: named(row.get(0)?)?,
        app: named(row.get(1)?)?,
        environment: named(row.get(2)?)?,
        release: ReleaseId::new(named(row.get(3)?)?, named(row.get(4)?)?),
        ordinal: row.get(5)?,
        address: row.get(6)?,
        stay: stay(row.get::<_, Option<String>>(7)?.as_deref(), row.get(8)?)?,
    })
}

impl State {
    /// All instances that should run, of all applications.
    pub(crate) fn instances(&self) -> Result<Vec<InstanceRow>, Fault> {
        self.read(|c| {
            c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM instances ORDER BY app, environment, service, ordinal"
            ))?
            .query_map([], row)?
            .collect()
        })
    }

    /// The instances of a release that should run.
    pub(crate) fn instances_of(&self, release: &Release) -> Result<Vec<InstanceRow>, Fault> {
        self.read(|c| {
            c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM instances
                 WHERE app = ?1 AND environment = ?2 AND service = ?3 AND version = ?4 ORDER BY ordinal"
            ))?
            .query_map(
                params![
                    release.app.as_str(),
                    release.environment.as_str(),
                    release.service().as_str(),
                    release.id.version().to_string()
                ],
                row,
            )?
            .collect()
        })
    }

    /// Writes down that these should run; one that is known already gets its new address.
    pub(crate) fn add_instances(&self, rows: &[InstanceRow]) -> Result<(), Fault> {
        self.write(|c| {
            let mut insert = c.prepare_cached(
                "INSERT INTO instances (id, app, environment, service, version, ordinal, address)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (id) DO UPDATE SET address = excluded.address",
            )?;
            for row in rows {
                insert.execute(params![
                    row.id.as_str(),
                    row.app.as_str(),
                    row.environment.as_str(),
                    row.release.service().as_str(),
                    row.release.version().to_string(),
                    row.ordinal,
                    row.address
                ])?;
            }
            Ok(())
        })
    }

    /// The instances that are to go, of all applications.
    pub(crate) fn leaving(&self) -> Result<Vec<InstanceRow>, Fault> {
        self.read(|c| {
            c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM instances WHERE phase IS NOT NULL ORDER BY leaves, ordinal"
            ))?
            .query_map([], row)?
            .collect()
        })
    }

    /// Says that the instances of a release beyond the first `left` are to go from `leaves` on. Those that are to go
    /// already stay as they are.
    pub(crate) fn leave(&self, release: &Release, left: u32, leaves: Timestamp) -> Result<(), Fault> {
        self.change(
            release,
            "UPDATE instances SET phase = 'leaves', leaves = ?6 WHERE app = ?1 AND environment = ?2
             AND service = ?3 AND version = ?4 AND ordinal > ?5 AND phase IS NULL",
            left,
            Some(leaves),
        )
    }

    /// Says that the first `upto` instances of a release are to stay. One that was told to end ends all the same, and is
    /// started again then.
    pub(crate) fn stay(&self, release: &Release, upto: u32) -> Result<(), Fault> {
        self.change(
            release,
            "UPDATE instances SET phase = NULL, leaves = ?6 WHERE app = ?1 AND environment = ?2
             AND service = ?3 AND version = ?4 AND ordinal <= ?5",
            upto,
            None,
        )
    }

    fn change(
        &self,
        release: &Release,
        sql: &str,
        ordinal: u32,
        leaves: Option<Timestamp>,
    ) -> Result<(), Fault> {
        self.write(|c| {
            let version = release.id.version().to_string();
            let (app, environment, service) =
                (release.app.as_str(), release.environment.as_str(), release.service().as_str());
            let leaves = leaves.map(|leaves| leaves.to_string());
            c.execute(sql, params![app, environment, service, version, ordinal, leaves]).map(|_| ())
        })
    }

    /// Says that an instance is told to end; `false` when somebody wants it back by now.
    pub(crate) fn begin_end(&self, id: &InstanceId) -> Result<bool, Fault> {
        self.write(|c| {
            let changed = c.execute(
                "UPDATE instances SET phase = ?2 WHERE id = ?1 AND phase IN (?2, ?3)",
                [id.as_str(), ENDS, LEAVES],
            )?;
            Ok(changed == 1)
        })
    }

    /// Forgets one that has ended, unless somebody wants it back by now.
    pub(crate) fn ended(&self, id: &InstanceId) -> Result<(), Fault> {
        self.write(|c| {
            c.execute("DELETE FROM instances WHERE id = ?1 AND phase = ?2", [id.as_str(), ENDS]).map(|_| ())
        })
    }

    /// Says of releases that were on their way out and have no instance any more that they are only kept.
    pub(crate) fn settle_retired(&self) -> Result<(), Fault> {
        self.write(|c| {
            c.execute(
                "UPDATE releases SET state = 'kept' WHERE state = 'retiring' AND NOT EXISTS (
                     SELECT 1 FROM instances i
                     WHERE i.app = releases.app AND i.environment = releases.environment
                       AND i.service = releases.service AND i.version = releases.version)",
                [],
            )
            .map(|_| ())
        })
    }

    /// Forgets one that has ended for good.
    pub(crate) fn remove_instance(&self, id: &InstanceId) -> Result<(), Fault> {
        self.write(|c| c.execute("DELETE FROM instances WHERE id = ?1", [id.as_str()]).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_fx::SystemRandom;

    fn rows(release: &Release) -> Vec<InstanceRow> {
        let named = (1..).zip(release.instances());
        named
            .map(|(ordinal, id)| InstanceRow {
                id,
                app: release.app.clone(),
                environment: release.environment.clone(),
                release: release.id.clone(),
                ordinal,
                address: None,
                stay: Stay::On,
            })
            .collect()
    }

    #[test]
    fn one_that_goes_can_be_had_back_until_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.db"), &SystemRandom).unwrap();
        let mut release = crate::runtimes::release_of("1.0.0-20260101000001");
        release.spec.replicas = 3;
        let rows = rows(&release);
        state.add_instances(&rows).unwrap();
        let moment = Timestamp::from_millis(1_795_176_000_000);
        state.leave(&release, 1, moment).unwrap();
        let stays = || -> Vec<Stay> {
            state.instances_of(&release).unwrap().into_iter().map(|row| row.stay).collect()
        };
        assert_eq!(stays(), [Stay::On, Stay::Until(moment), Stay::Until(moment)]);
        assert!(!state.begin_end(&rows[0].id).unwrap(), "it stays");
        assert!(state.begin_end(&rows[1].id).unwrap() && state.begin_end(&rows[2].id).unwrap());
        assert_eq!(stays()[1], Stay::Ending(moment));
        state.leave(&release, 0, moment.plus(std::time::Duration::from_secs(9))).unwrap();
        assert_eq!(stays()[1], Stay::Ending(moment), "what goes already goes on");
        // Another address is no other fate.
        state.add_instances(&rows).unwrap();
        assert_eq!(state.leaving().unwrap().len(), 3);
        state.stay(&release, 2).unwrap();
        state.ended(&rows[1].id).unwrap();
        state.ended(&rows[2].id).unwrap();
        assert_eq!(stays(), [Stay::On, Stay::On]);
    }

    #[test]
    fn a_release_without_instances_is_only_kept() {
        use landfall_model::ReleaseState;
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.db"), &SystemRandom).unwrap();
        let release = crate::runtimes::release_of("1.0.0-20260101000001");
        state.record(&release).unwrap();
        state.set_release_state(&release, ReleaseState::Retiring).unwrap();
        state.add_instances(&rows(&release)).unwrap();
        let known = || state.release(&release.app, &release.environment, &release.id).unwrap().unwrap().state;
        state.settle_retired().unwrap();
        assert_eq!(known(), ReleaseState::Retiring);
        state.remove_instance(&release.instances()[0]).unwrap();
        state.settle_retired().unwrap();
        assert_eq!(known(), ReleaseState::Kept);
    }
}
