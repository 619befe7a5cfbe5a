//! What is in the engine and takes room: whose it is, and what of ours nothing needs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use landfall_docker::{DiskUse, ImageUse};
use landfall_model::api::{DiskEntry, DiskKind, Pruned, Whose};
use landfall_model::{
    AppName, EnvironmentName, Fault, FaultKind, Release, ReleaseState, Runtime, ServiceName, Timestamp,
};

use super::names::{APP, ENVIRONMENT, SERVICE, STATE, VERSION};
use crate::host::LocalHost;

/// An image that nothing needs is kept this long: the next try of a deploy that failed finds it again.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// The images that releases need, by the engine's id, each with the service that has it: several environments may share
/// one, and it counts for the first.
type Needed = BTreeMap<String, (AppName, EnvironmentName, ServiceName)>;

impl LocalHost {
    /// Whether any release here runs in a container.
    pub(crate) fn uses_engine(&self) -> Result<bool, Fault> {
        for place in self.state().deployed()? {
            let known = self.state().releases(&place.app, &place.environment)?;
            if known.iter().any(|known| known.release.spec.runtime != Runtime::Process) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is in the engine, and the folder it keeps it in when that is on this machine.
    pub(crate) fn engine_entries(&self) -> Result<(Vec<DiskEntry>, Option<PathBuf>), Fault> {
        let docker = self.docker()?;
        let disk = self.wait_for(docker.disk())?;
        let root = docker.about().is_local().then(|| PathBuf::from(&docker.about().root_dir));
        let mut entries = entries(&disk, self.mark(), &self.images_needed()?);
        self.mark_declared(&disk, &mut entries)?;
        Ok((entries, root))
    }

    /// Removes images of ours that no release needs.
    pub(crate) fn remove_idle_images(&self) -> Result<Pruned, Fault> {
        let docker = self.docker()?;
        // Before it is asked what is needed: an image that comes later is not in the list.
        let disk = self.wait_for(docker.disk())?;
        let mut pruned = Pruned::default();
        // A transaction that is under way may have built an image that it has not written down yet.
        if !self.state().open_transactions()?.is_empty() {
            return Ok(pruned);
        }
        let needed = self.images_needed()?;
        for image in idle(&disk, self.mark(), &needed, self.clock().now()) {
            match self.wait_for(docker.remove_image(image.id.as_str())) {
                Ok(_) => {
                    pruned.removed.push(image.tags.first().cloned().unwrap_or_else(|| image.id.short()));
                    pruned.bytes += image.size.saturating_sub(image.shared);
                }
                // Somebody runs a container of it, or has built upon it: it stays.
                Err(fault) if fault.kind == FaultKind::Refused => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(pruned)
    }

    /// The bytes of our images, without what they share.
    pub(crate) fn image_bytes(&self) -> Result<u64, Fault> {
        let disk = self.wait_for(self.docker()?.disk())?;
        let ours = disk.images.iter().filter(|image| is_our_image(image, self.mark()));
        Ok(ours.map(|image| image.size.saturating_sub(image.shared)).sum())
    }

    /// What a release was made of, by the engine's ids; nothing when it is not prepared.
    fn images_of(&self, release: &Release) -> Result<Vec<String>, Fault> {
        match release.spec.runtime {
            Runtime::Compose => self.pinned_images(release),
            Runtime::Process | Runtime::Docker => {
                Ok(self.built(release)?.map(|built| built.image.to_string()).into_iter().collect())
            }
        }
    }

    fn images_needed(&self) -> Result<Needed, Fault> {
        let mut needed = Needed::new();
        for place in self.state().deployed()? {
            let known = self.state().releases(&place.app, &place.environment)?.into_iter();
            let kept = known.filter(|known| known.state != ReleaseState::Failed).map(|known| known.release);
            for release in kept.chain(self.open_releases(&place.app, &place.environment)?) {
                let of = (place.app.clone(), place.environment.clone(), release.service().clone());
                for image in self.images_of(&release)? {
                    needed.entry(image).or_insert_with(|| of.clone());
                }
            }
        }
        Ok(needed)
    }
}

fn is_ours(labels: &BTreeMap<String, String>, mark: &str) -> bool {
    labels.get(STATE).is_some_and(|state| state == mark)
}

/// Whether an image was made by us: what somebody builds upon one of ours has our labels too, but a name of its own, or none.
fn is_our_image(image: &ImageUse, mark: &str) -> bool {
    let label = |name: &str| image.labels.get(name).map(String::as_str).unwrap_or_default();
    let plain = format!("landfall/{}/", label(APP));
    let published = format!("/{}/{}:{}", label(APP), label(SERVICE), label(VERSION));
    let ours = |tag: &String| tag.starts_with(&plain) || tag.ends_with(&published);
    is_ours(&image.labels, mark) && !image.tags.is_empty() && image.tags.iter().all(ours)
}

/// The images of ours that no release needs, no container uses, and that are not young.
fn idle<'a>(disk: &'a DiskUse, mark: &str, needed: &Needed, now: Timestamp) -> Vec<&'a ImageUse> {
    let idle = disk.images.iter().filter(|image| {
        is_our_image(image, mark)
            && !needed.contains_key(image.id.as_str())
            && image.containers == 0
            && now.since(image.created) >= GRACE
    });
    idle.collect()
}

/// What the engine tells, as entries: nothing is counted twice.
fn entries(disk: &DiskUse, mark: &str, needed: &Needed) -> Vec<DiskEntry> {
    let whose =
        |labels: &BTreeMap<String, String>| if is_ours(labels, mark) { Whose::Ours } else { Whose::Others };
    let own: u64 = disk.images.iter().map(|image| image.size.saturating_sub(image.shared)).sum();
    let mut entries: Vec<DiskEntry> = Vec::new();
    for image in &disk.images {
        let whose = if is_our_image(image, mark) { Whose::Ours } else { Whose::Others };
        let entry = entry(DiskKind::Image, whose, &image.labels);
        let of = needed.get(image.id.as_str()).filter(|_| whose == Whose::Ours).cloned();
        let (app, environment, service) = match of {
            Some((app, environment, service)) => (Some(app), Some(environment), Some(service)),
            None => (entry.app.clone(), None, entry.service.clone()),
        };
        entries.push(DiskEntry {
            app,
            environment,
            service,
            name: image.tags.first().cloned().unwrap_or_default(),
            bytes: image.size.saturating_sub(image.shared),
            shared: image.shared,
            needed: whose == Whose::Others || needed.contains_key(image.id.as_str()) || image.containers > 0,
            ..entry
        });
    }
    for container in disk.containers.iter().filter(|container| container.size > 0) {
        let entry = entry(DiskKind::Container, whose(&container.labels), &container.labels);
        entries.push(DiskEntry { name: container.name.clone(), bytes: container.size, ..entry });
    }
    for volume in &disk.volumes {
        let entry = entry(DiskKind::Volume, whose(&volume.labels), &volume.labels);
        entries.push(DiskEntry {
            name: volume.name.clone(),
            bytes: volume.size.unwrap_or_default(),
            ..entry
        });
    }
    let none = BTreeMap::new();
    for (kind, bytes) in [
        (DiskKind::SharedLayers, disk.layers.saturating_sub(own)),
        (DiskKind::BuilderCache, disk.cache_size()),
    ] {
        if bytes > 0 {
            entries.push(DiskEntry { bytes, ..entry(kind, Whose::Both, &none) });
        }
    }
    entries
}

/// A thing of the engine; what belongs to a service of ours says so in its labels.
fn entry(kind: DiskKind, whose: Whose, labels: &BTreeMap<String, String>) -> DiskEntry {
    let ours = |label: &str| labels.get(label).filter(|_| whose == Whose::Ours);
    DiskEntry {
        kind,
        whose,
        app: ours(APP).and_then(|name| name.parse().ok()),
        environment: ours(ENVIRONMENT).and_then(|name| name.parse().ok()),
        service: ours(SERVICE).and_then(|name| name.parse().ok()),
        name: String::new(),
        bytes: 0,
        shared: 0,
        needed: true,
        idle_since: None,
        partial: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_docker::{CacheUse, ContainerUse, ImageId};

    const MARK: &str = "0123";

    fn image(id: &str, tag: &str, labels: &[(&str, &str)], size: u64, shared: u64) -> ImageUse {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let created = Timestamp::from_millis(0);
        ImageUse {
            id: ImageId::new(id),
            tags: vec![tag.to_owned()],
            labels,
            size,
            shared,
            containers: 0,
            created,
        }
    }

    fn disk() -> DiskUse {
        let ours = [(STATE, MARK), (APP, "shop"), (SERVICE, "web")];
        let cache = CacheUse {
            id: "c".to_owned(),
            kind: "regular".to_owned(),
            description: String::new(),
            size: 7,
            in_use: false,
            shared: false,
            last_used: None,
        };
        DiskUse {
            layers: 100 + 30 + 10 + 5,
            images: vec![
                image("needed", "landfall/shop/web:1", &ours, 130, 100),
                image("idle", "landfall/shop/web:2", &ours, 110, 100),
                image("another agent's", "landfall/shop/web:3", &[(STATE, "4567")], 5, 0),
                image("base", "base:1", &[], 100, 100),
            ],
            containers: vec![ContainerUse {
                id: "x".to_owned(),
                name: "web-1".to_owned(),
                labels: BTreeMap::from([(STATE.to_owned(), MARK.to_owned())]),
                size: 3,
            }],
            volumes: Vec::new(),
            cache: vec![cache],
        }
    }

    #[test]
    fn what_somebody_builds_upon_ours_is_his() {
        let ours = [(STATE, MARK), (APP, "shop"), (SERVICE, "web"), (VERSION, "1.0.0-1")];
        let names = [
            ("landfall/shop/web:1.0.0-1", true),
            ("registry.example.com/team/shop/web:1.0.0-1", true),
            ("landfall/shop/dev/web/db:1.0.0-1", true),
            ("mine:latest", false),
            ("registry.example.com/mine:1.0.0-1", false),
        ];
        for (name, expected) in names {
            assert_eq!(is_our_image(&image("x", name, &ours, 1, 0), MARK), expected, "{name}");
        }
        let mut nameless = image("x", "landfall/shop/web:1", &ours, 1, 0);
        nameless.tags.push("mine:1".to_owned());
        assert!(!is_our_image(&nameless, MARK), "somebody gave ours a name of his own");
        nameless.tags.clear();
        assert!(!is_our_image(&nameless, MARK));
    }

    fn needed() -> Needed {
        let of = ("shop".parse().unwrap(), "dev".parse().unwrap(), "web".parse().unwrap());
        Needed::from([("needed".to_owned(), of)])
    }

    #[test]
    fn what_is_shared_is_counted_once_and_all_of_it_adds_up() {
        let entries = entries(&disk(), MARK, &needed());
        let bytes = |wanted: DiskKind| -> u64 {
            entries.iter().filter(|entry| entry.kind == wanted).map(|entry| entry.bytes).sum()
        };
        assert_eq!(bytes(DiskKind::Image) + bytes(DiskKind::SharedLayers), 145);
        assert_eq!((bytes(DiskKind::SharedLayers), bytes(DiskKind::BuilderCache)), (100, 7));
        let ours: Vec<(&str, bool)> = entries
            .iter()
            .filter(|entry| entry.kind == DiskKind::Image && entry.whose == Whose::Ours)
            .map(|entry| (entry.name.as_str(), entry.needed))
            .collect();
        assert_eq!(ours, [("landfall/shop/web:1", true), ("landfall/shop/web:2", false)]);
        let environments = entries.iter().map(|entry| entry.environment.is_some());
        assert_eq!(
            environments.take(2).collect::<Vec<_>>(),
            [true, false],
            "an idle image belongs to no environment"
        );
    }

    #[test]
    fn only_old_images_of_ours_that_nothing_needs_are_idle() {
        let disk = disk();
        let needed = needed();
        let of = |now: Timestamp| -> Vec<&str> {
            idle(&disk, MARK, &needed, now).into_iter().map(|image| image.id.as_str()).collect()
        };
        assert_eq!(of(Timestamp::from_millis(GRACE.as_millis() as u64)), ["idle"]);
        assert!(of(Timestamp::from_millis(1_000)).is_empty());
    }
}
