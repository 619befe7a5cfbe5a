//! Manifests and indexes, as the OCI image specification and Docker's older schema 2 write them: what they refer to.

use landfall_model::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The largest manifest in bytes, the limit that the distribution specification recommends.
pub const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// The most things one manifest may refer to.
const MAX_REFERENCES: usize = 4096;

/// Media types.
pub mod media {
    /// An image's manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A list of manifests.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker's form of a manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's form of a list of manifests.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// An image's configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer that is not compressed.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer compressed with gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer compressed with Zstandard.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// What a client takes when it asks for a manifest.
    pub const ACCEPTED: [&str; 4] = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST];
}

/// What a manifest says of something it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of thing it is.
    #[serde(default)]
    pub media_type: String,
    /// Its content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Of an entry in an index: what it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact the manifest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Anything else that was said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Map<String, Value>>,
    /// Where else it can be had from: such a layer need not be in the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

impl Descriptor {
    /// Something of this kind.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            artifact_type: None,
            annotations: None,
            urls: Vec::new(),
        }
    }

    /// Whether it tells of another image (provenance, a bill of materials) and is none itself, as BuildKit marks it.
    #[must_use]
    pub fn is_attestation(&self) -> bool {
        let marked = self.annotations.as_ref().and_then(|notes| notes.get("vnd.docker.reference.type"));
        marked.is_some_and(|kind| kind == "attestation-manifest")
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
    }
}

/// What an image runs on, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// `v7`, of `arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// A platform as people write it: `linux/amd64`, `linux/arm/v7`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(str::to_owned);
        let (os, architecture) = (parts.next()?, parts.next()?);
        let variant = parts.next();
        let whole = parts.next().is_none() && !os.is_empty() && !architecture.is_empty();
        whole.then_some(Self { architecture, os, variant })
    }

    /// Whether an image for `self` runs where `wanted` is wanted. A variant counts where both name one.
    #[must_use]
    pub fn suits(&self, wanted: &Self) -> bool {
        let variants = self.variant.as_ref().zip(wanted.variant.as_ref());
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && variants.is_none_or(|(a, b)| a == b)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// The text is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON of that shape.
    #[error("it is no manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// It is neither an image nor a list of images.
    #[error("it is neither an image's manifest nor an index")]
    Neither,
    /// It says of itself that it is of another kind than it was called.
    #[error("it was called {called} and says that it is {says}")]
    Mismatch {
        /// What it was called.
        called: String,
        /// What it says.
        says: String,
    },
    /// It refers to too much.
    #[error("it refers to more than {MAX_REFERENCES} things")]
    TooMany,
}

/// What a manifest says, as far as a registry cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its own media type.
    pub media_type: String,
    /// An image's configuration; an index has none.
    pub config: Option<Descriptor>,
    /// An image's layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// An index's manifests.
    pub manifests: Vec<Descriptor>,
    /// What it was attached to.
    pub subject: Option<Descriptor>,
    /// What kind of artifact it is: said by itself, else the kind of its configuration.
    pub artifact_type: Option<String>,
    /// Anything else that it says of itself.
    pub annotations: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: Option<Map<String, Value>>,
}

impl Manifest {
    /// Reads one that was called `called` (a `Content-Type`; parameters are left out).
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn parse(bytes: &[u8], called: Option<&str>) -> Result<Self, ManifestError> {
        let raw: Raw = serde_json::from_slice(bytes)?;
        let called = called.map(|text| text.split(';').next().unwrap_or_default().trim());
        let called = called.filter(|text| !text.is_empty());
        if let (Some(called), Some(says)) = (called, &raw.media_type)
            && called != says
        {
            return Err(ManifestError::Mismatch { called: called.to_owned(), says: says.clone() });
        }
        let guessed = match (&raw.config, &raw.manifests) {
            (Some(_), _) => media::MANIFEST,
            (None, Some(_)) => media::INDEX,
            (None, None) => return Err(ManifestError::Neither),
        };
        let (layers, manifests) = (raw.layers.unwrap_or_default(), raw.manifests.unwrap_or_default());
        if layers.len() + manifests.len() > MAX_REFERENCES {
            return Err(ManifestError::TooMany);
        }
        let own_type = raw.artifact_type.filter(|kind| !kind.is_empty());
        let artifact_type = own_type.or_else(|| raw.config.as_ref().map(|config| config.media_type.clone()));
        Ok(Self {
            media_type: raw.media_type.as_deref().or(called).unwrap_or(guessed).to_owned(),
            config: raw.config,
            layers,
            manifests,
            subject: raw.subject,
            artifact_type,
            annotations: raw.annotations,
        })
    }

