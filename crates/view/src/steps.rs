//! The steps of a plan as rows: those that belong together, a batch of a `rolling` and a step of a canary, are one.

use landfall_model::{Canary, Plan, Release, ReleaseId, Step};

use crate::amount::grouped;

/// Rows of batches that are shown of one service: the first ones and the last one.
const BATCHES: usize = 5;

/// One row: which steps it stands for (from 1), its word, and what is done; no word where rows are left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) service: &'a str,
    pub(crate) verb: &'static str,
    pub(crate) title: String,
}

/// The rows of a plan; `title` says what a step that stands alone will do.
pub(crate) fn rows<'a>(plan: &'a Plan, title: impl Fn(&Step) -> String) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut at = 0;
    while let Some(step) = plan.steps.get(at) {
        let rest = plan.steps.get(at..).unwrap_or_default();
        let (taken, verb, title) =
            batch(rest, plan).or_else(|| share(rest, plan)).unwrap_or_else(|| (1, step.verb(), title(step)));
        rows.push(Row { first: at + 1, last: at + taken, service: step.service().as_str(), verb, title });
        at += taken;
    }
    shortened(rows)
}

/// One batch: starts some, waits for them, gives them requests, and may let some of the old ones go.
fn batch(steps: &[Step], plan: &Plan) -> Option<(usize, &'static str, String)> {
    let service = steps.first()?.service();
    let own: Vec<&Step> = steps.iter().take_while(|step| step.service() == service).take(4).collect();
    let started = own
        .iter()
        .take_while(|step| {
            matches!(step, Step::Start { upto: Some(_), .. } | Step::AwaitHealthy { upto: Some(_), .. })
        })
        .count();
    let Some(Step::Roll { to, old, new, .. }) = own.get(started) else { return None };
    let taken = started + 1 + usize::from(matches!(own.get(started + 1), Some(Step::Shrink { .. })));
    let all = plan.releases.get(to).map_or(*new, |release| release.spec.replicas);
    let start = if started > 0 { format!("starts up to {new} of {all}, ") } else { String::new() };
    Some((taken, "batch", format!("{start}{new} new and {old} old get the requests")))
}

/// One step of a canary: a share of the requests, and the watch over it.
fn share(steps: &[Step], plan: &Plan) -> Option<(usize, &'static str, String)> {
    let (Step::Shift { percent, .. }, Some(Step::Judge { to, percent: watched, .. })) =
        (steps.first()?, steps.get(1))
    else {
        return None;
    };
    if percent != watched {
        return None;
    }
    let watch = canary(plan, to).map(|canary| {
        let requests = grouped(u64::from(canary.requests));
        format!(", watched for at least {} and {requests} of them", canary.hold)
    });
    Some((2, "canary", format!("{percent} % of the requests{}", watch.unwrap_or_default())))
}

fn canary<'a>(plan: &'a Plan, release: &ReleaseId) -> Option<&'a Canary> {
    plan.releases.get(release).and_then(|release: &Release| release.spec.canary.as_ref())
}

/// Leaves out batches in the middle where there are many.
fn shortened(rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    let mut short: Vec<Row<'_>> = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while let Some(row) = rows.next() {
        if row.verb != "batch" {
            short.push(row);
            continue;
        }
        let service = row.service;
        let mut batches = vec![row];
        while let Some(next) = rows.next_if(|next| next.verb == "batch" && next.service == service) {
            batches.push(next);
        }
        if batches.len() <= BATCHES {
            short.extend(batches);
            continue;
        }
        let last = batches.pop();
        let middle = batches.split_off(BATCHES - 2);
        short.extend(batches);
        if let (Some(from), Some(to)) = (middle.first(), middle.last()) {
            let title = format!("{} more batches like these", grouped(middle.len() as u64));
            short.push(Row { first: from.first, last: to.last, service, verb: "batch", title });
        }
        short.extend(last);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(version: &str) -> ReleaseId {
        ReleaseId::new("web".parse().unwrap(), version.parse().unwrap())
    }

    fn plan(steps: Vec<Step>) -> Plan {
        let version = "1.0.1-20261120131502".parse().unwrap();
        Plan {
            format: 1,
            kind: landfall_model::PlanKind::Deploy,
            app: "shop".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            version,
            generation: 0,
            services: Vec::new(),
            releases: std::collections::BTreeMap::new(),
            steps,
            hash: None,
        }
    }

    fn shown(steps: Vec<Step>) -> Vec<String> {
        let plan = plan(steps);
        let rows = rows(&plan, |step| step.verb().to_owned());
        rows.into_iter()
            .map(|row| format!("{}-{} {}: {}", row.first, row.last, row.verb, row.title))
            .collect()
    }

    fn batches(count: u32) -> Vec<Step> {
        let (from, to) = (id("1.0.0-20261119131502"), id("1.0.1-20261120131502"));
        let batch = |at: u32| {
            let (release, upto) = (to.clone(), Some(at));
            vec![
                Step::Start { release: release.clone(), upto },
                Step::AwaitHealthy { release, upto },
                Step::Roll { from: from.clone(), to: to.clone(), old: count - at, new: at },
                Step::Shrink { release: from.clone(), left: count - at },
            ]
        };
        let mut steps: Vec<Step> = vec![Step::Prepare { release: to.clone() }];
        steps.extend((1..count).flat_map(batch));
        steps.push(Step::Start { release: to.clone(), upto: None });
        steps.push(Step::Switch { from: Some(from), to });
        steps
    }

    #[test]
    fn a_batch_is_a_row_and_many_are_a_few() {
        assert_eq!(
            shown(batches(3)),
            [
                "1-1 prepare: prepare",
                "2-5 batch: starts up to 1 of 1, 1 new and 2 old get the requests",
                "6-9 batch: starts up to 2 of 2, 2 new and 1 old get the requests",
                "10-10 start: start",
                "11-11 switch: switch",
            ]
        );
        let many = shown(batches(20));
        assert_eq!(many.len(), 1 + BATCHES + 2);
        assert_eq!(many[4], "14-73 batch: 15 more batches like these");
        assert!(many[5].starts_with("74-77 batch: "), "{many:?}");
        assert_eq!(many[7], "79-79 switch: switch");
    }

    #[test]
    fn a_step_of_a_canary_is_a_row() {
        let (from, to) = (id("1.0.0-20261119131502"), id("1.0.1-20261120131502"));
        let step = |percent| {
            [
                Step::Shift { from: from.clone(), to: to.clone(), percent },
                Step::Judge { from: from.clone(), to: to.clone(), percent },
            ]
        };
        let steps: Vec<Step> = [5, 50].into_iter().flat_map(step).collect();
        assert_eq!(shown(steps), ["1-2 canary: 5 % of the requests", "3-4 canary: 50 % of the requests"]);
        let alone = Step::Judge { from: from.clone(), to: to.clone(), percent: 5 };
        assert_eq!(shown(vec![alone]), ["1-1 judge: judge"]);
    }
}
