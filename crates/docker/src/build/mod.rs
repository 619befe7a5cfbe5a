//! Building an image from a context and a Dockerfile: with BuildKit where the engine has it, else with the classic
//! builder. Dropping the future ends the build at once; tags are set by the engine when the image is whole.

mod buildkit;
mod classic;
mod context;
mod failure;
mod request;
mod session;
mod steps;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use landfall_model::{Fault, Stream};
use secrecy::SecretString;

use crate::engine::Engine;
use crate::image::ImageId;
use crate::login::Login;
pub(crate) use classic::Message;
use context::Context;

/// The longest Dockerfile in bytes.
const MAX_DOCKERFILE: usize = 1024 * 1024;

/// A build that is wanted.
pub struct Build {
    /// The context: a tar archive of regular files, links and folders, already without what `.dockerignore` names.
    pub context: Box<dyn Read + Send>,
    /// The Dockerfile's text; it need not be in the context, and gets into no layer from here.
    pub dockerfile: String,
    /// Whether Landfall wrote the Dockerfile: nobody is asked to correct it then.
    pub written: bool,
    /// Names that the image gets when it is whole: `repository:tag`.
    pub tags: Vec<String>,
    /// Labels, over those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Build arguments (`ARG`). They are visible in the image's history: nothing secret.
    pub args: BTreeMap<String, String>,
    /// The stage that is built; the last for `None`.
    pub target: Option<String>,
    /// `linux/arm64`; the engine's own for `None`.
    pub platform: Option<String>,
    /// What `RUN --mount=type=secret,id=NAME` sees; in no layer and no history. BuildKit only.
    pub secrets: BTreeMap<String, SecretString>,
    /// The network that `RUN` has: `host`, `none`, or the engine's own for `None`.
    pub network: Option<String>,
    /// Which builder.
    pub builder: Builder,
    /// What the context is called: builds of the same name send only what changed since the last one. BuildKit only.
    pub name: String,
    /// Who pulls base images from which registry.
    pub logins: BTreeMap<String, Login>,
}

/// Which builder builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Builder {
    /// BuildKit where the engine has it.
    #[default]
    Best,
    /// The classic one, as `DOCKER_BUILDKIT=0` asks for it.
    Classic,
}

impl Builder {
    /// What the variable `DOCKER_BUILDKIT` asks for: `0` and `false` the classic one, as Docker's own command reads it.
    #[must_use]
    pub fn asked_for(variable: Option<&str>) -> Self {
        match variable {
            Some("0" | "false") => Self::Classic,
            _ => Self::Best,
        }
    }
}

impl fmt::Debug for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Build").field("name", &self.name).field("tags", &self.tags).finish_non_exhaustive()
    }
}

impl Engine {
    /// Whether a build with this builder is one with BuildKit.
    #[must_use]
    pub fn has_buildkit(&self, builder: Builder) -> bool {
        self.about().buildkit && builder == Builder::Best
    }

    /// Builds an image and gives its id. Every line that the build prints goes to `lines` as it comes. A build that is
    /// dropped ends in the engine too, and leaves neither an image nor a tag, only cache.
    ///
    /// # Errors
    /// When a step fails: which, its command, exit code and last lines. When secrets are wanted of the classic builder,
    /// the context is no such archive, or the engine fails.
    pub async fn build(
        &self,
        mut build: Build,
        lines: &mut (dyn FnMut(Stream, &str) + Send),
    ) -> Result<ImageId, Fault> {
        let buildkit = self.has_buildkit(build.builder);
        check(&build, buildkit)?;
        let archive = std::mem::replace(&mut build.context, Box::new(io::empty()));
        let context = Context::read(archive).await?;
        if buildkit {
            buildkit::build(self, &build, &context, lines).await
        } else {
            classic::build(self, &build, &context, lines).await
        }
    }
}

/// Refuses what cannot be built before anything is sent.
fn check(build: &Build, buildkit: bool) -> Result<(), Fault> {
    if build.dockerfile.len() > MAX_DOCKERFILE {
        return Err(Fault::usage(format!("the Dockerfile is longer than {MAX_DOCKERFILE} bytes")));
    }
    if buildkit {
        return Ok(());
    }
    if !build.secrets.is_empty() {
        return Err(Fault::refused("build secrets need BuildKit, and this image is to be built by the classic builder")
            .help("use an engine that has BuildKit (20.10 or newer, not switched off in its daemon.json, and no DOCKER_BUILDKIT=0), or take `secrets` out of `build`"));
    }
    if classic::needs_buildkit(&build.dockerfile) {
        return Err(Fault::refused("the Dockerfile uses `RUN --mount`, which the classic builder does not know")
            .help("use an engine that has BuildKit (20.10 or newer, not switched off in its daemon.json, and no DOCKER_BUILDKIT=0), or take the mounts out"));
    }
    Ok(())
}
