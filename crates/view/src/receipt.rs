//! Receipts: the proof after the fact, in a few lines or in full.

use std::collections::BTreeSet;
use std::io::{self, Write};

use landfall_model::{Digest, Outcome, PlanKind, Receipt, Requests};

use crate::amount::{bytes, count, grouped, latency, length};
use crate::line::Line;
use crate::page::{Align, Page, Row};
use crate::style::{Ink, Style};
use crate::words;

/// Shows receipts in full: the proof, each instance, each step with its time, and what was applied.
///
/// # Errors
/// Any of the writer's.
pub fn receipt(out: &mut dyn Write, receipts: &[Receipt], style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    if receipts.is_empty() {
        page.line(Line::from("There is no receipt yet: `landfall deploy` makes one."));
    }
    for (index, receipt) in receipts.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        full(&mut page, receipt);
    }
    page.write(out)
}

fn full(page: &mut Page<'_>, receipt: &Receipt) {
    let (ink, outcome) = words::outcome(Some(receipt.outcome));
    let title = format!("{} {} to {}: ", words::kind(receipt.kind), receipt.transaction, receipt.environment);
    page.line(Line::of(Ink::Strong, title).with(ink, outcome).with(Ink::Faint, format!("  {}", receipt.at)));
    page.blank();
    summary(page, receipt);
    if !receipt.instances.is_empty() {
        page.blank();
        let rows = receipt.instances.iter().map(|instance| {
            let same = instance.is_right(&receipt.artifact_digest);
            let digest = if same { Ink::Good } else { Ink::Bad };
            let (ink, health) =
                if instance.healthy { (Ink::Good, "healthy") } else { (Ink::Bad, "unhealthy") };
            Row::new([
                Line::from(instance.container.as_deref().unwrap_or(instance.id.as_str())),
                Line::of(ink, health),
                Line::from(&instance.host),
                Line::from(instance.pid.map(|pid| format!("pid {pid}")).unwrap_or_default()),
                Line::of(digest, format!("runs {}", instance.digest.short())),
            ])
        });
        let aligns = [Align::Left, Align::Left, Align::Flexible, Align::Left, Align::Left];
        page.table(4, &aligns, rows.collect());
    }
    page.blank();
    let rows = receipt
        .steps
        .iter()
        .map(|step| Row::new([Line::from(&step.name), Line::of(Ink::Faint, length(step.ms))]));
    let total =
        Row::new([Line::of(Ink::Strong, "in all"), Line::of(Ink::Strong, length(receipt.duration_ms))]);
    page.table(4, &[Align::Flexible, Align::Right], rows.chain([total]).collect());
    page.blank();
    for (label, value) in [
        ("artifact", receipt.artifact_digest.to_string()),
        ("plan", receipt.plan_hash.to_string()),
        ("shipped", bytes(receipt.bytes_shipped)),
    ] {
        page.whole(Line::of(Ink::Faint, format!("    {label:<8}  ")).and(value));
    }
}

/// The service, where it is served, its version, and the proof in one or two lines.
pub(crate) fn summary(page: &mut Page<'_>, receipt: &Receipt) {
    let service = receipt.service.as_str();
    let indent = 4;
    let name = Line::from("  ").with(Ink::service(service), service).and("  ");
    let serves =
        matches!(receipt.outcome, Outcome::Done | Outcome::Unchanged) && receipt.kind != PlanKind::Down;
    match &receipt.url {
        Some(url) if serves => {
            page.flow(name, 0, Line::of(Ink::Link, url));
            page.flow(Line::new(), indent, versions(receipt));
        }
        _ => page.flow(name, 0, versions(receipt)),
    }
    for (ink, line) in proof(receipt) {
        let mark = match ink {
            Ink::Good => page.sign("✓", "ok"),
            Ink::Bad => page.sign("✗", "no"),
            _ => page.sign("·", "-"),
        };
        let first = Line::from(" ".repeat(indent)).with(ink, mark).and(" ");
        page.flow(first, 0, Line::from(line));
    }
}

fn versions(receipt: &Receipt) -> Line {
    let previous = receipt.previous_version.as_ref();
    match (receipt.outcome, receipt.kind) {
        (Outcome::Done | Outcome::Unchanged, PlanKind::Down) => {
            Line::from(format!("is taken down, was {}", receipt.version))
        }
        (Outcome::Done | Outcome::Unchanged, PlanKind::Deploy | PlanKind::Rollback) => {
            let was = match previous {
                Some(previous) if *previous != receipt.version => format!("  was {previous}"),
                Some(_) => String::new(),
                None => "  new".to_owned(),
            };
            Line::of(Ink::Strong, receipt.version.to_string()).with(Ink::Faint, was)
        }
        (Outcome::RolledBack | Outcome::Interrupted | Outcome::NeedsPerson, _) => {
            Line::of(Ink::Strong, receipt.version.to_string()).with(Ink::Bad, " does not serve")
        }
    }
}

