//! The order of a deploy: a service stands behind those that it refers to, else the manifest's order holds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use landfall_model::SourceSpan;

use crate::references::Texts;
use crate::report::{Problem, Report};
use crate::service::Draft;

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

    let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); drafts.len()];
    for (from, edges) in edges.iter().enumerate() {
        edges.iter().for_each(|(to, _)| behind[*to].push(from));
    }
    let free = (0..drafts.len()).filter(|index| waiting[*index] == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = free.map(Reverse).collect();
    let mut order = Vec::with_capacity(drafts.len());
    while let Some(Reverse(next)) = ready.pop() {
        order.push(next);
        for other in &behind[next] {
            waiting[*other] -= 1;
            if waiting[*other] == 0 {
                ready.push(Reverse(*other));
            }
        }
    }
    if order.len() == drafts.len() {
        return Some(order);
    }
    cycles(&edges, &waiting).iter().for_each(|cycle| report.add(describe(cycle, drafts)));
    None
}

/// Cycles that have no service in common, each as its services with the reference to the next.
fn cycles(edges: &[Vec<(usize, SourceSpan)>], waiting: &[usize]) -> Vec<Vec<(usize, SourceSpan)>> {
    let mut seen = vec![false; edges.len()];
    let mut cycles = Vec::new();
    for start in (0..edges.len()).filter(|index| waiting[*index] > 0) {
        let mut path: Vec<(usize, SourceSpan)> = Vec::new();
        let mut at = start;
        while !seen[at] {
            seen[at] = true;
            // Whoever still waits refers to one that still waits.
            let Some(&(next, span)) = edges[at].iter().find(|(to, _)| waiting[*to] > 0) else { break };
            path.push((at, span));
            at = next;
        }
        if let Some(first) = path.iter().position(|(index, _)| *index == at) {
            cycles.push(path.split_off(first));
        }
    }
    cycles
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
