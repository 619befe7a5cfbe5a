//! Images: what one is made of, finding, tagging and removing them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{
    ListImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use landfall_model::{Fault, FaultKind, Timestamp};

use crate::about::About;
use crate::container::HealthCheck;
use crate::engine::Engine;
use crate::{fault, labels};

/// The engine's name for what an image is: `sha256:` and 64 hex digits. It never changes what it means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(String);

impl ImageId {
    /// The id `text`, as an engine gave it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `sha256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.trim_start_matches("sha256:").chars().take(12).collect()
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// What it is.
    pub id: ImageId,
    /// The registries' names for it: `registry.example.com/app@sha256:…`; empty for one that was only built here.
    pub digests: Vec<String>,
    /// The tags it has now.
    pub tags: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Bytes of all its layers, those shared with other images included.
    pub size: u64,
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `USER`; empty for root.
    pub user: String,
    /// `EXPOSE`d TCP ports, upwards.
    pub exposed: Vec<u16>,
    /// `HEALTHCHECK`, unless there is none or it is switched off.
    pub healthcheck: Option<HealthCheck>,
    /// `CMD`.
    pub command: Vec<String>,
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// `WORKDIR`; empty for `/`.
    pub workdir: String,
    /// `VOLUME`s: paths.
    pub volumes: Vec<String>,
    /// When it was made; `None` when the engine does not know.
    pub created: Option<Timestamp>,
    /// The layers' digests (uncompressed), the lowest first.
    pub layers: Vec<String>,
}

impl ImageInfo {
    /// Whether the engine's machine runs it.
    ///
    /// # Errors
    /// An application's fault when it is for another system or architecture, which the machine has no emulator for.
    pub fn runs_on(&self, engine: &About) -> Result<(), Fault> {
        let unknown = self.architecture.is_empty() || engine.arch.is_empty();
        if unknown
            || self.os == engine.os
                && (self.architecture == engine.arch || emulates(engine, &self.architecture))
        {
            return Ok(());
        }
        let name = self.tags.first().map_or_else(|| self.id.short(), Clone::clone);
        let (theirs, ours) =
            (format!("{}/{}", self.os, self.architecture), format!("{}/{}", engine.os, engine.arch));
        Err(Fault::application(format!("the image {name} is for {theirs}, and this machine is {ours}"))
            .help(format!("build or name one for {ours}: `build = {{ platform = \"{ours}\" }}`")))
    }
}

/// Whether the kernel hands the architecture's programs to an emulator; told only by an engine of this machine.
fn emulates(engine: &About, architecture: &str) -> bool {
    let name = match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i386",
        other => other,
    };
    // A 64-bit machine of this family runs the 32-bit programs itself.
    let itself = engine.arch == "amd64" && architecture == "386";
    itself || engine.is_local() && Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{name}")).exists()
}

/// An image in a list: what `docker images` knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLine {
    /// What it is.
    pub id: ImageId,
    /// The tags it has now.
    pub tags: Vec<String>,
    /// The registries' names for it.
    pub digests: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Bytes of all its layers, those shared with other images included.
    pub size: u64,
    /// When it was made.
    pub created: Timestamp,
}