/// What was read back and what users noticed; good, bad or neither.
fn proof(receipt: &Receipt) -> Vec<(Ink, String)> {
    let mut lines = Vec::new();
    match receipt.outcome {
        Outcome::Done | Outcome::Unchanged if receipt.kind != PlanKind::Down => {
            lines.push(read_back(receipt));
        }
        Outcome::RolledBack => lines.push(still_serving(receipt)),
        Outcome::Done | Outcome::Unchanged | Outcome::Interrupted | Outcome::NeedsPerson => {}
    }
    if receipt.url.is_some() {
        lines.push(noticed(receipt));
    }
    // What made it go back is told with the fault.
    let judged = receipt.judged.iter().filter(|_| matches!(receipt.outcome, Outcome::Done));
    lines.extend(judged.map(|found| (Ink::Faint, format!("canary: {found}"))));
    lines
}

/// "2 instances run blake3:3f2a1c9b0d12, read back from the host; 100 % of traffic; GET / answered 200".
fn read_back(receipt: &Receipt) -> (Ink, String) {
    let images: BTreeSet<&Digest> = receipt.instances.iter().filter_map(|i| i.wanted.as_ref()).collect();
    let digest = match images.len() {
        0 => short_digest(&receipt.artifact_digest),
        1 => images.into_iter().map(short_digest).collect(),
        count => format!("{count} images by their digests"),
    };
    let all = receipt.instances.len();
    let right =
        receipt.instances.iter().filter(|instance| instance.is_right(&receipt.artifact_digest)).count();
    let healthy = receipt.instances.iter().filter(|instance| instance.healthy).count();
    let mut good = right == all && healthy == all;
    let verb = if all == 1 { "runs" } else { "run" };
    let mut text = if all == 0 {
        format!("the files that are served are {digest}")
    } else if right == all {
        format!("{} {verb} {digest}, read back from the host", count(all, "instance"))
    } else {
        format!("only {right} of {} {verb} {digest}", count(all, "instance"))
    };
    if healthy < all {
        text.push_str(&format!("; {} not healthy", all - healthy));
    }
    if receipt.url.is_some() {
        let share = receipt.traffic.get(&receipt.version.to_string()).copied().unwrap_or(0);
        good &= share == 100;
        text.push_str(&format!("; {share} % of traffic"));
    }
    if let Some(served) = &receipt.served {
        good &= served.version == receipt.version.to_string();
        text.push_str(&format!("; GET {} answered {}", served.path, served.status));
    }
    (if good { Ink::Good } else { Ink::Bad }, text)
}

/// Which release users get after a deploy that failed.
fn still_serving(receipt: &Receipt) -> (Ink, String) {
    let Some(previous) = &receipt.previous_version else {
        return (Ink::Plain, "nothing served before it, and nothing serves now".to_owned());
    };
    if receipt.url.is_none() {
        return (Ink::Good, format!("{previous} still runs"));
    }
    match receipt.traffic.get(&previous.to_string()) {
        Some(share) => {
            (Ink::Good, format!("{previous} still serves: {share} % of traffic, read back from the proxy"))
        }
        None => (
            Ink::Bad,
            format!("{previous} should serve, but the proxy sends it no traffic: see `landfall status`"),
        ),
    }
}

/// "412 requests served, 0 failed, 12 held, p99 14 ms; longest pause 0.6 s (forecast 0.9 s)".
fn noticed(receipt: &Receipt) -> (Ink, String) {
    let downtime = &receipt.downtime;
    let pause = match (downtime.measured_ms, downtime.forecast_ms) {
        (0, 0) => "no pause".to_owned(),
        (0, forecast) => format!("no pause (forecast {})", length(forecast)),
        (measured, 0) => format!("longest pause {} (forecast none)", length(measured)),
        (measured, forecast) => format!("longest pause {} (forecast {})", length(measured), length(forecast)),
    };
    let ink = if receipt.requests.failed == 0 { Ink::Good } else { Ink::Bad };
    (ink, format!("{}; {pause}", requests(&receipt.requests)))
}

/// "412 requests served, 0 failed, 12 held, p99 14 ms".
pub(crate) fn requests(requests: &Requests) -> String {
    if *requests == Requests::default() {
        return "no requests came in".to_owned();
    }
    let served = usize::try_from(requests.served).unwrap_or(usize::MAX);
    let held = if requests.held > 0 { format!(", {} held", grouped(requests.held)) } else { String::new() };
    let p99 = requests.p99_ms.map(|ms| format!(", p99 {}", latency(ms))).unwrap_or_default();
    format!("{} served, {} failed{held}{p99}", count(served, "request"), grouped(requests.failed))
}

/// `blake3:3f2a1c9b0d12`.
fn short_digest(digest: &Digest) -> String {
    let text = digest.to_string();
    let algorithm = text.split(':').next().unwrap_or_default();
    format!("{algorithm}:{}", digest.short())
}
