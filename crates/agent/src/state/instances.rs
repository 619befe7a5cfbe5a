//! The instances that should run. A row is written before a supervisor is started and removed after it has ended, so
//! that a restarted agent knows what to look after.

use landfall_model::{AppName, EnvironmentName, Fault, InstanceId, Release, ReleaseId};
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
}

const COLUMNS: &str = "id, app, environment, service, version, ordinal, address";

fn row(row: &Row<'_>) -> rusqlite::Result<InstanceRow> {
    Ok(InstanceRow {
        id: named(row.get(0)?)?,
        app: named(row.get(1)?)?,
        environment: named(row.get(2)?)?,
        release: ReleaseId::new(named(row.get(3)?)?, named(row.get(4)?)?),
        ordinal: row.get(5)?,
        address: row.get(6)?,
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
            let mut insert =
                c.prepare_cached("INSERT OR REPLACE INTO instances VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
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

    /// Forgets one that has ended for good.
    pub(crate) fn remove_instance(&self, id: &InstanceId) -> Result<(), Fault> {
        self.write(|c| c.execute("DELETE FROM instances WHERE id = ?1", [id.as_str()]).map(|_| ()))
    }
}
