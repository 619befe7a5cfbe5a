//! What takes what: each application's things, what is the host's, the engine's, and what is not ours.

use std::collections::BTreeMap;
use std::io::{self, Write};

use landfall_model::api::{DiskEntry, DiskKind, DiskView, Filesystem, Holds, Pruned, VolumeId, Whose};

use crate::amount::{bytes, count, list, share};
use crate::line::Line;
use crate::page::{Align, Page, Row};
use crate::style::{Ink, Style};

/// The columns: what, how many or which, how much, what else.
const COLUMNS: [Align; 4] = [Align::Left, Align::Left, Align::Right, Align::Flexible];

/// Less than one part in so many is little to be free.
const SCARCE: u64 = 10;

/// Shows what takes what. `only` is the application and environment that is shown in detail; all for `None`.
///
/// # Errors
/// Any of the writer's.
pub fn disk(
    out: &mut dyn Write,
    view: &DiskView,
    only: Option<(&str, &str)>,
    style: &Style,
) -> io::Result<()> {
    let mut page = Page::new(style);
    let ours = view.bytes(|entry| entry.whose == Whose::Ours);
    for filesystem in &view.filesystems {
        page.flow(Line::new(), 0, room(filesystem, ours));
    }
    for ((app, environment), entries) in places(view) {
        if only.is_some_and(|only| only != (app, environment)) {
            continue;
        }
        page.blank();
        page.line(Line::of(Ink::Strong, app).and(" in ").with(Ink::Strong, environment));
        page.table(2, &COLUMNS, services(&entries));
    }
    let host: Vec<&DiskEntry> = view
        .entries
        .iter()
        .filter(|entry| entry.environment.is_none() && entry.whose == Whose::Ours)
        .collect();
    group(&mut page, "Landfall on this host", host.iter().map(|entry| lone(entry)).collect());
    let both = view.entries.iter().filter(|entry| entry.whose == Whose::Both);
    let mut engine: Vec<Row> = both.map(lone).collect();
    engine.extend(others(view));
    group(&mut page, "Docker engine", engine);
    if let Some(why) = &view.engine {
        page.blank();
        page.flow(
            Line::of(Ink::Warn, "The Docker engine's things are missing: "),
            2,
            Line::from(why.as_str()),
        );
    }
    // The machine's caches are in every place, volumes in their own.
    let of = only.map(|(_, environment)| environment).filter(|environment| *environment != "dev");
    let of = of.map(|environment| format!("{environment} ")).unwrap_or_default();
    let volumes = idle_volumes(view, only);
    let idle =
        view.bytes(|entry| !entry.needed && entry.whose == Whose::Ours && entry.kind != DiskKind::Volume);
    if idle > 0 || !volumes.is_empty() {
        page.blank();
    }
    if idle > 0 {
        page.line(
            Line::from(format!("Nothing needs {} of it: ", bytes(idle)))
                .with(Ink::Link, "landfall disk --prune"),
        );
    }
    if !volumes.is_empty() {
        let all = volumes.iter().map(|entry| entry.bytes).sum();
        let what = count(volumes.len(), "volume");
        page.line(
            Line::from(format!("No release needs {what}, {}: ", bytes(all)))
                .with(Ink::Link, format!("landfall disk {of}--prune --volumes")),
        );
    }
    page.write(out)
}

/// The volumes of ours that no release needs, in the one place or in all.
#[must_use]
pub fn idle_volumes<'v>(view: &'v DiskView, only: Option<(&str, &str)>) -> Vec<&'v DiskEntry> {
    let there = |id: &VolumeId| only.is_none_or(|only| only == (id.app.as_str(), id.environment.as_str()));
    let mut idle: Vec<_> = view.entries.iter().collect();
    idle.retain(|entry| entry.idle_volume().as_ref().is_some_and(there));
    idle
}

/// Shows volumes that no release needs, for somebody who is to decide about them.
///
/// # Errors
/// Any of the writer's.
pub fn idle(out: &mut dyn Write, volumes: &[&DiskEntry], style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    let rows = volumes.iter().filter_map(|entry| {
        let id = entry.idle_volume()?;
        Some(Row::new([
            Line::of(Ink::Strong, &id.name),
            Line::from(format!("of {} ({} in {})", id.service, id.app, id.environment)),
            amount(&[entry]),
            remark(&[entry]),
        ]))
    });
    page.table(0, &COLUMNS, rows.collect());
    page.write(out)
}

/// Shows what was taken away.
///
/// # Errors
/// Any of the writer's.
pub fn pruned(out: &mut dyn Write, pruned: &Pruned, style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    for name in &pruned.removed {
        page.line(Line::of(Ink::Faint, "removed ").and(name));
    }
    page.line(match (pruned.removed.len(), pruned.bytes) {
        (0, 0) => Line::from("Everything of Landfall's is needed: nothing was removed."),
        (_, freed) => Line::from(format!("{} became free.", bytes(freed))),
    });
    page.write(out)
}

/// The entries of each application and environment.
fn places(view: &DiskView) -> BTreeMap<(&str, &str), Vec<&DiskEntry>> {
    let mut places: BTreeMap<(&str, &str), Vec<&DiskEntry>> = BTreeMap::new();
    for entry in &view.entries {
        if let (Some(app), Some(environment)) = (&entry.app, &entry.environment) {
            places.entry((app.as_str(), environment.as_str())).or_default().push(entry);
        }
    }
    places
}

