//! What an engine's things take on the disk, and taking the builder's cache back.

use std::collections::BTreeMap;

use hyper::Method;
use landfall_model::{Fault, Timestamp};
use serde::Deserialize;

use crate::engine::Engine;
use crate::image::ImageId;
use crate::{fault, moment, raw};

/// What takes what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// Bytes of all layers, each counted once.
    pub layers: u64,
    /// The images.
    pub images: Vec<ImageUse>,
    /// What containers wrote into themselves.
    pub containers: Vec<ContainerUse>,
    /// Volumes that the engine keeps.
    pub volumes: Vec<VolumeUse>,
    /// What builders keep for the next build.
    pub cache: Vec<CacheUse>,
}

/// What an image takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUse {
    /// What it is.
    pub id: ImageId,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Bytes of all its layers.
    pub size: u64,
    /// Those of them that other images have too.
    pub shared: u64,
    /// How many containers use it.
    pub containers: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// What a container takes beyond its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUse {
    /// What the engine calls it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Bytes that it wrote into itself.
    pub size: u64,
}

/// What a volume takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUse {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its bytes; `None` when the engine cannot tell.
    pub size: Option<u64>,
    /// How many containers use it.
    pub containers: u64,
}

/// A piece of a builder's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheUse {
    /// What the builder calls it.
    pub id: String,
    /// `regular`, `source.local`, `exec.cachemount` …
    pub kind: String,
    /// What it comes from.
    pub description: String,
    /// Its bytes.
    pub size: u64,
    /// Whether a build uses it now.
    pub in_use: bool,
    /// Whether images or other pieces have it too: its bytes are then not its own.
    pub shared: bool,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

impl DiskUse {
    /// Bytes of the builder's cache that are its own.
    #[must_use]
    pub fn cache_size(&self) -> u64 {
        self.cache.iter().filter(|piece| !piece.shared).map(|piece| piece.size).sum()
    }
}

impl Engine {
    /// What the engine's things take. Reads all of them: seconds on a large engine.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn disk(&self) -> Result<DiskUse, Fault> {
        const DOING: &str = "asking what takes the engine's disk";
        let request = self.request(Method::GET, "/system/df", &[], raw::empty())?;
        let answer = self.dial.call(DOING, request).await?;
        let told: Told = answer.value().await.map_err(|why| fault::broke(DOING, &why))?;
        Ok(told.read())
    }

    /// Takes pieces of the builder's cache back, those that were unused the longest first, until no more than `keep` bytes
    /// are left; never one that a build uses. Gives the bytes that became free.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn prune_cache(&self, keep: u64) -> Result<u64, Fault> {
        const DOING: &str = "pruning the builder's cache";
        // The name changed with API 1.48; engines take no notice of one that they do not know.
        let options = [
            ("all", "1".to_owned()),
            ("keep-storage", keep.to_string()),
            ("reserved-space", keep.to_string()),
        ];
        let request = self.request(Method::POST, "/build/prune", &options, raw::empty())?;
        let answer = self.dial.call(DOING, request).await?;
        let pruned: Pruned = answer.value().await.map_err(|why| fault::broke(DOING, &why))?;
        Ok(pruned.freed)
    }
}

#[derive(Deserialize)]
struct Pruned {
    #[serde(rename = "SpaceReclaimed", default)]
    freed: u64,
}

/// Labels may be `null`, sizes -1 for "not known".
type Labels = Option<BTreeMap<String, String>>;

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Told {
    layers_size: i64,
    images: Option<Vec<ToldImage>>,
    containers: Option<Vec<ToldContainer>>,
    volumes: Option<Vec<ToldVolume>>,
    build_cache: Option<Vec<ToldCache>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ToldImage {
    id: String,
    repo_tags: Option<Vec<String>>,
    labels: Labels,
    size: i64,
    shared_size: i64,
    containers: i64,
    created: i64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ToldContainer {
    id: String,
    names: Option<Vec<String>>,
    labels: Labels,
    size_rw: i64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ToldVolume {
    name: String,
    labels: Labels,
    usage_data: Option<ToldUsage>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ToldUsage {
    size: i64,
    ref_count: i64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ToldCache {
    #[serde(rename = "ID")]
    id: String,
    r#type: String,
    description: String,
    size: i64,
    in_use: bool,
    shared: bool,
    last_used_at: Option<String>,
}

fn bytes(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl Told {
    fn read(self) -> DiskUse {
        let images = self.images.unwrap_or_default().into_iter().map(|image| ImageUse {
            id: ImageId::new(image.id),
            tags: image
                .repo_tags
                .unwrap_or_default()
                .into_iter()
                .filter(|tag| !tag.starts_with("<none>"))
                .collect(),
            labels: image.labels.unwrap_or_default(),
            size: bytes(image.size),
            shared: bytes(image.shared_size),
            containers: bytes(image.containers),
            created: Timestamp::from_millis(bytes(image.created).saturating_mul(1000)),
        });
        let containers = self.containers.unwrap_or_default().into_iter().map(|container| ContainerUse {
            id: container.id,
            name: container
                .names
                .iter()
                .flatten()
                .next()
                .map(|name| name.trim_start_matches('/').to_owned())
                .unwrap_or_default(),
            labels: container.labels.unwrap_or_default(),
            size: bytes(container.size_rw),
        });
        let volumes = self.volumes.unwrap_or_default().into_iter().map(|volume| VolumeUse {
            name: volume.name,
            labels: volume.labels.unwrap_or_default(),
            size: volume.usage_data.as_ref().and_then(|usage| u64::try_from(usage.size).ok()),
            containers: volume.usage_data.map(|usage| bytes(usage.ref_count)).unwrap_or_default(),
        });
        let cache = self.build_cache.unwrap_or_default().into_iter().map(|piece| CacheUse {
            id: piece.id,
            kind: piece.r#type,
            description: piece.description,
            size: bytes(piece.size),
            in_use: piece.in_use,
            shared: piece.shared,
            last_used: piece.last_used_at.as_deref().and_then(moment::read),
        });
        DiskUse {
            layers: bytes(self.layers_size),
            images: images.collect(),
            containers: containers.collect(),
            volumes: volumes.collect(),
            cache: cache.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_unknown_sizes_are_read() {
        let text = r#"{"LayersSize":7,"Images":[{"Id":"sha256:1","RepoTags":["<none>:<none>"],"Labels":null,"SharedSize":-1,"Size":5,"Containers":-1}],
            "Containers":null,"Volumes":[{"Name":"v","Labels":null,"UsageData":{"Size":-1,"RefCount":1}}],
            "BuildCache":[{"ID":"x","Type":"regular","Size":3,"Shared":true},{"ID":"y","Size":4}]}"#;
        let told = serde_json::from_str::<Told>(text).unwrap().read();
        assert_eq!((told.layers, told.images[0].size, told.images[0].shared), (7, 5, 0));
        assert!(told.images[0].tags.is_empty() && told.volumes[0].size.is_none());
        assert_eq!(told.cache_size(), 4);
    }
}
