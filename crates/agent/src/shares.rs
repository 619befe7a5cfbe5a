//! Two releases behind one route: what the proxy is told of a split, and what it says of it.

use std::collections::BTreeMap;

use landfall_fx::host::{Note, Part, Sample, Split};
use landfall_model::{Fault, Kind, Release, ReleaseId, percentages};
use landfall_proxy::{Backend, Pool, RouteConfig, Share};

use crate::host::LocalHost;

impl LocalHost {
    /// The pool of a release's first `instances`.
    pub(crate) fn pool(&self, release: &Release, instances: u32) -> Result<Pool, Fault> {
        let backend = if release.spec.kind == Kind::Site {
            Backend::Files { root: self.site_root(release) }
        } else {
            let rows = self.state().instances_of(release)?.into_iter();
            let some = rows.filter(|row| row.ordinal <= instances);
            let addresses = some.filter_map(|row| row.address.as_ref()?.parse().ok()).collect();
            Backend::Instances { addresses }
        };
        Ok(Pool { label: release.id.version().to_string(), backend })
    }

    /// Makes the route of `split.to` send to both releases. One without a weight has no pool.
    pub(crate) fn put_split(&self, split: &Split<'_>) -> Result<Note, Fault> {
        let release = split.to.release;
        let Some(route) = &release.spec.route else { return Ok(None) };
        let share = |part: &Part<'_>| {
            Ok(Share { pool: self.pool(part.release, part.instances)?, weight: part.weight })
        };
        let parts = [split.from, split.to];
        let pools = parts.iter().filter(|part| part.weight > 0).map(share).collect::<Result<_, Fault>>()?;
        let config =
            RouteConfig { pools, sticky: split.sticky.cloned(), ..self.route_config(release, route)? };
        let door = self.door(route);
        self.wait_for(door.ensure())?;
        self.wait_for(self.serve(&door, &config))?;
        let names = parts.map(|part| part.release.id.version().to_string());
        let shares = names.into_iter().zip(percentages(&parts.map(|part| part.weight)));
        let shares: Vec<String> = shares.map(|(name, share)| format!("{share} % to {name}")).collect();
        Ok(Some(shares.join(", ")))
    }

    /// The shares of the versions that get requests, in percent; none while requests are held.
    pub(crate) fn shares(&self, release: &Release) -> Result<BTreeMap<String, u32>, Fault> {
        let Some(route) = &release.spec.route else { return Ok(BTreeMap::new()) };
        let door = self.wait_for(self.door_of(release, route))?;
        let Some(plate) = self.wait_for(door.plate())? else { return Ok(BTreeMap::new()) };
        let id = release.route_id();
        let known = plate.routes.into_iter().find(|known| known.config.id == id && !known.holding);
        Ok(known.map(|known| of(&known.config)).unwrap_or_default())
    }

    /// What the pools of a release's service answered.
    pub(crate) fn sampled(&self, release: &Release) -> Result<BTreeMap<ReleaseId, Sample>, Fault> {
        let Some(route) = &release.spec.route else { return Ok(BTreeMap::new()) };
        let door = self.wait_for(self.door_of(release, route))?;
        let samples = self.wait_for(door.samples(&release.route_id()))?.into_iter();
        let by_release = samples.filter_map(|sample| {
            let id = ReleaseId::new(release.service().clone(), sample.label.parse().ok()?);
            let (requests, errors, latency) = (sample.requests, sample.errors, sample.latency);
            Some((id, Sample { requests, errors, latency }))
        });
        Ok(by_release.collect())
    }
}

/// The shares of a route's pools that have a weight.
fn of(config: &RouteConfig) -> BTreeMap<String, u32> {
    let weights: Vec<u32> = config.pools.iter().map(|share| share.weight).collect();
    let labels = config.pools.iter().map(|share| share.pool.label.clone());
    labels.zip(percentages(&weights)).filter(|(_, share)| *share > 0).collect()
}
