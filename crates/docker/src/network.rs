//! Networks: making them with a subnet of their own, so that a container's address can be given and survives restarts.
//!
//! Of such a subnet the upper half is what the engine gives to those that ask for no address, and the lower half is given
//! by whoever asks for one: an engine that starts again lets all containers in anew, in an order of its own, and one
//! without an address of its own would be given that of another.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest, NetworkInspect,
};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use landfall_model::Fault;

use crate::container::Attachment;
use crate::engine::Engine;
use crate::subnet::{self, Subnet};
use crate::{fault, labels};

/// The most subnets that are tried before it is said that none is free.
const TRIES: usize = 64;

/// A network that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether nothing outside is reached from it.
    pub internal: bool,
}

/// A network that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// What the engine calls it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether nothing outside is reached from it.
    pub internal: bool,
    /// Its addresses; `None` for one without IPv4 addresses of its own (`host`, `none`).
    pub subnet: Option<Subnet>,
    /// The addresses that the engine gives out itself; `None` where it gives out all of the subnet.
    pub range: Option<Subnet>,
    /// The host's own address in it.
    pub gateway: Option<Ipv4Addr>,
    /// The addresses that running containers have in it, by the container's id.
    pub addresses: BTreeMap<String, Ipv4Addr>,
}

impl NetworkInfo {
    /// Whether it carries all of these labels.
    #[must_use]
    pub fn carries(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }

    /// Whether an address there can be a container's for good: the engine gives it to nobody else by itself.
    #[must_use]
    pub fn can_give(&self, address: Ipv4Addr) -> bool {
        let inside = self.subnet.is_some_and(|subnet| subnet.contains(address));
        inside && !self.range.is_some_and(|range| range.contains(address)) && self.gateway != Some(address)
    }

    /// The addresses that can be a container's for good and that no running container has, upwards.
    pub fn free(&self) -> impl Iterator<Item = Ipv4Addr> {
        let hosts = self.subnet.into_iter().flat_map(Subnet::hosts);
        hosts.filter(|address| self.can_give(*address) && !self.addresses.values().any(|at| at == address))
    }
}

impl Engine {
    /// The network of that name; `None` when there is none.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn network(&self, name: &str) -> Result<Option<NetworkInfo>, Fault> {
        match self.docker.inspect_network(name, None).await {
            Ok(told) => Ok(Some(info(told))),
            Err(why) if fault::is_missing(&why) => Ok(None),
            Err(why) => Err(fault::call(&format!("looking at the network {name}"), &why)),
        }
    }

    /// The networks that carry all of the `labels` (`KEY` or `KEY=VALUE`), without their containers' addresses.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn networks(&self, labels: &[String]) -> Result<Vec<NetworkInfo>, Fault> {
        let options = ListNetworksOptionsBuilder::new().filters(&labels::filters(labels)).build();
        let told = self.docker.list_networks(Some(options)).await;
        let told = told.map_err(|why| fault::call("listing networks", &why))?;
        Ok(told.into_iter().map(network_line).collect())
    }

    /// Gives the network of the wanted name, and makes it if it is not there: a bridge with a subnet that no other
    /// network of the engine has, nor, for an engine of this machine, a route of the host.
    ///
    /// # Errors
    /// When one of that name is there without the wanted labels, or none can be made.
    pub async fn ensure_network(&self, wanted: &NetworkSpec) -> Result<NetworkInfo, Fault> {
        if let Some(there) = self.network(&wanted.name).await? {
            return ours(there, wanted);
        }
        let mut taken: Vec<Subnet> =
            self.networks(&[]).await?.into_iter().filter_map(|network| network.subnet).collect();
        if self.about().is_local() {
            taken.extend(subnet::routes());
        }
        let doing = format!("making the network {}", wanted.name);
        for candidate in subnet::free(&wanted.name, &taken).take(TRIES) {
            match self.docker.create_network(request(wanted, candidate)).await {
                Ok(_) => {
                    let made = self.network(&wanted.name).await?;
                    return made
                        .ok_or_else(|| Fault::internal(format!("{doing}: it is not there afterwards")));
                }
                // Somebody else made it in the meantime.
                Err(why) if fault::is_conflict(&why) => {
                    if let Some(there) = self.network(&wanted.name).await? {
                        return ours(there, wanted);
                    }
                    return Err(fault::call(&doing, &why));
                }
                Err(why) if why.to_string().contains("verlap") => {}
                Err(why) => return Err(fault::call(&doing, &why)),
            }
        }
        Err(Fault::machine(format!("{doing}: no subnet is free"))
            .help("remove networks that nothing uses: `docker network prune`"))
    }

    /// Lets a container join a network; one that is in it already stays as it is.
    ///
    /// # Errors
    /// When container or network are not there, or the address is taken.
    pub async fn join(&self, container: &str, network: &Attachment) -> Result<(), Fault> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint(network)),
        };
        match self.docker.connect_network(&network.network, request).await {
            Ok(()) => Ok(()),
            Err(why) if why.to_string().contains("already exists in network") => Ok(()),
            Err(why) => {
                Err(fault::call(&format!("joining {container} to the network {}", network.network), &why))
            }
        }
    }

    /// Lets a container leave a network. Gives whether it was in it.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn leave(&self, container: &str, network: &str) -> Result<bool, Fault> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        match self.docker.disconnect_network(network, request).await {
            Ok(()) => Ok(true),
            Err(why) if fault::is_missing(&why) || why.to_string().contains("is not connected") => Ok(false),
            Err(why) => Err(fault::call(&format!("taking {container} out of the network {network}"), &why)),
        }
    }

    /// Removes a network. Gives whether there was one.
    ///
    /// # Errors
    /// When a container is still in it.
    pub async fn remove_network(&self, name: &str) -> Result<bool, Fault> {
        match self.docker.remove_network(name).await {
            Ok(()) => Ok(true),
            Err(why) if fault::is_missing(&why) => Ok(false),
            Err(why) => Err(fault::call(&format!("removing the network {name}"), &why)),
        }
    }
}

