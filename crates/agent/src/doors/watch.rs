//! Looking after the Caddys: started again when they are gone, instances that do not answer taken out of their routes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::PoisonError;

use landfall_model::{Fault, Health, Millis};
use landfall_proxy::{Backend, HealthCheck, RouteConfig};

use super::Door;
use crate::agent::Notes;
use crate::host::LocalHost;
use crate::runtimes::process::health;

/// How the note begins that is taken back once a Caddy answers.
const NOTE: &str = "Caddy";

/// How the note begins that is taken back once Caddy is what it was told.
const DRIFTED: &str = "the configuration of Caddy";

/// How often an instance must not answer, one time after the other, to get no more requests.
const MISSES: u32 = 2;

/// What was seen of instances: how often each did not answer in a row.
pub(crate) type Misses = BTreeMap<SocketAddr, u32>;

/// Looks once.
pub(crate) async fn look(host: &LocalHost, notes: &Notes, misses: &mut Misses, seen: &mut u32) {
    let mut drifted = 0;
    for door in host.doors().into_iter().filter(|door| matches!(door, Door::Caddy(_))) {
        let Door::Caddy(caddy) = &door else { continue };
        let looked = async {
            door.ensure().await?;
            caddy.reapply().await?;
            let plate = door.plate().await?;
            if plate.as_ref().is_some_and(|plate| plate.drifted) {
                drifted += 1;
            }
            for known in plate.into_iter().flat_map(|plate| plate.routes) {
                let unhealthy = unhealthy(host, &known.config, misses).await;
                caddy.shun(&known.config.id, &unhealthy).await?;
            }
            Ok::<(), Fault>(())
        };
        match looked.await {
            Ok(()) => notes.settle(NOTE),
            Err(fault) => {
                let line = fault.message.lines().next().unwrap_or_default().to_owned();
                notes.add(if line.starts_with(NOTE) { line } else { format!("{NOTE}: {line}") });
            }
        }
    }
    // A deploy that is at work changes it in steps: only what is still so at the next look is told.
    *seen = if drifted > 0 { *seen + 1 } else { 0 };
    match *seen {
        0 => notes.settle(DRIFTED),
        1 => {}
        _ => notes.add(format!(
            "{DRIFTED} was changed by hand where it is Landfall's; the next deploy puts it right"
        )),
    }
}

/// The instances of a route that did not answer several times in a row.
async fn unhealthy(host: &LocalHost, config: &RouteConfig, misses: &mut Misses) -> Vec<SocketAddr> {
    let Some(check) = &config.health else { return Vec::new() };
    let check = health_of(check);
    let mut unhealthy = Vec::new();
    for share in &config.pools {
        let Backend::Instances { addresses } = &share.pool.backend else { continue };
        for address in addresses {
            let answers = health::check(&address.to_string(), &check).await.is_ok();
            let missed = misses.entry(*address).or_insert(0);
            *missed = if answers { 0 } else { missed.saturating_add(1) };
            let healthy = *missed < MISSES;
            host.caddies().health.lock().unwrap_or_else(PoisonError::into_inner).insert(*address, healthy);
            if !healthy {
                unhealthy.push(*address);
            }
        }
    }
    unhealthy
}

fn health_of(check: &HealthCheck) -> Health {
    Health {
        path: check.path.clone(),
        status: check.status,
        interval: Millis(check.interval_ms),
        timeout: Millis(check.timeout_ms),
        start_period: Millis(0),
        stable: Millis(0),
    }
}
