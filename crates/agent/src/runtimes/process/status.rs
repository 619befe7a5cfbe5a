//! How an instance is: what its supervisor says, what the proxy says of its address.

use landfall_model::{InstanceState, InstanceStatus, Kind, Spec};
use landfall_shim::{Handle, evidence, last_report};

use crate::host::LocalHost;
use crate::state::{InstanceRow, Stay};

impl LocalHost {
    /// The state of one process; what of it is on its way out is told by its row.
    pub(super) fn process_status(
        &self,
        row: &InstanceRow,
        spec: Option<&Spec>,
        healthy: Option<bool>,
    ) -> InstanceStatus {
        let folder = self.dir().instance(&row.id);
        let alive = Handle::connect(&folder).ok().map(|handle| handle.report().clone());
        let report = alive.clone().or_else(|| last_report(&folder).ok().flatten());
        let state = match &alive {
            None => InstanceState::Stopped,
            Some(report) if report.state != InstanceState::Booting => report.state,
            Some(_) if spec.is_none_or(|spec| spec.kind == Kind::Worker) => InstanceState::Healthy,
            Some(_) => match healthy {
                Some(true) => InstanceState::Healthy,
                Some(false) => InstanceState::Unhealthy,
                // What serves no more was well when it did.
                None if row.stay != Stay::On => InstanceState::Healthy,
                None => InstanceState::Booting,
            },
        };
        let pid = alive.as_ref().and_then(|report| report.pid);
        InstanceStatus {
            id: row.id.clone(),
            release: row.release.clone(),
            ordinal: row.ordinal,
            state,
            address: row.address.clone(),
            pid,
            started: alive.as_ref().and_then(|report| report.started),
            restarts: report.as_ref().map_or(0, |report| report.restarts),
            last_exit: report.and_then(|report| report.last_exit),
            memory: pid.and_then(|pid| evidence::memory(&evidence::processes(pid))),
            leaving: None,
            container: None,
            checks: None,
            drift: None,
        }
    }
}
