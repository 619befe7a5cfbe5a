//! Where instances are: the application's networks, and an address in them for each instance that answers requests.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use landfall_docker::{Attachment, Engine, NetworkInfo, NetworkSpec};
use landfall_model::{AppName, EnvironmentName, Fault, Release};

use super::{container, names};
use crate::host::LocalHost;
use crate::runtimes::process::environment::has_address;
use crate::state::InstanceRow;

impl LocalHost {
    /// The network in which an application's containers have their addresses.
    async fn network_of(
        &self,
        docker: &Engine,
        app: &AppName,
        environment: &EnvironmentName,
    ) -> Result<NetworkInfo, Fault> {
        let mark = self.mark();
        let name = names::network(app, environment, mark);
        let labels = names::of_place(app, environment, mark);
        docker.ensure_network(&NetworkSpec { name, labels, internal: false }).await
    }

    /// Gives addresses to rows without one. A container keeps its address for as long as it is there, and the next of
    /// the same instance gets it again: it is written into the container, so that a restart of the engine changes none.
    pub(super) fn place_containers(&self, release: &Release, rows: &mut [InstanceRow]) -> Result<(), Fault> {
        let docker = self.docker()?;
        let network = self.wait_for(self.network_of(&docker, &release.app, &release.environment))?;
        if !has_address(release) {
            return Ok(());
        }
        let port = self.built_before(release)?.port;
        let subnet = network.subnet.ok_or_else(|| {
            Fault::machine(format!("the network {} has no addresses", network.name))
                .help(format!("remove it (`docker network rm {}`) and deploy again", network.name))
        })?;
        // A network that was made anew may have other addresses.
        let mut taken: BTreeSet<Ipv4Addr> = network.addresses.values().copied().collect();
        taken.extend(network.gateway);
        taken.insert(subnet.gateway());
        let given = self.state().instances()?;
        taken.extend(given.iter().filter_map(container::address));
        let mut free = subnet.hosts().filter(|address| !taken.contains(address));
        for row in rows {
            if container::address(row).is_some_and(|address| subnet.contains(address)) {
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

    /// Lets the service's name lead to the running instances of a release.
    pub(super) fn give_name(&self, release: &Release) -> Result<(), Fault> {
        let (docker, mark) = (self.docker()?, self.mark());
        let (app, environment) = (&release.app, &release.environment);
        let name = names::names_network(app, environment, mark);
        let wanted = NetworkSpec {
            name: name.clone(),
            labels: names::of_place(app, environment, mark),
            internal: true,
        };
        self.wait_for(async {
            docker.ensure_network(&wanted).await?;
            for row in self.state().instances_of(release)? {
                let container = names::container(&row);
                let there = docker.container(&container).await?;
                // One that is not there is told of by whoever looks at instances.
                if there.is_none_or(|there| there.aliases.contains_key(&name)) {
                    continue;
                }
                let aliases = vec![release.service().to_string()];
                docker
                    .join(&container, &Attachment { network: name.clone(), address: None, aliases })
                    .await?;
            }
            Ok(())
        })
    }

    /// Removes the networks of an application that has no containers any more.
    pub(super) fn remove_networks(&self, release: &Release) -> Result<(), Fault> {
        let (docker, mark) = (self.docker()?, self.mark());
        let (app, environment) = (&release.app, &release.environment);
        self.wait_for(async {
            for name in [names::names_network(app, environment, mark), names::network(app, environment, mark)]
            {
                let used = docker.network(&name).await?.is_some_and(|network| !network.addresses.is_empty());
                if !used {
                    docker.remove_network(&name).await?;
                }
            }
            Ok(())
        })
    }
}
