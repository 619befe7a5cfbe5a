//! What a plan will do, before it is done.

use std::io::{self, Write};

use landfall_model::{Change, ChangeKind, Pause, Plan, PlanKind, ServicePlan, Step};

use crate::amount::{count, list};
use crate::line::Line;
use crate::manner::{https, manner};
use crate::page::{Align, Page, Row};
use crate::project;
use crate::steps::{self, Row as StepRow};
use crate::style::{Ink, Style};
use crate::words;

/// Shows what a plan will do: the services, why each changes and what its users will notice, then the steps. A plan with
/// nothing to do is one line for each service that runs.
///
/// # Errors
/// Any of the writer's.
pub fn plan(out: &mut dyn Write, plan: &Plan, style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    if plan.is_empty() {
        nothing(&mut page, plan);
        return page.write(out);
    }
    let verb = match plan.kind {
        PlanKind::Deploy => format!("Deploy {} to {}", plan.app, plan.environment),
        PlanKind::Rollback => format!("Roll {} back in {}", plan.app, plan.environment),
        PlanKind::Down => format!("Take {} down in {}", plan.app, plan.environment),
    };
    let hash = plan.hash.map(|hash| format!(", plan {}", hash.short())).unwrap_or_default();
    let steps = count(plan.steps.len(), "step");
    page.line(Line::of(Ink::Strong, verb).with(Ink::Faint, format!("  {steps}{hash}")));
    page.blank();
    for service in plan.services.iter().filter(|service| service.change != Change::Unchanged) {
        changed(&mut page, plan, service);
    }
    let unchanged: Vec<&str> = plan
        .services
        .iter()
        .filter(|service| service.change == Change::Unchanged)
        .map(|service| service.service.as_str())
        .collect();
    if !unchanged.is_empty() {
        let text = format!("unchanged: {}", list(&unchanged));
        page.flow(Line::of(Ink::Faint, "= "), 2, Line::of(Ink::Faint, text));
    }
    page.blank();
    steps_table(&mut page, plan);
    page.write(out)
}

fn nothing(page: &mut Page<'_>, plan: &Plan) {
    let tick = page.sign("✓", "ok");
    if plan.services.is_empty() {
        return page.line(Line::from("nothing to do: there are no services."));
    }
    if let [only] = plan.services.as_slice() {
        let mut line = Line::of(Ink::Good, tick).and(" nothing changed: ").and(only.service.as_str());
        match &only.url {
            Some(url) => line = line.and(" serves at ").with(Ink::Link, url),
            None => line.push(Ink::Plain, " runs as it should"),
        }
        let version = Line::from(format!(", {}", words::version(only.to.as_ref())));
        if line.width() + version.width() <= page.columns() {
            line.append(version);
        }
        return page.flow(Line::new(), 0, line);
    }
    let serving = count(plan.services.len(), "service");
    let urls: Vec<&str> = plan.services.iter().filter_map(|service| service.url.as_deref()).collect();
    let mut line = Line::of(Ink::Good, tick).and(format!(" nothing changed: {serving} run as they should"));
    for (index, url) in urls.iter().enumerate() {
        line.push(Ink::Plain, if index == 0 { ": " } else { ", " });
        line.push(Ink::Link, url);
    }
    page.flow(Line::new(), 0, line);
}

fn changed(page: &mut Page<'_>, plan: &Plan, service: &ServicePlan) {
    let spec = service.to.as_ref().and_then(|to| plan.releases.get(to)).map(|release| &release.spec);
    let arrow = page.sign(" → ", " -> ");
    let to = words::version(service.to.as_ref());
    let (ink, mark, what) = match &service.change {
        Change::Create => (Ink::Good, "+ ", format!("  new, {to}")),
        Change::Update { .. } => {
            (Ink::Warn, "~ ", format!("  {}{arrow}{to}", words::version(service.from.as_ref())))
        }
        Change::Remove => {
            (Ink::Bad, "- ", format!("  taken away, was {}", words::version(service.from.as_ref())))
        }
        Change::Unchanged => (Ink::Faint, "= ", "  unchanged".to_owned()),
    };
    let name = Ink::service(service.service.as_str());
    page.flow(Line::of(ink, mark), 2, Line::of(name, service.service.as_str()).and(what));
    let mut fact = |label: &str, value: Line| {
        page.flow(Line::of(Ink::Faint, format!("    {label}")), 14, value);
    };
    if let Change::Update { reasons } = &service.change {
        let reasons: Vec<String> = reasons.iter().map(reason).collect();
        fact("because", Line::from(reasons.join("; ")));
    }
    let noticed = match service.forecast.pause {
        Pause::None => Ink::Good,
        Pause::Held => Ink::Warn,
        // What is new has nobody yet who could miss it.
        Pause::Down if service.from.is_none() => Ink::Plain,
        Pause::Down => Ink::Bad,
    };
    fact("pause", Line::of(noticed, service.forecast.sentence()));
    if service.to.is_some() {
        fact("strategy", Line::from(manner(service.strategy, spec)));
    }
    if let Some(url) = &service.url {
        fact("address", Line::of(Ink::Link, url));
    }
    if let Some(https) = spec.and_then(|spec| spec.route.as_ref()).and_then(https) {
        fact("https", Line::from(https));
    }
    for (index, note) in service.notes.iter().enumerate() {
        fact(if index == 0 { "note" } else { "" }, Line::from(note));
    }
}