impl Engine {
    /// Looks at the image that `reference` (an id, a tag, a digest) names now; `None` when there is none.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, Fault> {
        match self.docker.inspect_image(reference).await {
            Ok(told) => Ok(Some(info(told))),
            Err(why) if fault::is_missing(&why) => Ok(None),
            Err(why) => Err(fault::call(&format!("looking at the image {reference}"), &why)),
        }
    }

    /// The images that carry all of the `labels` (`KEY` or `KEY=VALUE`); all images for none.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn images(&self, labels: &[String]) -> Result<Vec<ImageLine>, Fault> {
        let options = ListImagesOptionsBuilder::new().filters(&labels::filters(labels)).build();
        let told = self.docker.list_images(Some(options)).await;
        let told = told.map_err(|why| fault::call("listing images", &why))?;
        Ok(told.into_iter().map(line).collect())
    }

    /// Gives the image the tag `reference` (`repository:tag`), also when another image has it: the engine's own tags
    /// move. Whoever wants one that does not asks `image` first.
    ///
    /// # Errors
    /// When there is no such image, or the name is none.
    pub async fn tag(&self, image: &ImageId, reference: &str) -> Result<(), Fault> {
        let (repository, tag) = repository_and_tag(reference).ok_or_else(|| {
            Fault::usage(format!("`{reference}` is no name for an image: `repository:tag` is expected"))
        })?;
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        let tagged = self.docker.tag_image(image.as_str(), Some(options)).await;
        tagged.map_err(|why| fault::call(&format!("tagging the image {reference}"), &why))
    }

    /// Takes the tag or digest `reference` away, and the image with its last one. An id removes the image with all its
    /// tags. Gives whether there was one.
    ///
    /// # Errors
    /// Kind `Refused` when a container still uses it, or another image was built upon it: nothing that is in use is removed.
    pub async fn remove_image(&self, reference: &str) -> Result<bool, Fault> {
        let by_id = reference.starts_with("sha256:");
        let options = RemoveImageOptionsBuilder::new().force(false).noprune(false).build();
        if by_id {
            // An image with several tags is only removed by its id with `force`, which would also pull it from under a
            // stopped container: the tags are taken away one by one instead.
            for tag in self.image(reference).await?.into_iter().flat_map(|image| image.tags) {
                self.remove_reference(&tag, options.clone()).await?;
            }
        }
        self.remove_reference(reference, options).await.map(|there| there || by_id)
    }

    async fn remove_reference(
        &self,
        reference: &str,
        options: bollard::query_parameters::RemoveImageOptions,
    ) -> Result<bool, Fault> {
        match self.docker.remove_image(reference, Some(options), None).await {
            Ok(_) => Ok(true),
            Err(why) if fault::is_missing(&why) => Ok(false),
            Err(why) => {
                let fault = fault::call(&format!("removing the image {reference}"), &why);
                Err(if fault::is_conflict(&why) { fault.kind(FaultKind::Refused) } else { fault })
            }
        }
    }
}

/// The repository and the tag of `repository:tag`; a port of the registry is no tag.
pub(crate) fn repository_and_tag(reference: &str) -> Option<(&str, &str)> {
    let (repository, tag) = reference.rsplit_once(':')?;
    (!repository.is_empty() && !tag.is_empty() && !tag.contains('/') && !repository.contains('@'))
        .then_some((repository, tag))
}

fn info(told: ImageInspect) -> ImageInfo {
    let config = told.config.unwrap_or_default();
    let mut exposed: Vec<u16> = config
        .exposed_ports
        .iter()
        .flatten()
        .filter(|port| !port.ends_with("/udp") && !port.ends_with("/sctp"))
        .filter_map(|port| port.split('/').next()?.parse().ok())
        .collect();
    exposed.sort_unstable();
    ImageInfo {
        id: ImageId(told.id.unwrap_or_default()),
        digests: told.repo_digests.unwrap_or_default(),
        tags: told.repo_tags.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        size: told.size.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default(),
        os: told.os.unwrap_or_default(),
        architecture: told.architecture.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        exposed,
        healthcheck: config.healthcheck.and_then(HealthCheck::from_engine),
        command: config.cmd.unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        workdir: config.working_dir.unwrap_or_default(),
        volumes: config.volumes.unwrap_or_default(),
        created: told.created.and_then(|time| crate::moment::read(&time)),
        layers: told.root_fs.and_then(|fs| fs.layers).unwrap_or_default(),
    }
}

fn line(told: ImageSummary) -> ImageLine {
    let named = |name: &String| !name.starts_with("<none>");
    ImageLine {
        id: ImageId(told.id),
        tags: told.repo_tags.into_iter().filter(named).collect(),
        digests: told.repo_digests.into_iter().filter(named).collect(),
        labels: told.labels.into_iter().collect(),
        size: u64::try_from(told.size).unwrap_or_default(),
        created: Timestamp::from_millis(u64::try_from(told.created).unwrap_or_default().saturating_mul(1000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag() {
        assert_eq!(repository_and_tag("a/b:1"), Some(("a/b", "1")));
        assert_eq!(repository_and_tag("localhost:5000/a:1"), Some(("localhost:5000/a", "1")));
        for bad in ["localhost:5000/a", "a", "a:", ":1", "a@sha256:00"] {
            assert_eq!(repository_and_tag(bad), None, "{bad}");
        }
    }
}