/// The rows of one place: by service, then by kind; volumes one by one.
fn services(entries: &[&DiskEntry]) -> Vec<Row> {
    let mut kinds: BTreeMap<(&str, DiskKind, &str), Vec<&DiskEntry>> = BTreeMap::new();
    for entry in entries {
        let service = entry.service.as_ref().map_or("", |service| service.as_str());
        let apart = if entry.kind == DiskKind::Volume { entry.name.as_str() } else { "" };
        kinds.entry((service, entry.kind, apart)).or_default().push(entry);
    }
    let mut last = None;
    let rows = kinds.into_iter().map(|((service, kind, _), entries)| {
        let first = last.replace(service) != Some(service);
        let name = if first { Line::of(Ink::service(service), service) } else { Line::new() };
        Row::new([name, Line::from(what(kind, &entries)), amount(&entries), remark(&entries)])
    });
    rows.collect()
}

/// `3 images`, `volume data`, `logs`.
fn what(kind: DiskKind, entries: &[&DiskEntry]) -> String {
    match kind {
        DiskKind::Release => count(entries.len(), "release"),
        DiskKind::Image => count(entries.len(), "image"),
        DiskKind::Container => format!("written by {}", count(entries.len(), "container")),
        DiskKind::Volume => format!("volume {}", entries.first().map_or("", |entry| entry.name.as_str())),
        DiskKind::Log => "logs".to_owned(),
        DiskKind::Store => match entries.first() {
            Some(entry) if !entry.name.is_empty() => format!("store of {}", entry.name),
            _ => "store of sources".to_owned(),
        },
        DiskKind::Dependencies => "prepared dependencies".to_owned(),
        DiskKind::State => "state, journals and logs".to_owned(),
        DiskKind::SharedLayers => "layers that images share".to_owned(),
        DiskKind::BuilderCache => "builder's cache".to_owned(),
    }
}

fn amount(entries: &[&DiskEntry]) -> Line {
    let sum = bytes(entries.iter().map(|entry| entry.bytes).sum());
    let partial = entries.iter().any(|entry| entry.partial);
    Line::from(if partial { format!("over {sum}") } else { sum })
}

/// What is shared, and what nothing needs.
fn remark(entries: &[&DiskEntry]) -> Line {
    let shared = entries.iter().map(|entry| entry.shared).max().unwrap_or_default();
    let idle: u64 = entries.iter().filter(|entry| !entry.needed).map(|entry| entry.bytes).sum();
    let idle_count = entries.iter().filter(|entry| !entry.needed).count();
    let mut words = Vec::new();
    if shared > 0 {
        words.push(format!("+ {} shared", bytes(shared)));
    }
    if let [DiskEntry { idle_since: Some(since), .. }] = entries {
        let day: String = since.to_string().chars().take("2026-11-20".len()).collect();
        words.push(format!("no release needs it since {day}"));
    } else if idle_count > 0 {
        words.push(format!(
            "{} not needed",
            if idle_count == entries.len() { "all".to_owned() } else { bytes(idle) }
        ));
    }
    Line::of(Ink::Faint, words.join(", "))
}

fn lone(entry: &DiskEntry) -> Row {
    let entries = [entry];
    let mut name = what(entry.kind, &entries);
    if entry.kind == DiskKind::Image {
        name = if entry.name.is_empty() {
            "image without a tag".to_owned()
        } else {
            format!("image {}", entry.name)
        };
    }
    Row::new([Line::from(name), Line::new(), amount(&entries), remark(&entries)])
}

/// What is somebody else's, by kind.
fn others(view: &DiskView) -> Vec<Row> {
    let mut kinds: BTreeMap<DiskKind, Vec<&DiskEntry>> = BTreeMap::new();
    for entry in view.entries.iter().filter(|entry| entry.whose == Whose::Others) {
        kinds.entry(entry.kind).or_default().push(entry);
    }
    let rows = kinds.into_iter().map(|(kind, entries)| {
        let name = match kind {
            DiskKind::Volume => count(entries.len(), "volume"),
            kind => what(kind, &entries),
        };
        Row::new([Line::from(name), Line::new(), amount(&entries), Line::of(Ink::Faint, "not ours")])
    });
    rows.collect()
}

fn group(page: &mut Page<'_>, title: &str, rows: Vec<Row>) {
    if rows.is_empty() {
        return;
    }
    page.blank();
    page.line(Line::of(Ink::Strong, title));
    page.table(2, &COLUMNS, rows);
}

/// `/var/lib/landfall: 48 GiB free of 252 GiB`, what is there, and how much of it is ours.
fn room(filesystem: &Filesystem, ours: u64) -> Line {
    let holds = filesystem.holds.iter().map(|holds| match holds {
        Holds::State => "Landfall's state",
        Holds::Engine => "Docker's images",
    });
    let Filesystem { total, free, .. } = *filesystem;
    let ink = if free < total / SCARCE { Ink::Warn } else { Ink::Plain };
    let line = Line::of(Ink::Strong, &filesystem.path)
        .and(": ")
        .with(ink, format!("{} free of {}", bytes(free), bytes(total)))
        .with(Ink::Faint, format!(", with {}", list(&holds.collect::<Vec<_>>())));
    if filesystem.holds.contains(&Holds::State) {
        line.with(Ink::Faint, format!("; ours are {} in all, {}", bytes(ours), share(ours, total)))
    } else {
        line
    }
}
