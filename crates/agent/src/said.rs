//! The host as the engine has it: whatever a step says, whoever says it, is searched for the values of the
//! transaction's secrets before it gets into a journal, an event or a receipt. No runtime can forget it.

use std::collections::BTreeMap;

use landfall_fx::host::{Host, Instances, Ledger, Metrics, Note, Releases, Routes, Sample, Split, Task};
use landfall_model::{
    AppName, Autopsy, EnvironmentName, Evidence, Fault, HealthAnswer, Millis, ReceiptInstance, Release,
    ReleaseId, ReleaseState, Requests, ServedArtifact, ServiceName, Stream,
};
use landfall_shim::Redactor;

use crate::host::LocalHost;

/// A host whose words hold no values of secrets.
pub(crate) struct Searched<'a> {
    host: &'a LocalHost,
    redactor: Redactor,
}

impl<'a> Searched<'a> {
    /// A host that does not say the values of `releases`. They are read now: a step may remove them, and fail then.
    pub(crate) fn new<'r>(host: &'a LocalHost, releases: impl Iterator<Item = &'r Release>) -> Self {
        // Values that are gone (a reboot) are in nothing that is said from now on but by chance.
        let sets: Vec<_> = releases.filter_map(|release| host.secret_values(release).ok()).collect();
        Self { host, redactor: Redactor::of_several(&sets) }
    }

    fn checked<T>(&self, done: Result<T, Fault>) -> Result<T, Fault> {
        done.map_err(|fault| searched(&self.redactor, fault))
    }

    fn noted(&self, done: Result<Note, Fault>) -> Result<Note, Fault> {
        self.checked(done).map(|note| note.map(|note| self.redactor.redact_cut(&note)))
    }

    fn task<'t>(&'t self, task: &'t dyn Task) -> SearchedTask<'t> {
        SearchedTask { task, redactor: &self.redactor }
    }
}

/// A step that is told of no values.
struct SearchedTask<'a> {
    task: &'a dyn Task,
    redactor: &'a Redactor,
}

impl Task for SearchedTask<'_> {
    fn line(&self, stream: Stream, line: &str) {
        self.task.line(stream, &self.redactor.redact_cut(line));
    }

    fn cancelled(&self) -> bool {
        self.task.cancelled()
    }
}

/// A fault with every text of it searched. What only names things (an instance, a variable, an address) stays.
fn searched(redactor: &Redactor, fault: Fault) -> Fault {
    let text = |text: String| redactor.redact_cut(&text);
    let Fault { kind, blame, retry, message, help, autopsy } = fault;
    let autopsy = autopsy.map(|autopsy| {
        let Autopsy { cause, advice, evidence } = *autopsy;
        let evidence = Evidence {
            command: text(evidence.command),
            health: evidence.health.map(|answer| match answer {
                HealthAnswer::Broken { why } => HealthAnswer::Broken { why: text(why) },
                HealthAnswer::Status { status, body } => HealthAnswer::Status { status, body: text(body) },
                said @ (HealthAnswer::Refused | HealthAnswer::TimedOut) => said,
            }),
            log: evidence.log.into_iter().map(|(stream, line)| (stream, text(line))).collect(),
            ..evidence
        };
        Box::new(Autopsy { cause: text(cause), advice: advice.map(text), evidence })
    });
    Fault { kind, blame, retry, message: text(message), help: help.map(text), autopsy }
}

impl Releases for Searched<'_> {
    fn prepare(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        self.noted(self.host.prepare(release, &self.task(task)))
    }

    fn is_prepared(&self, release: &Release) -> Result<bool, Fault> {
        self.checked(self.host.is_prepared(release))
    }

    fn test(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        self.noted(self.host.test(release, &self.task(task)))
    }

    fn discard(&self, release: &Release) -> Result<(), Fault> {
        self.checked(self.host.discard(release))
    }

    fn prune(&self, release: &Release, keep: u32) -> Result<Note, Fault> {
        self.noted(self.host.prune(release, keep))
    }

    fn remove(&self, release: &Release, volumes: bool) -> Result<Note, Fault> {
        self.noted(self.host.remove(release, volumes))
    }
}