/// How a container stands in a network, as the engine takes it.
pub(crate) fn endpoint(attachment: &Attachment) -> EndpointSettings {
    EndpointSettings {
        aliases: (!attachment.aliases.is_empty()).then(|| attachment.aliases.clone()),
        ipam_config: attachment.address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    }
}

fn ours(there: NetworkInfo, wanted: &NetworkSpec) -> Result<NetworkInfo, Fault> {
    if there.carries(&wanted.labels) && there.internal == wanted.internal {
        return Ok(there);
    }
    Err(Fault::machine(format!("there is a network {} already, and it is another one", wanted.name)).help(
        format!(
            "see `docker network inspect {0}`; if nothing needs it, `docker network rm {0}`",
            wanted.name
        ),
    ))
}

fn request(wanted: &NetworkSpec, subnet: Subnet) -> NetworkCreateRequest {
    let config = IpamConfig {
        subnet: Some(subnet.to_string()),
        ip_range: Some(subnet.upper_half().to_string()),
        gateway: Some(subnet.gateway().to_string()),
        ..IpamConfig::default()
    };
    NetworkCreateRequest {
        name: wanted.name.clone(),
        driver: Some("bridge".to_owned()),
        internal: Some(wanted.internal),
        ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
        labels: Some(wanted.labels.clone().into_iter().collect::<HashMap<_, _>>()),
        ..NetworkCreateRequest::default()
    }
}

/// The first IPv4 subnet of a network, what the engine gives out of it, and the gateway.
fn addressing(ipam: Option<Ipam>) -> (Option<Subnet>, Option<Subnet>, Option<Ipv4Addr>) {
    let configs = ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let first = configs.into_iter().find_map(|config| {
        let subnet: Subnet = config.subnet.as_deref()?.parse().ok()?;
        let range = config.ip_range.and_then(|range| range.parse().ok());
        Some((Some(subnet), range, config.gateway.and_then(|address| address.parse().ok())))
    });
    first.unwrap_or_default()
}

fn info(told: NetworkInspect) -> NetworkInfo {
    let (subnet, range, gateway) = addressing(told.ipam);
    let containers = told.containers.unwrap_or_default().into_iter();
    let addresses = containers.filter_map(|(id, endpoint)| {
        let address = endpoint.ipv4_address?;
        Some((id, address.split('/').next()?.parse().ok()?))
    });
    NetworkInfo {
        id: told.id.unwrap_or_default(),
        name: told.name.unwrap_or_default(),
        labels: told.labels.unwrap_or_default().into_iter().collect(),
        internal: told.internal.unwrap_or_default(),
        subnet,
        range,
        gateway,
        addresses: addresses.collect(),
    }
}

fn network_line(told: bollard::models::Network) -> NetworkInfo {
    let (subnet, range, gateway) = addressing(told.ipam);
    NetworkInfo {
        id: told.id.unwrap_or_default(),
        name: told.name.unwrap_or_default(),
        labels: told.labels.unwrap_or_default().into_iter().collect(),
        internal: told.internal.unwrap_or_default(),
        subnet,
        range,
        gateway,
        addresses: BTreeMap::new(),
    }
}
