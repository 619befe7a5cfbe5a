//! Room on the disk: blobs and prepared dependencies that no release needs any more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use landfall_artifact::dependencies::collect_dependencies;
use landfall_model::{Digest, Fault, ReleaseState};

use crate::agent::Agent;
use crate::host::LocalHost;

/// What is younger stays: it may have been sent ahead for a plan that is not submitted yet.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// Between two looks.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// Collects now and then, for as long as the agent runs.
pub(crate) async fn collect(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let host = Arc::clone(&agent.host);
        match tokio::task::spawn_blocking(move || collect_once(&host)).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => agent.notes.add(fault.message),
            Err(error) => agent.notes.add(format!("the agent failed inside: {error}")),
        }
    }
}

fn collect_once(host: &LocalHost) -> Result<(), Fault> {
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
    host.store().collect(&artifacts, &chunks, now, GRACE).map_err(failed)?;
    collect_dependencies(&host.dir().dependencies(), &keys, now, GRACE).map_err(failed)?;
    Ok(())
}