impl Instances for Searched<'_> {
    fn start(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault> {
        self.noted(self.host.start(release, upto, &self.task(task)))
    }

    fn await_healthy(&self, release: &Release, upto: u32, task: &dyn Task) -> Result<Note, Fault> {
        self.noted(self.host.await_healthy(release, upto, &self.task(task)))
    }

    fn stop(&self, release: &Release) -> Result<Note, Fault> {
        self.noted(self.host.stop(release))
    }

    fn is_running(&self, release: &Release) -> Result<bool, Fault> {
        self.checked(self.host.is_running(release))
    }

    fn read_back(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        self.checked(self.host.read_back(release))
    }

    fn retire(&self, release: &Release, warm: Millis) -> Result<Note, Fault> {
        self.noted(self.host.retire(release, warm))
    }

    fn shrink(&self, release: &Release, left: u32) -> Result<Note, Fault> {
        self.noted(self.host.shrink(release, left))
    }
}

impl Routes for Searched<'_> {
    fn hold(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        self.noted(self.host.hold(release, &self.task(task)))
    }

    fn switch(&self, release: &Release) -> Result<Note, Fault> {
        self.noted(self.host.switch(release))
    }

    fn split(&self, split: &Split<'_>) -> Result<Note, Fault> {
        self.noted(self.host.split(split))
    }

    fn drain(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        self.noted(self.host.drain(release, task))
    }

    fn unroute(&self, release: &Release) -> Result<(), Fault> {
        self.checked(self.host.unroute(release))
    }

    fn serving(&self, release: &Release) -> Result<Option<ReleaseId>, Fault> {
        self.checked(self.host.serving(release))
    }

    fn traffic(&self, release: &Release) -> Result<BTreeMap<String, u32>, Fault> {
        self.checked(self.host.traffic(release))
    }

    fn samples(&self, release: &Release) -> Result<BTreeMap<ReleaseId, Sample>, Fault> {
        self.checked(self.host.samples(release))
    }

    fn prove(&self, release: &Release) -> Result<Option<ServedArtifact>, Fault> {
        self.checked(self.host.prove(release))
    }

    fn start_meter(&self, release: &Release) -> Result<(), Fault> {
        self.checked(self.host.start_meter(release))
    }

    fn metered(&self, release: &Release) -> Result<(Requests, u64), Fault> {
        self.checked(self.host.metered(release))
    }
}

impl Metrics for Searched<'_> {
    fn query(&self, server: &str, query: &str) -> Result<Option<f64>, Fault> {
        self.checked(self.host.query(server, query))
    }
}

impl Ledger for Searched<'_> {
    fn record(&self, release: &Release) -> Result<(), Fault> {
        self.checked(self.host.record(release))
    }

    fn set_state(&self, release: &Release, state: ReleaseState) -> Result<(), Fault> {
        self.checked(self.host.set_state(release, state))
    }

    fn active(
        &self,
        app: &AppName,
        environment: &EnvironmentName,
        service: &ServiceName,
    ) -> Result<Option<ReleaseId>, Fault> {
        self.checked(self.host.active(app, environment, service))
    }
}

impl Host for Searched<'_> {
    fn name(&self) -> String {
        self.host.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "hunter22-and-more";

    #[test]
    fn every_text_of_a_fault_is_searched() {
        let redactor = Redactor::new(&BTreeMap::from([("KEY".to_owned(), VALUE.to_owned())]));
        let said = |what: &str| format!("{what}: {VALUE}");
        for health in [
            HealthAnswer::Broken { why: said("why") },
            HealthAnswer::Status { status: 500, body: said("body") },
        ] {
            let evidence = Evidence {
                instance: landfall_model::InstanceId::of_zero(),
                command: said("command"),
                expected: None,
                exit: None,
                restarts: 0,
                waited_ms: 0,
                listeners: Vec::new(),
                health: Some(health),
                log: vec![(Stream::Err, said("log"))],
                variables: vec!["KEY".to_owned()],
                memory: None,
                memory_limit: None,
                container: false,
            };
            let autopsy = Autopsy { cause: said("cause"), advice: Some(said("advice")), evidence };
            let fault = Fault::application(said("message")).help(said("help")).autopsy(autopsy);
            let before = serde_json::to_string(&fault).unwrap();
            let after = serde_json::to_string(&searched(&redactor, fault)).unwrap();
            assert!(!after.contains(VALUE), "{after}");
            assert_eq!(before.replace(VALUE, "[KEY]"), after);
        }
    }
}
