//! The order of a deploy: a service stands behind those that it refers to, else the manifest's order holds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use landfall_model::SourceSpan;

use crate::references::Texts;
use crate::report::{Problem, Report};
use crate::service::Draft;

/// Cycles that are reported, at most.
const MAX_CYCLES: usize = 20;

/// The drafts' numbers in order; `None` when there is a cycle, which is reported.
pub(crate) fn sort(drafts: &[Draft], texts: &[Texts], report: &mut Report) -> Option<Vec<usize>> {
    let index: BTreeMap<&str, usize> =
        drafts.iter().enumerate().map(|(index, draft)| (draft.name.as_str(), index)).collect();
    let edges: Vec<Vec<(usize, SourceSpan)>> = texts
        .iter()
        .map(|texts| {
            texts.after.iter().filter_map(|(name, at)| Some((*index.get(name.as_str())?, *at))).collect()
        })
        .collect();

    let mut out = vec![false; drafts.len()];
    let mut found = 0;
    let order = loop {
        let order = walk(&edges, &out);
        let Some(cycle) = cycle(&edges, &order, &out).filter(|_| found < MAX_CYCLES) else { break order };
        found += 1;
        cycle.iter().for_each(|(index, _)| out[*index] = true);
        report.add(describe(&cycle, drafts));
    };
    (order.len() == drafts.len()).then_some(order)
}

/// The services that need not wait for ever, in order; those that are `out` are left out, and nobody waits for them.
fn walk(edges: &[Vec<(usize, SourceSpan)>], out: &[bool]) -> Vec<usize> {
    let mut waiting: Vec<usize> =
        edges.iter().map(|edges| edges.iter().filter(|(to, _)| !out[*to]).count()).collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (from, edges) in edges.iter().enumerate() {
        edges.iter().filter(|(to, _)| !out[*to]).for_each(|(to, _)| behind[*to].push(from));
    }
    let free = (0..edges.len()).filter(|index| waiting[*index] == 0 && !out[*index]);
    let mut ready: BinaryHeap<Reverse<usize>> = free.map(Reverse).collect();
    let mut order = Vec::with_capacity(edges.len());
    while let Some(Reverse(next)) = ready.pop() {
        order.push(next);
        for other in &behind[next] {
            waiting[*other] -= 1;
            if waiting[*other] == 0 && !out[*other] {
                ready.push(Reverse(*other));
            }
        }
    }
    order
}

/// A cycle among those that are neither in the order nor out: its services, each with the reference to the next.
fn cycle(
    edges: &[Vec<(usize, SourceSpan)>],
    order: &[usize],
    out: &[bool],
) -> Option<Vec<(usize, SourceSpan)>> {
    let mut stuck: Vec<bool> = out.iter().map(|out| !out).collect();
    order.iter().for_each(|index| stuck[*index] = false);
    let mut at = stuck.iter().position(|stuck| *stuck)?;
    let mut met: Vec<Option<usize>> = vec![None; edges.len()];
    let mut path: Vec<(usize, SourceSpan)> = Vec::new();
    // Whoever is stuck refers to one that is stuck, so this comes back to where it has been.
    while met[at].is_none() {
        let (next, span) = *edges[at].iter().find(|(to, _)| stuck[*to])?;
        met[at] = Some(path.len());
        path.push((at, span));
        at = next;
    }
    met[at].map(|first| path.split_off(first))
}

fn describe(cycle: &[(usize, SourceSpan)], drafts: &[Draft]) -> Problem {
    let name = |index: usize| format!("`{}`", drafts[index].name);
    let mut names: Vec<String> = cycle.iter().map(|(index, _)| name(*index)).collect();
    names.extend(names.first().cloned());
    let problem = Problem::error(format!("services wait for each other: {}", names.join(" → ")));
    let nexts = cycle.iter().cycle().skip(1);
    let problem = cycle.iter().zip(nexts).fold(problem, |problem, ((from, at), (to, _))| {
        problem.at(*at, format!("{} needs {} first", name(*from), name(*to)))
    });
    problem.help("give one of the addresses as a plain text; it does not change between deploys")
}
