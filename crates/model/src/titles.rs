//! The steps of a plan as lines that people read, before they are done.

use crate::{Health, Judge, Kind, Plan, Release, ReleaseId, Step, StepLine};

impl Plan {
    /// A line for each step, in the same order. Steps that speak of a release the plan does not carry are named by
    /// the release's name alone.
    #[must_use]
    pub fn titles(&self) -> Vec<StepLine> {
        self.steps
            .iter()
            .map(|step| StepLine {
                service: step.service().clone(),
                verb: step.verb().to_owned(),
                title: self.title(step),
            })
            .collect()
    }

    fn title(&self, step: &Step) -> String {
        match step {
            Step::Prepare { release } => self.prepare(release),
            Step::Test { release } => {
                let commands = self.releases.get(release).map_or(&[][..], |r| &r.spec.test);
                let commands: Vec<String> = commands.iter().map(|command| format!("`{command}`")).collect();
                format!("runs {} in a throwaway copy", commands.join(", "))
            }
            Step::Hold { .. } => "holds requests and waits for those under way".to_owned(),
            Step::Stop { release } => format!("stops {}", self.instances(release)),
            Step::Start { release, upto: None } => format!("starts {}", self.instances(release)),
            Step::Start { release, upto: Some(upto) } => {
                format!("starts {} of {}", self.some(release, *upto), release.version())
            }
            Step::AwaitHealthy { release, .. } => {
                self.releases.get(release).map_or_else(|| release.to_string(), awaited)
            }
            Step::Roll { from, to, old, new } => format!(
                "sends requests to {} of {} and {} of {}",
                self.some(to, *new),
                to.version(),
                self.some(from, *old),
                from.version()
            ),
            Step::Shrink { release, left } => format!(
                "keeps {left} of {}, drains and stops the others in the background",
                release.version()
            ),
            Step::Shift { to, percent, .. } => {
                format!("sends {percent} % of the requests to {}", to.version())
            }
            Step::Judge { from, to, .. } => self.judge(from, to),
            Step::Switch { from, to } => self.switch(from.as_ref(), to),
            Step::ReadBack { .. } => "reads back what runs and who gets the requests".to_owned(),
            Step::Unroute { release } => {
                let url =
                    self.releases.get(release).and_then(|r| r.spec.route.as_ref()).map(crate::Route::url);
                format!("takes {} away", url.unwrap_or_else(|| "the route".to_owned()))
            }
            Step::Retire { release, warm } if warm.is_zero() => {
                format!("drains and stops {} in the background", release.version())
            }
            Step::Retire { release, warm } => {
                format!(
                    "keeps {} warm for {warm}, then drains and stops it in the background",
                    release.version()
                )
            }
            Step::Prune { keep: 1, .. } => "keeps the newest old release".to_owned(),
            Step::Prune { keep, .. } => format!("keeps the newest {keep} old releases"),
            Step::Remove { volumes: true, .. } => "removes all its releases and its volumes".to_owned(),
            Step::Remove { volumes: false, .. } => "removes all its releases; volumes stay".to_owned(),
        }
    }

    fn prepare(&self, id: &ReleaseId) -> String {
        match self.releases.get(id).and_then(|release| release.spec.build.as_ref()) {
            Some(build) => {
                format!("lays out {} with its dependencies and builds it: `{build}`", id.version())
            }
            None => format!("lays out {} with its dependencies", id.version()),
        }
    }

    fn instances(&self, id: &ReleaseId) -> String {
        match self.releases.get(id).map(|release| release.spec.replicas) {
            Some(1) | None => id.version().to_string(),
            Some(count) => format!("{count} instances of {}", id.version()),
        }
    }

    /// "3 of 4 instances".
    fn some(&self, id: &ReleaseId, count: u32) -> String {
        let all = self.releases.get(id).map_or(count, |release| release.spec.replicas);
        match (count, all) {
            (count, all) if count == all => format!("all {all} instances"),
            (count, all) => format!("{count} of {all} instances"),
        }
    }

    fn judge(&self, from: &ReleaseId, to: &ReleaseId) -> String {
        let canary = self.releases.get(to).and_then(|release| release.spec.canary.as_ref());
        let Some(canary) = canary else { return format!("watches {}", to.version()) };
        let by = match &canary.judge {
            Judge::Compare(_) => format!("compares its errors and latency with those of {}", from.version()),
            Judge::Prometheus(prometheus) => format!("asks Prometheus at {}", prometheus.url),
        };
        format!("{by} for {} and {} requests", canary.hold, canary.requests)
    }

    fn switch(&self, from: Option<&ReleaseId>, to: &ReleaseId) -> String {
        let url = self.releases.get(to).and_then(|r| r.spec.route.as_ref()).map(crate::Route::url);
        match (url, from) {
            (Some(url), Some(_)) => format!("sends the requests for {url} to {}", to.version()),
            (Some(url), None) => format!("serves {} at {url}", to.version()),
            (None, _) => format!("makes {} the active release", to.version()),
        }
    }
}

fn awaited(release: &Release) -> String {
    let Health { path, status, stable, start_period, .. } = &release.spec.health;
    match (release.spec.kind, path) {
        (Kind::Worker, _) => format!("waits until it has stayed up for {stable}"),
        (_, Some(path)) if status.0 == status.1 => {
            format!("waits until {path} answers {}, at most {start_period}", status.0)
        }
        (_, Some(path)) => {
            format!("waits until {path} answers {} to {}, at most {start_period}", status.0, status.1)
        }
        (_, None) => format!("waits until its port accepts, at most {start_period}"),
    }
}
