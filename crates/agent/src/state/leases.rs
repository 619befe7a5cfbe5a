//! Deploy locks. One that was given back stays, expired, so that its token is never given out twice.

use landfall_engine::lease::LeaseStore;
use landfall_model::{AppName, EnvironmentName, Fault, Lease};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{State, named};

/// The lease of one application and environment.
#[derive(Debug)]
pub(crate) struct PlaceLease<'a> {
    pub(crate) state: &'a State,
    pub(crate) app: &'a AppName,
    pub(crate) environment: &'a EnvironmentName,
}

impl PlaceLease<'_> {
    fn query(&self, c: &Connection) -> rusqlite::Result<Option<Lease>> {
        c.prepare_cached(
            "SELECT token, holder, heartbeat, expires FROM leases WHERE app = ?1 AND environment = ?2",
        )?
        .query_row([self.app.as_str(), self.environment.as_str()], |row| {
            Ok(Lease {
                token: row.get(0)?,
                holder: row.get(1)?,
                heartbeat: named(row.get(2)?)?,
                expires: named(row.get(3)?)?,
            })
        })
        .optional()
    }
}

impl LeaseStore for PlaceLease<'_> {
    fn load(&self) -> Result<Option<Lease>, Fault> {
        self.state.read(|c| self.query(c))
    }

    fn compare_and_store(&self, expected: Option<&Lease>, new: &Lease) -> Result<bool, Fault> {
        self.state.write(|c| {
            if self.query(c)?.as_ref() != expected {
                return Ok(false);
            }
            c.execute(
                "INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    self.app.as_str(),
                    self.environment.as_str(),
                    new.token,
                    new.holder,
                    new.heartbeat.to_string(),
                    new.expires.to_string()
                ],
            )?;
            Ok(true)
        })
    }
}

impl State {
    /// Gives back what an agent held that is no more: whoever holds the state folder's lock is the only one.
    pub(crate) fn release_all_leases(&self) -> Result<(), Fault> {
        let held = "SELECT EXISTS (SELECT 1 FROM leases WHERE expires <> heartbeat)";
        if self.read(|c| c.query_row(held, [], |row| row.get(0)))? {
            self.write(|c| c.execute("UPDATE leases SET expires = heartbeat", []).map(|_| ()))?;
        }
        Ok(())
    }
}
