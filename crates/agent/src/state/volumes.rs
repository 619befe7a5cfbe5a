//! Since when no release needs a volume.

use std::collections::BTreeMap;

use landfall_model::api::VolumeId;
use landfall_model::{Fault, Timestamp};
use rusqlite::params;

use super::{State, named, word};

impl State {
    /// The volumes that were seen idle, each with the moment that it was first.
    pub(crate) fn idle_volumes(&self) -> Result<BTreeMap<VolumeId, Timestamp>, Fault> {
        self.read(|c| {
            c.prepare_cached("SELECT app, environment, service, name, since FROM idle_volumes")?
                .query_map([], |row| {
                    let id = VolumeId {
                        app: named(row.get(0)?)?,
                        environment: named(row.get(1)?)?,
                        service: named(row.get(2)?)?,
                        name: row.get(3)?,
                    };
                    Ok((id, named(row.get(4)?)?))
                })?
                .collect()
        })
    }

    /// Puts these in place of what was known: one that was idle before is given since then, one that is not among them any
    /// more begins anew the next time. Writes nothing when nothing changed.
    pub(crate) fn set_idle_volumes(&self, idle: &BTreeMap<VolumeId, Timestamp>) -> Result<(), Fault> {
        if self.idle_volumes()? == *idle {
            return Ok(());
        }
        self.write(|c| {
            c.execute("DELETE FROM idle_volumes", [])?;
            for (id, since) in idle {
                c.execute(
                    "INSERT INTO idle_volumes VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        id.app.as_str(),
                        id.environment.as_str(),
                        id.service.as_str(),
                        id.name,
                        word(since)?
                    ],
                )?;
            }
            Ok(())
        })
    }
}