    /// Whether it is a list of manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.config.is_none()
    }

    /// The blobs that it needs: configuration and layers, but none that lies elsewhere.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(self.layers.iter().filter(|layer| layer.urls.is_empty()))
    }

    /// Of an index, the manifest of the image for `wanted`; attestations are no images.
    #[must_use]
    pub fn choose(&self, wanted: &Platform) -> Option<&Descriptor> {
        let mut images = self.manifests.iter().filter(|entry| !entry.is_attestation());
        let suits =
            |entry: &&Descriptor| entry.platform.as_ref().is_none_or(|platform| platform.suits(wanted));
        images.find(suits)
    }

    /// An image's manifest of these, as bytes that are the same for the same parts.
    ///
    /// # Panics
    /// Never: descriptors always have a JSON form.
    #[must_use]
    pub fn image(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers,
        });
        serde_json::to_vec(&manifest).expect("descriptors have a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn parse(value: &Value, called: Option<&str>) -> Result<Manifest, ManifestError> {
        Manifest::parse(value.to_string().as_bytes(), called)
    }

    #[test]
    fn an_image_names_its_blobs_and_not_those_that_lie_elsewhere() {
        let manifest = parse(
            &json!({"schemaVersion": 2,
                "config": {"mediaType": media::CONFIG, "digest": digest('a'), "size": 1},
                "layers": [{"mediaType": media::LAYER, "digest": digest('b'), "size": 2},
                    {"mediaType": "x", "digest": digest('c'), "size": 3, "urls": ["http://a"]}]}),
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
        );
        let manifest = manifest.unwrap();
        assert_eq!(manifest.media_type, media::MANIFEST);
        assert_eq!(manifest.blobs().map(|d| d.size).collect::<Vec<_>>(), [1, 2]);
        let again = Manifest::image(manifest.config.as_ref().unwrap(), &manifest.layers);
        assert_eq!(Manifest::parse(&again, None).unwrap().layers, manifest.layers);
    }

    #[test]
    fn of_an_index_the_image_for_the_platform_is_chosen_and_never_an_attestation() {
        let attested = json!({"vnd.docker.reference.type": "attestation-manifest"});
        let index = parse(
            &json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": [
                {"digest": digest('1'), "size": 1, "annotations": attested,
                    "platform": {"os": "unknown", "architecture": "unknown"}},
                {"digest": digest('2'), "size": 1, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
                {"digest": digest('3'), "size": 1, "platform": {"os": "linux", "architecture": "amd64"}}]}),
            None,
        );
        let index = index.unwrap();
        let chosen =
            |wanted| index.choose(&Platform::parse(wanted).unwrap()).map(|found| found.digest.to_string());
        assert_eq!(chosen("linux/amd64"), Some(digest('3')));
        assert_eq!(chosen("linux/arm"), Some(digest('2')));
        assert_eq!(chosen("linux/arm/v6"), None);
        assert_eq!(chosen("linux/arm64"), None);
        assert!(index.is_index());
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        assert!(matches!(parse(&json!({}), None), Err(ManifestError::Neither)));
        assert!(matches!(parse(&json!([]), None), Err(ManifestError::Json(_))));
        assert!(matches!(
            parse(&json!({"mediaType": media::INDEX, "manifests": []}), Some(media::MANIFEST)),
            Err(ManifestError::Mismatch { .. })
        ));
        let entry = json!({"digest": digest('1'), "size": 1});
        assert!(matches!(
            parse(&json!({"manifests": vec![entry; MAX_REFERENCES + 1]}), None),
            Err(ManifestError::TooMany)
        ));
        assert!(Platform::parse("linux").is_none() && Platform::parse("a/b/c/d").is_none());
    }
}
