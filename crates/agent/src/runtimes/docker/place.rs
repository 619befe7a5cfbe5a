//! Where instances are: the application's network, and an address in it for each instance that answers requests.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use landfall_docker::{Container, Engine, NetworkInfo, NetworkSpec};
use landfall_model::{AppName, EnvironmentName, Fault, Release};

use super::{container, names};
use crate::host::LocalHost;
use crate::runtimes::process::environment::has_address;
use crate::state::InstanceRow;

impl LocalHost {
    /// The network in which an application's containers have their addresses. What runs in the one of an earlier version
    /// of Landfall goes on there; that network goes when nothing runs in it.
    pub(super) async fn network_of(
        &self,
        docker: &Engine,
        app: &AppName,
        environment: &EnvironmentName,
    ) -> Result<NetworkInfo, Fault> {
        let mark = self.mark();
        let labels = names::of_place(app, environment, mark);
        let [before, _] = names::networks_before(app, environment, mark);
        if let Some(before) = docker.network(&before).await?
            && before.carries(&labels)
            && before.addresses.is_empty()
        {
            // Somebody may come in meanwhile: then it is needed.
            let _ = docker.remove_network(&before.name).await;
        }
        let name = names::network(app, environment, mark);
        docker.ensure_network(&NetworkSpec { name, labels, internal: false }).await
    }

    /// Gives addresses to rows without one. A container keeps its address for as long as it is there, and the next of
    /// the same instance gets it again: it is written into the container, so that a restart of the engine changes none.
    /// One that another container has is given up.
    pub(super) fn place_containers(&self, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault> {
        let docker = self.docker()?;
        let network = self.wait_for(self.network_of(&docker, &release.app, &release.environment))?;
        if !has_address(release) {
            return Ok(());
        }
        let port = self.built_before(release)?.port;
        let given = self.state().instances()?;
        let given: BTreeSet<Ipv4Addr> = given.iter().filter_map(container::address).collect();
        let mut free = network.free().filter(|address| !given.contains(address));
        for row in rows {
            let there = self.wait_for(docker.container(&names::container(row)))?;
            let there = there.filter(|there| self.made(there));
            if container::address(row).is_some_and(|address| keeps(&network, there.as_ref(), address)) {
                continue;
            }
            let address = free.next().ok_or_else(|| {
                Fault::machine(format!("the network {} has no address left", network.name))
                    .help("take old releases away, or use fewer replicas")
            })?;
            row.address = Some(format!("{address}:{port}"));
        }
        Ok(())
    }

    /// Whether a container is in a network of its application, at the address that its instance was given.
    pub(super) fn stands(&self, there: &Container, row: &InstanceRow) -> bool {
        let (app, environment, mark) = (&row.app, &row.environment, self.mark());
        let [before, _] = names::networks_before(app, environment, mark);
        let networks = [names::network(app, environment, mark), before];
        let at = container::address(row);
        networks.iter().any(|network| {
            there.aliases.contains_key(network)
                && (at.is_none() || there.addresses.get(network) == at.as_ref())
        })
    }

    /// Removes the networks of an application that has no containers any more.
    pub(super) fn remove_networks(&self, release: &Release) -> Result<(), Fault> {
        let (docker, mark) = (self.docker()?, self.mark());
        let (app, environment) = (&release.app, &release.environment);
        let labels = names::of_place(app, environment, mark);
        let now = [names::names_network(app, environment, mark), names::network(app, environment, mark)];
        self.wait_for(async {
            for name in names::networks_before(app, environment, mark).into_iter().chain(now) {
                let there = docker.network(&name).await?;
                let ours = there.filter(|network| network.carries(&labels));
                if ours.is_some_and(|network| network.addresses.is_empty()) {
                    docker.remove_network(&name).await?;
                }
            }
            Ok(())
        })
    }
}

/// Whether an instance can have the address that it was given: its container runs there, or nobody else does, and the
/// engine did not refuse it.
fn keeps(network: &NetworkInfo, there: Option<&Container>, address: Ipv4Addr) -> bool {
    if there.is_some_and(|there| there.is_running() && there.addresses.values().any(|at| *at == address)) {
        return true;
    }
    let holder = network.addresses.iter().find(|(_, at)| **at == address).map(|(id, _)| id);
    network.can_give(address)
        && !there.is_some_and(Container::lost_its_place)
        && holder.is_none_or(|holder| there.is_some_and(|there| there.id == *holder))
}
