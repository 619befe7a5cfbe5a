//! Room on the disk: what no release needs any more, and what may be taken away of what the owner limits.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use landfall_artifact::dependencies::collect_dependencies;
use landfall_fx::host::Releases as _;
use landfall_model::api::{Holds, Pruned};
use landfall_model::{Digest, Fault, ReleaseState, Runtime};

use crate::agent::Agent;
use crate::disk::filesystem;
use crate::disk::most::{BUILD_CACHE, IMAGES, IMAGES_DEFAULT, Most};
use crate::exclusive::Exclusive;
use crate::host::LocalHost;

/// What is younger stays: it may have been sent ahead for a plan that is not submitted yet.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// The old releases of a service that stay when our images take more than they may: one, to go back to.
const KEPT_OVER_THE_SHARE: u32 = 1;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// Collects now and then, for as long as the agent runs.
pub(crate) async fn collect(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let collected = Arc::clone(&agent);
        match tokio::task::spawn_blocking(move || collect_once(&collected)).await {
            Ok(Ok(_)) => {}
            Ok(Err(fault)) => agent.notes.add(fault.message),
            Err(error) => agent.notes.add(format!("the agent failed inside: {error}")),
        }
    }
}

/// Takes away what nothing needs, and says what that was.
pub(crate) fn collect_once(agent: &Agent) -> Result<Pruned, Fault> {
    let host = &agent.host;
    let mut pruned = Pruned { bytes: collect_sources(host)?, removed: Vec::new() };
    let exclusive = agent.transactions.exclusive();
    pruned.add(host.remove_volumes_over(&exclusive)?);
    if host.uses_engine()? {
        pruned.add(host.remove_put_aside()?);
        pruned.add(releases_over_the_share(host, &exclusive)?);
        pruned.add(host.remove_idle_images()?);
        pruned.add(cache_over_its_share(host)?);
    }
    Ok(pruned)
}

/// Removes kept releases, but for the newest of each service, while our images take more than they may.
fn releases_over_the_share(host: &LocalHost, exclusive: &Arc<Exclusive>) -> Result<Pruned, Fault> {
    let Some(most) = limit(host, IMAGES, IMAGES_DEFAULT)? else { return Ok(Pruned::default()) };
    let before = host.image_bytes()?;
    if before <= most {
        return Ok(Pruned::default());
    }
    let mut removed = Vec::new();
    for place in host.state().deployed()? {
        // Somebody works there: the next look will do.
        let at = (place.app.clone(), place.environment.clone());
        let Some(_guard) = exclusive.acquire(&at, Duration::ZERO) else { continue };
        if host
            .state()
            .open_transactions()?
            .iter()
            .any(|open| open.app == place.app && open.environment == place.environment)
        {
            continue;
        }
        let known = host.state().releases(&place.app, &place.environment)?;
        let containers = known.into_iter().filter(|known| known.release.spec.runtime == Runtime::Docker);
        let newest: BTreeMap<_, _> =
            containers.map(|known| (known.release.service().clone(), known.release)).collect();
        for release in newest.values() {
            for old in host.state().superfluous(release, KEPT_OVER_THE_SHARE)? {
                removed.push(format!("{} of {} in {}", old.id, place.app, place.environment));
            }
            host.prune(release, KEPT_OVER_THE_SHARE)?;
        }
    }
    let bytes = if removed.is_empty() { 0 } else { before.saturating_sub(host.image_bytes()?) };
    Ok(Pruned { removed, bytes })
}

/// Takes the builder's cache back to what it may take; left alone unless that is said.
fn cache_over_its_share(host: &LocalHost) -> Result<Pruned, Fault> {
    let Some(most) = limit(host, BUILD_CACHE, Most::All)? else { return Ok(Pruned::default()) };
    let docker = host.docker()?;
    let bytes = host.wait_for(async {
        let taken = docker.disk().await?.cache_size();
        if taken > most { docker.prune_cache(most).await } else { Ok(0) }
    })?;
    let removed = (bytes > 0).then(|| "builder's cache".to_owned());
    Ok(Pruned { removed: removed.into_iter().collect(), bytes })
}

/// What a variable of the agent allows on the engine's file system; `None` for no limit, and for a share of one that
/// cannot be looked at.
fn limit(host: &LocalHost, variable: &str, otherwise: Most) -> Result<Option<u64>, Fault> {
    let said = host.variables().get(variable).filter(|text| !text.trim().is_empty());
    let most = said.map_or(Ok(otherwise), |text| Most::read(variable, text))?;
    let about = host.docker()?;
    let root = Path::new(&about.about().root_dir);
    let total = about.about().is_local().then(|| filesystem(root, Holds::Engine)).flatten();
    Ok(match (most, total) {
        (Most::Percent(_), None) => None,
        (most, total) => most.bytes(total.map_or(0, |filesystem| filesystem.total)),
    })
}

fn collect_sources(host: &LocalHost) -> Result<u64, Fault> {
    let mut artifacts: Vec<Digest> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    let mut images: HashSet<Digest> = HashSet::new();
    for place in host.state().deployed()? {
        // What failed and is no part of an open transaction is only still known.
        let known = host.state().releases(&place.app, &place.environment)?.into_iter();
        let wanted = known.filter(|known| known.state != ReleaseState::Failed).map(|known| known.release);
        for release in wanted.chain(host.open_releases(&place.app, &place.environment)?) {
            keys.extend(host.prepared(&release)?.map(|p| p.dependencies).unwrap_or_default());
            images.extend(host.built(&release)?.map(|built| built.image));
            // The plan of an open transaction may speak of what another one has removed.
            if host.store().missing(&[release.artifact]).is_empty() {
                artifacts.push(release.artifact);
            }
        }
    }
    let now = host.clock().now();
    let failed = |error| Fault::machine(format!("what no release needs could not all be removed: {error}"));
    let chunks = match host.images_if_there()? {
        Some(store) => store.collect(&images, now, GRACE)?.chunks,
        None => HashSet::new(),
    };
    let freed = host.store().collect(&artifacts, &chunks, now, GRACE).map_err(failed)?;
    collect_dependencies(&host.dir().dependencies(), &keys, now, GRACE).map_err(failed)?;
    Ok(freed)
}
