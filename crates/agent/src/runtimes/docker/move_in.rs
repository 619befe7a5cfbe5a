//! Containers that an earlier version of Landfall made stand in networks of which the engine gives out every address, to
//! anybody, when it starts again. They get an address that stays theirs beside that one, and requests come there.

use std::sync::Arc;
use std::time::Duration;

use landfall_docker::{Attachment, Container};
use landfall_model::{Fault, Release, Runtime};

use super::{container, names};
use crate::exclusive::Exclusive;
use crate::host::LocalHost;
use crate::runtimes::process::health;
use crate::state::{InstanceRow, Stay};

/// Moves all that run and answer. Gives whether none is left that a transaction kept from it.
pub(crate) fn all(host: &LocalHost, exclusive: &Arc<Exclusive>) -> Result<bool, Fault> {
    let mut done = true;
    for row in host.state().instances()? {
        let known = host.state().release(&row.app, &row.environment, &row.release)?;
        let known = known.filter(|known| known.release.spec.runtime == Runtime::Docker);
        let Some(known) = known.filter(|_| row.address.is_some() && row.stay == Stay::On) else { continue };
        // Looked at before anybody who works there is kept waiting: the engine may hang.
        if host.left_elsewhere(&row)?.is_none() {
            continue;
        }
        match exclusive.acquire(&(row.app.clone(), row.environment.clone()), Duration::ZERO) {
            Some(_guard) => host.move_in(&known.release, &row)?,
            None => done = false,
        }
    }
    Ok(done)
}

impl LocalHost {
    /// Moves one of them, if it is such a one. What does not answer at another address stays where it is.
    fn move_in(&self, release: &Release, row: &InstanceRow) -> Result<(), Fault> {
        let Some(there) = self.left_elsewhere(row)? else { return Ok(()) };
        let docker = self.docker()?;
        let [before, _] = names::networks_before(&row.app, &row.environment, self.mark());
        if there.addresses.get(&before).copied() == container::address(row) {
            let mut placed = [InstanceRow { address: None, ..row.clone() }];
            self.place_containers(release, &mut placed)?;
            let network = names::network(&row.app, &row.environment, self.mark());
            let place = Attachment {
                network: network.clone(),
                address: container::address(&placed[0]),
                aliases: Vec::new(),
            };
            self.wait_for(docker.join(&there.id, &place))?;
            let address = placed[0].address.clone().unwrap_or_default();
            if self.wait_for(health::check(&address, &release.spec.health)).is_err() {
                self.wait_for(docker.leave(&there.id, &network))?;
                return Ok(());
            }
            self.state().add_instances(&placed)?;
        }
        self.follow_addresses(release)
    }

    /// The container of an instance, if it runs and is in a network of an earlier version.
    fn left_elsewhere(&self, row: &InstanceRow) -> Result<Option<Container>, Fault> {
        let there = self.container_of(row)?;
        let [before, _] = names::networks_before(&row.app, &row.environment, self.mark());
        Ok(there
            .filter(|there| self.made(there) && there.is_running() && there.aliases.contains_key(&before)))
    }
}
