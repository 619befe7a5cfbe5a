//! A service's name inside its application: it leads to the instances that serve, and to no others.
//!
//! Names are looked up in a network of their own. Whoever serves no more stays in it at the same address without the
//! name: nobody new comes, and connections that are open go on.

use landfall_docker::{Attachment, Container, Engine, NetworkInfo, NetworkSpec};
use landfall_model::{AppName, EnvironmentName, Fault, Kind, Release};

use super::names;
use crate::host::LocalHost;
use crate::state::{InstanceRow, Stay};

impl LocalHost {
    /// The network of an application's names; one that an earlier version of Landfall made is used for as long as it is
    /// there, for names lead to nobody outside of it.
    pub(super) async fn names_of(
        &self,
        docker: &Engine,
        app: &AppName,
        environment: &EnvironmentName,
    ) -> Result<Option<NetworkInfo>, Fault> {
        let mark = self.mark();
        let labels = names::of_place(app, environment, mark);
        let [_, before] = names::networks_before(app, environment, mark);
        for name in [before, names::names_network(app, environment, mark)] {
            let there = docker.network(&name).await?;
            if let Some(there) = there.filter(|there| there.carries(&labels)) {
                return Ok(Some(there));
            }
        }
        Ok(None)
    }

    /// Lets the service's name lead to the instances of a release, but for those that are on their way out.
    pub(super) fn give_name(&self, release: &Release) -> Result<(), Fault> {
        let docker = self.docker()?;
        let (app, environment) = (&release.app, &release.environment);
        let service = release.service().to_string();
        self.wait_for(async {
            let network = match self.names_of(&docker, app, environment).await? {
                Some(there) => there,
                None => {
                    let name = names::names_network(app, environment, self.mark());
                    let labels = names::of_place(app, environment, self.mark());
                    docker.ensure_network(&NetworkSpec { name, labels, internal: true }).await?
                }
            };
            // Where the engine gives out all addresses itself none is given for good.
            let mut free = network.free().filter(|_| network.range.is_some());
            let rows = self.state().instances_of(release)?;
            for row in rows.iter().filter(|row| row.stay == Stay::On) {
                let Some(there) = self.named_container(&docker, row).await? else { continue };
                if is_called(&there, &network, &service) {
                    continue;
                }
                let known = there.addresses.get(&network.name).copied();
                let address = known.or_else(|| free.next());
                let aliases = vec![service.clone()];
                let place = Attachment { network: network.name.clone(), address, aliases };
                come_in(&docker, &there, place).await?;
            }
            Ok(())
        })
    }

    /// Lets the service's name lead no more to the instances of a release beyond the first `left`.
    pub(super) fn take_name(&self, release: &Release, left: u32) -> Result<(), Fault> {
        if release.spec.kind == Kind::Site {
            return Ok(());
        }
        let docker = self.docker()?;
        let service = release.service().to_string();
        self.wait_for(async {
            let names = self.names_of(&docker, &release.app, &release.environment).await?;
            let Some(network) = names else { return Ok(()) };
            let rows = self.state().instances_of(release)?;
            for row in rows.iter().filter(|row| row.ordinal > left) {
                let Some(there) = self.named_container(&docker, row).await? else { continue };
                if !is_called(&there, &network, &service) {
                    continue;
                }
                let address = there.addresses.get(&network.name).copied();
                let place = Attachment { network: network.name.clone(), address, aliases: Vec::new() };
                come_in(&docker, &there, place).await?;
            }
            Ok(())
        })
    }

    /// The container of an instance; one that is not there, or not ours, is told of by whoever looks at instances.
    async fn named_container(&self, docker: &Engine, row: &InstanceRow) -> Result<Option<Container>, Fault> {
        let there = docker.container(&names::container(row)).await?;
        Ok(there.filter(|there| self.made(there)))
    }
}

/// Whether a container is found by that name in the network.
fn is_called(there: &Container, network: &NetworkInfo, service: &str) -> bool {
    there.aliases.get(&network.name).is_some_and(|aliases| aliases.iter().any(|alias| alias == service))
}

/// Puts a container into a network anew: an engine changes no name of one that is in it. At the same address its open
/// connections outlast the moment in between.
async fn come_in(docker: &Engine, there: &Container, place: Attachment) -> Result<(), Fault> {
    if there.aliases.contains_key(&place.network) {
        docker.leave(&there.id, &place.network).await?;
    }
    match docker.join(&there.id, &place).await {
        // Somebody took the address in that moment: any other will do.
        Err(_) if place.address.is_some() => {
            docker.join(&there.id, &Attachment { address: None, ..place }).await
        }
        joined => joined,
    }
}
