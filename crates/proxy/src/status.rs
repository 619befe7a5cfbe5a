//! The proxy as it is now, for whoever asks.

use std::fs;
use std::sync::Arc;

use crate::control::Control;
use crate::plane::{Live, LivePool};
use crate::state::stats::PoolStats;
use crate::wire::{BackendStatus, ListenerStatus, PoolStatus, RouteStatus, Status};

/// All of it.
pub(crate) fn status(control: &Control) -> Status {
    let listeners = control.plane.listeners().into_iter();
    Status {
        pid: std::process::id(),
        build: crate::build(),
        token: control.shared.token.clone(),
        memory: resident(),
        listeners: listeners.map(|(address, problem)| ListenerStatus { address, problem }).collect(),
        routes: control.plane.each(route_status),
        notes: control.plane.notes(),
    }
}

fn route_status(live: &Live) -> RouteStatus {
    let pools = live.route.pools();
    let weight = |label: &str| {
        live.config.pools.iter().find(|share| share.pool.label == label).map_or(0, |share| share.weight)
    };
    let pool = |stats: &Arc<PoolStats>| {
        let totals = stats.totals();
        PoolStatus {
            label: stats.label.clone(),
            weight: weight(&stats.label),
            inflight: stats.inflight(),
            streams: stats.streams(),
            drain_ms: stats.waited_for().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            served: totals.served,
            failed: totals.failed,
            held: totals.held,
            p50_ms: totals.latency.quantile_ms(0.5),
            p99_ms: totals.latency.quantile_ms(0.99),
        }
    };
    RouteStatus {
        config: (*live.config).clone(),
        holding: live.route.holding(),
        paused: live.route.paused(),
        maintenance: live.route.in_maintenance(),
        held_now: live.route.held_now(),
        backends: live.pools.iter().flat_map(backends).collect(),
        pools: pools.iter().map(pool).collect(),
    }
}

fn backends(pool: &LivePool) -> impl Iterator<Item = BackendStatus> {
    pool.backends.instances().iter().map(|backend| BackendStatus {
        pool: pool.stats.label.clone(),
        address: backend.address,
        healthy: backend.healthy(),
        inflight: backend.inflight(),
        checks: Some(backend.checks()),
    })
}

/// Resident memory in bytes, from `/proc/self/status` (`proc(5)`).
pub(crate) fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