fn reason(reason: &ChangeKind) -> String {
    match reason {
        ChangeKind::Artifact => "its files changed".to_owned(),
        ChangeKind::Config { keys } => format!("{} changed", list(keys)),
        ChangeKind::Secrets { names } if names.len() == 1 => format!("secret {} changed", list(names)),
        ChangeKind::Secrets { names } => format!("secrets {} changed", list(names)),
        ChangeKind::Drift { what } => what.clone(),
        ChangeKind::Rollback => "an earlier release was asked for".to_owned(),
    }
}

fn steps_table(page: &mut Page<'_>, plan: &Plan) {
    let row = |row: StepRow<'_>| {
        let numbers =
            if row.first == row.last { row.first.to_string() } else { format!("{}-{}", row.first, row.last) };
        Row::new([
            Line::of(Ink::Faint, numbers),
            Line::of(Ink::service(row.service), row.service),
            Line::from(row.verb),
            Line::of(Ink::Faint, row.title),
        ])
    };
    let rows = steps::rows(plan, |step| title(step, plan)).into_iter().map(row).collect();
    page.table(2, &[Align::Right, Align::Left, Align::Left, Align::Flexible], rows);
}

/// What a step will do, as it can be said before anything is known of the place.
fn title(step: &Step, plan: &Plan) -> String {
    let spec = |release| plan.releases.get(release).map(|release| &release.spec);
    let own = match step {
        Step::Stop { release } => spec(release),
        _ => plan.releases.values().find(|release| release.service() == step.service()).map(|it| &it.spec),
    };
    if let Some(title) = own.and_then(|spec| project::title(step, spec)) {
        return title;
    }
    match step {
        Step::Prepare { release } => {
            let files = plan.releases.get(release).map(|release| release.artifact.short());
            let build = spec(release).and_then(|spec| spec.build.as_ref());
            let build = build.map(|command| format!(", runs `{command}`")).unwrap_or_default();
            format!("lays out {}, prepares dependencies{build}", files.as_deref().unwrap_or("its files"))
        }
        Step::Test { release } => {
            let tests = spec(release).map(|spec| spec.test.as_slice()).unwrap_or_default();
            let tests: Vec<String> = tests.iter().map(|command| format!("`{command}`")).collect();
            format!("runs {} in a throwaway copy", list(&tests))
        }
        Step::Hold { .. } => "holds new requests, waits for those under way".to_owned(),
        Step::Stop { .. } => "stops the old instances".to_owned(),
        Step::Start { release, upto } => {
            let replicas = spec(release).map_or(1, |spec| spec.replicas as usize);
            match upto {
                Some(upto) => format!("starts the first {upto} of {}", count(replicas, "instance")),
                None => format!("starts {}", count(replicas, "instance")),
            }
        }
        Step::AwaitHealthy { release, .. } => {
            let health = spec(release).map(|spec| &spec.health);
            let limit = health.map(|health| format!("at most {} ", health.start_period)).unwrap_or_default();
            let path = health.and_then(|health| health.path.as_deref());
            let what = path.map_or_else(String::new, |path| format!(": GET {path}"));
            format!("waits {limit}until healthy{what}")
        }
        Step::Roll { old, new, .. } => format!("sends requests to {new} new and {old} old instances"),
        Step::Shrink { left, .. } => {
            format!("keeps {left} of the old instances, drains and stops the others in the background")
        }
        Step::Shift { percent, .. } => format!("sends {percent} % of the requests to the new release"),
        Step::Judge { to, .. } => {
            let canary = spec(to).and_then(|spec| spec.canary.as_ref());
            let hold = canary.map(|canary| format!(" for at least {}", canary.hold)).unwrap_or_default();
            format!("watches{hold} whether it does worse than the old one")
        }
        Step::Switch { .. } => "sends all requests over at once".to_owned(),
        Step::ReadBack { .. } => "reads back what runs and who gets the traffic".to_owned(),
        Step::Unroute { .. } => "takes the route away".to_owned(),
        Step::Retire { warm, .. } if warm.is_zero() => {
            "drains and stops the old instances in the background".to_owned()
        }
        Step::Retire { warm, .. } => {
            format!("keeps the old instances warm for {warm}, then drains and stops them")
        }
        Step::Prune { keep, .. } => format!("keeps the newest {}", count(*keep as usize, "old release")),
        Step::Remove { volumes: true, .. } => "removes its releases and its volumes".to_owned(),
        Step::Remove { volumes: false, .. } => "removes its releases, keeps its volumes".to_owned(),
    }
}
