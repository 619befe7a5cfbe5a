//! What takes what on a host.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AppName, EnvironmentName, ServiceName, Timestamp};

/// What takes what on a host: Landfall's things and the engine's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiskView {
    /// The file systems that they are on, the state folder's first.
    pub filesystems: Vec<Filesystem>,
    /// The things; their bytes add up, nothing is counted twice.
    pub entries: Vec<DiskEntry>,
    /// Why the Docker engine's things are missing, when it is used here and could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Filesystem {
    /// The folder that it was asked about.
    pub path: String,
    /// What is there: `state`, `engine`, or both.
    pub holds: Vec<Holds>,
    /// Its size in bytes.
    pub total: u64,
    /// Bytes that can still be written.
    pub free: u64,
}

/// What a file system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// Landfall's state folder.
    State,
    /// The Docker engine's own folder.
    Engine,
}

/// A thing that takes room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiskEntry {
    /// What it is.
    pub kind: DiskKind,
    /// Whose it is.
    pub whose: Whose,
    /// The application that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Its name: a version, a volume, an image's tag; empty for what has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The bytes that would become free without it, as far as they are its own.
    pub bytes: u64,
    /// Of an image: bytes that other images have too; they are counted once, as `shared-layers`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shared: u64,
    /// Whether anything needs it: what is not needed is taken away by the agent, or by `landfall disk --prune`; a volume by
    /// `landfall disk --prune --volumes` alone, unless the agent's settings say otherwise.
    pub needed: bool,
    /// Of a volume that no release needs: since when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// Whether it is larger than what was counted: it has too many files to look at all of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What kind of thing takes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// A release's files.
    Release,
    /// An image of the engine, without what it shares.
    Image,
    /// What a container wrote into itself.
    Container,
    /// What is kept: a volume of ours, or one of the engine's.
    Volume,
    /// What instances printed.
    Log,
    /// The store of sources: the contents of all bundles, each once; or, by the name `images`, the image store's.
    Store,
    /// Prepared dependencies.
    Dependencies,
    /// The agent's state, journals and logs.
    State,
    /// Layers that several images share, each once.
    SharedLayers,
    /// What builders keep for the next build.
    BuilderCache,
}

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// Landfall made it: this state folder's agent.
    Ours,
    /// Somebody else did; it is never touched.
    Others,
    /// It cannot be told apart.
    Both,
}

/// A volume of ours: a folder that outlives the releases which use it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VolumeId {
    /// The application that it belongs to.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The service.
    pub service: ServiceName,
    /// Its name in the manifest.
    pub name: String,
}

impl fmt::Display for VolumeId {
    /// `volume data of web (shop in production)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, environment, service, name } = self;
        write!(f, "volume {name} of {service} ({app} in {environment})")
    }
}

/// What is to be taken away besides what nothing needs and can be made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Prune {
    /// Volumes that no release needs, with all that they hold. One that is needed after all refuses the whole call.
    #[serde(default)]
    pub volumes: Vec<VolumeId>,
}

/// What was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pruned {
    /// Images, releases, containers and volumes, by name.
    pub removed: Vec<String>,
    /// The bytes that became free.
    pub bytes: u64,
}

impl Pruned {
    /// Counts what else was taken away.
    pub fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.removed.extend(more.removed);
    }
}

impl DiskEntry {
    /// Which volume it is, when it is one of ours that no release needs.
    #[must_use]
    pub fn idle_volume(&self) -> Option<VolumeId> {
        if self.needed || self.kind != DiskKind::Volume || self.whose != Whose::Ours {
            return None;
        }
        Some(VolumeId {
            app: self.app.clone()?,
            environment: self.environment.clone()?,
            service: self.service.clone()?,
            name: self.name.clone(),
        })
    }
}

impl DiskView {
    /// The bytes of what the filter lets through.
    pub fn bytes(&self, filter: impl Fn(&DiskEntry) -> bool) -> u64 {
        self.entries.iter().filter(|entry| filter(entry)).map(|entry| entry.bytes).sum()
    }
}
