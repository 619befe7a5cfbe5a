//! Instances of releases, whatever they are made of: their rows, which of them run, which are on their way out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use landfall_fx::host::{Instances, Note, Task};
use landfall_model::{Fault, InstanceId, Millis, ReceiptInstance, Release, ReleaseId, ReleaseState, Runtime};

use super::{Ending, Glance, Unwatched, of};
use crate::host::LocalHost;
use crate::state::{InstanceRow, Measured, Stay};

/// What is added to an instance's grace until its end counts as impossible.
pub(super) const AFTER_GRACE: Duration = Duration::from_secs(10);

/// An instance that was told to end and is wanted back is waited for so long at most: a worker may have hours.
pub(super) const LATE: Duration = Duration::from_secs(60);

/// Between two looks at what begins or ends.
pub(super) const LOOK: Duration = Duration::from_millis(2);

impl LocalHost {
    /// The instances there should be, each with an address that it can have. Also says whether any has moved.
    fn instance_rows(&self, release: &Release, upto: u32) -> Result<(Vec<InstanceRow>, bool), Fault> {
        let known: BTreeMap<InstanceId, InstanceRow> =
            self.state().instances_of(release)?.into_iter().map(|row| (row.id.clone(), row)).collect();
        let row = |(ordinal, id): (u32, InstanceId)| {
            known.get(&id).cloned().unwrap_or_else(|| InstanceRow {
                id,
                app: release.app.clone(),
                environment: release.environment.clone(),
                release: release.id.clone(),
                ordinal,
                address: None,
                stay: Stay::On,
            })
        };
        let mut rows: Vec<InstanceRow> = (1..=upto).zip(release.instances()).map(row).collect();
        of(release).place(self, release, &mut rows)?;
        let moved = rows.iter().any(|row| known.get(&row.id).is_some_and(|known| known != row));
        Ok((rows, moved))
    }

    /// The addresses that are given out.
    pub(crate) fn addresses(&self) -> Result<BTreeSet<String>, Fault> {
        Ok(self.state().instances()?.into_iter().filter_map(|row| row.address).collect())
    }

    /// The first `upto` instances of a release, when all are there that there should be.
    pub(crate) fn rows_of(&self, release: &Release, upto: u32) -> Result<Vec<InstanceRow>, Fault> {
        let mut rows = self.state().instances_of(release)?;
        rows.retain(|row| row.ordinal <= upto);
        let wanted = release.instances().len().min(upto as usize);
        if rows.len() == wanted {
            Ok(rows)
        } else {
            Err(Fault::machine(format!(
                "{} has {} instances and should have {wanted}",
                release.id,
                rows.len()
            )))
        }
    }

    /// Starts an instance that should run and does not, at another address when somebody took its own meanwhile. The
    /// proxy is told before: an agent that is killed in between finds the instance not running, and does it all again.
    pub(crate) fn revive(&self, release: &Release, row: &InstanceRow) -> Result<(), Fault> {
        let mut placed = [row.clone()];
        of(release).place(self, release, &mut placed)?;
        if placed[0] != *row {
            self.state().add_instances(&placed)?;
        }
        self.follow_addresses(release)?;
        of(release).ensure(self, release, &placed[0], &Unwatched)
    }

    /// Lets those serve that have instances beside a release of the same service: its requests are theirs now.
    fn others_serve(&self, release: &Release) -> Result<(), Fault> {
        let mut others: Vec<ReleaseId> = Vec::new();
        for row in self.state().instances()? {
            let same = row.app == release.app
                && row.environment == release.environment
                && row.release.service() == release.service();
            let other = row.release != release.id && !others.contains(&row.release);
            if same && other && row.stay == Stay::On {
                others.push(row.release);
            }
        }
        for other in others {
            let known = self.state().release(&release.app, &release.environment, &other)?;
            if let Some(known) = known {
                of(&known.release).serves(self, &known.release)?;
            }
        }
        Ok(())
    }

    /// Those of the instances that were told to end and take their time. Waits for the others.
    fn late(&self, release: &Release, rows: &[InstanceRow]) -> BTreeSet<InstanceId> {
        let wait = (release.spec.stop.grace.duration() + AFTER_GRACE).min(LATE);
        let late = self.leaving().wait(rows.iter().map(|row| &row.id), wait);
        let told = rows.iter().filter(|row| of(release).late(self, release, row)).map(|row| row.id.clone());
        late.into_iter().chain(told).collect()
    }

