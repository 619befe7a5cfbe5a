//! The Dockerfile that Landfall writes for a service that has none.
//!
//! Every one of them has the same shape: a stage that installs what is locked before it sees the source, so that a change
//! of the source installs nothing; the user's build; and a last stage that holds what runs, as a user that is not root.

mod choice;
mod command;
mod go;
mod last;
mod next;
mod node;
mod node_manager;
mod packages;
mod plain;
mod python;
mod python_install;
mod range;
mod rust;
mod site;
mod text;
mod version;
mod work;

use landfall_model::{Command, Dependencies, Fault, Image, Kind, Spec};

use crate::Source;
use choice::Language;
use work::Work;

/// The user and the group of an image that Landfall writes: numbers, so that the engine need not look them up, and high
/// enough to be no user of the host's.
pub const USER: (u32, u32) = (10001, 10001);

/// The same, as `COPY --chown` and `USER` take it.
const OWNER: &str = "10001:10001";

/// Where the source lies in an image.
const APP: &str = "/app";

/// What the image is wanted for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// What the service is.
    pub kind: Kind,
    /// Starts an instance.
    pub run: Option<&'a Command>,
    /// Builds, once the dependencies are there.
    pub build: Option<&'a Command>,
    /// Of a site: the folder that is served.
    pub output: Option<&'a str>,
    /// Whether dependencies are installed.
    pub dependencies: Dependencies,
    /// Whether the test gate runs in the image, which then holds what is only for development, too.
    pub tested: bool,
    /// The port that it listens on inside.
    pub port: u16,
    /// Whether BuildKit builds it.
    pub buildkit: bool,
    /// Build arguments: variables of everything that is run to make the image.
    pub args: Vec<&'a str>,
    /// Variables that only `build` sees; their values come as build arguments, too.
    pub env: Vec<&'a str>,
    /// Secrets that installing and building find in their environment. They need BuildKit.
    pub secrets: &'a [String],
}

impl<'a> Wanted<'a> {
    /// What a service wants of its image.
    #[must_use]
    pub fn of(spec: &'a Spec, port: u16, buildkit: bool) -> Self {
        let image = spec.container.as_ref().map(|container| &container.image);
        let build = image.and_then(|image| match image {
            Image::Build(build) => Some(build),
            Image::Ready { .. } => None,
        });
        let args: Vec<&str> =
            build.into_iter().flat_map(|build| build.args.keys().map(String::as_str)).collect();
        let env = spec.env.keys().map(String::as_str).filter(|name| !args.contains(name)).collect();
        Self {
            kind: spec.kind,
            run: spec.run.as_ref(),
            build: spec.build.as_ref(),
            output: spec.output.as_deref(),
            dependencies: spec.dependencies,
            tested: !spec.test.is_empty(),
            port,
            buildkit,
            args,
            env,
            secrets: build.map_or(&[], |build| &build.secrets),
        }
    }
}

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its text. The build context is the source.
    pub text: String,
    /// What it was made from and what follows, one sentence each without a full stop.
    pub notes: Vec<String>,
    /// The user and the group that instances run as.
    pub user: (u32, u32),
}

/// Writes a Dockerfile for a source. The same source and wants give the same bytes.
///
/// # Errors
/// A source in which nothing is recognized, with what was looked for; files that cannot be used; what the builder cannot
/// do.
pub fn generate(source: &dyn Source, wanted: &Wanted<'_>) -> Result<Written, Fault> {
    if !wanted.buildkit && !wanted.secrets.is_empty() {
        return Err(Fault::refused("build secrets need BuildKit, which this engine's builder does not have")
            .help(
                "upgrade the engine (`docker version` 23.0 or later has it), or take `build.secrets` out",
            ));
    }
    let mut work = Work::new(source, wanted);
    work.text
        .comment("Written by Landfall. Saved as `Dockerfile` beside the source it is used as it stands.");
    match choice::choose(&work)? {
        Language::Python { with_node } => python::write(&mut work, with_node)?,
        Language::Node => node::write(&mut work)?,
        Language::Rust => rust::write(&mut work)?,
        Language::Go => go::write(&mut work)?,
        Language::Plain => plain::write(&mut work)?,
        Language::Static => site::write_plain(&mut work),
    }
    Ok(Written { text: work.text.finish(), notes: work.notes, user: USER })
}