    /// Stops all of them and forgets each once it is gone.
    fn stop_all(&self, rows: &[InstanceRow], release: &Release) -> Result<(), Fault> {
        type Left<'a> = Vec<(&'a InstanceRow, Box<dyn Ending>)>;
        let mut left: Left<'_> =
            rows.iter().map(|row| (row, of(release).ending(self, release, row))).collect();
        loop {
            let mut still = Vec::new();
            for (row, mut ending) in left {
                if ending.has_ended(self, release)? {
                    self.state().remove_instance(&row.id)?;
                } else {
                    still.push((row, ending));
                }
            }
            if still.is_empty() {
                return Ok(());
            }
            left = still;
            self.clock().sleep(LOOK);
        }
    }
}

impl Instances for LocalHost {
    fn start(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault> {
        // Whoever waits to stop them finds that it need not.
        self.state().stay(release, upto)?;
        let known = self.state().release(&release.app, &release.environment, &release.id)?;
        if known.is_some_and(|known| known.state == ReleaseState::Retiring) {
            self.state().set_release_state(release, ReleaseState::Kept)?;
        }
        self.leaving().changed();
        let (rows, moved) = self.instance_rows(release, upto)?;
        self.state().add_instances(&rows)?;
        if moved {
            self.follow_addresses(release)?;
        }
        let late = self.late(release, &rows);
        let glance = Glance::new(self);
        // Of a project that runs, compose replaces what changes.
        let is_project = release.spec.runtime == Runtime::Compose;
        let is_warm = |row: &&InstanceRow| !is_project && of(release).is_alive(&glance, release, row);
        let warm = rows.iter().filter(is_warm).count();
        for row in rows.iter().filter(|row| !late.contains(&row.id)) {
            of(release).ensure(self, release, row, task)?;
        }
        Ok(match (rows.len(), warm) {
            _ if !late.is_empty() => {
                Some(format!("{} still finish their work and start again when they have ended", late.len()))
            }
            (all, warm) if all == warm => Some("still warm".to_owned()),
            (1, _) => rows[0].address.clone(),
            (all, _) => Some(format!("{all} instances")),
        })
    }

    fn await_healthy(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault> {
        of(release).await_boot(self, release, upto, task)
    }

    fn stop(&self, release: &Release) -> Result<Note, Fault> {
        let rows = self.state().instances_of(release)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let begun = self.clock().elapsed();
        self.stop_all(&rows, release)?;
        let took = Millis::from(self.clock().elapsed() - begun).0;
        let known = self.state().release(&release.app, &release.environment, &release.id)?;
        // A figure for the next forecast, which a stop is done without; one that never came up ends sooner than one that
        // serves, and says nothing of that.
        if known.is_some_and(|known| known.state != ReleaseState::Failed) {
            let _ = self.state().measured(release, Measured::Stop, took);
        }
        Ok(None)
    }

    fn is_running(&self, release: &Release) -> Result<bool, Fault> {
        let rows = self.state().instances_of(release)?;
        let glance = Glance::new(self);
        Ok(rows.iter().any(|row| of(release).is_alive(&glance, release, row)))
    }

    fn read_back(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        of(release).read_back(self, release)
    }

    fn retire(&self, release: &Release, warm: Millis) -> Result<Note, Fault> {
        of(release).serves_no_more(self, release, 0)?;
        let leaves = self.clock().now().plus(warm.duration());
        self.state().leave(release, 0, leaves)?;
        self.state().set_release_state(release, ReleaseState::Retiring)?;
        self.leaving().changed();
        Ok(Some(match warm.is_zero() {
            true => "drains and stops in the background".to_owned(),
            false => format!("warm until {leaves}"),
        }))
    }

    fn shrink(&self, release: &Release, left: u32) -> Result<Note, Fault> {
        self.others_serve(release)?;
        of(release).serves_no_more(self, release, left)?;
        self.state().leave(release, left, self.clock().now())?;
        self.leaving().changed();
        Ok(None)
    }
}
