//! The Dockerfile that Landfall writes for a service that has none.
//!
//! Every one of them has the same shape: a stage that installs what is locked before it sees the source, so that a change
//! of the source installs nothing; the user's build; and a last stage that holds what runs, as a user that is not root.

mod command;
mod last;
mod python;
mod text;

use landfall_model::{Command, Dependencies, Fault, Kind, Spec};

use crate::Source;
use crate::detect::{Detected, by_listing};
use text::Text;

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
    /// What a service wants, without build arguments and secrets.
    #[must_use]
    pub fn of(spec: &'a Spec, port: u16, buildkit: bool) -> Self {
        Self {
            kind: spec.kind,
            run: spec.run.as_ref(),
            build: spec.build.as_ref(),
            output: spec.output.as_deref(),
            dependencies: spec.dependencies,
            tested: !spec.test.is_empty(),
            port,
            buildkit,
            args: Vec::new(),
            env: spec.env.keys().map(String::as_str).collect(),
            secrets: &[],
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
    let files = source.files();
    let root = files.iter().filter(|path| !path.contains('/')).cloned().collect();
    let detected = match wanted.dependencies {
        Dependencies::Auto => by_listing(&root, true),
        Dependencies::None => Vec::new(),
    };
    let mut work = Work { source, detected, wanted, text: Text::new(wanted.buildkit), notes: Vec::new() };
    work.text
        .comment("Written by Landfall. Save it as `Dockerfile` to take it over: it is then used as it is.");
    python::write(&mut work)?;
    Ok(Written { text: work.text.finish(), notes: work.notes, user: USER })
}

/// A Dockerfile being written.
struct Work<'a> {
    source: &'a dyn Source,
    detected: Vec<Detected>,
    wanted: &'a Wanted<'a>,
    text: Text,
    notes: Vec<String>,
}

impl Work<'_> {
    /// Says something about what is written.
    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The text of a file of the source.
    ///
    /// # Errors
    /// A file that cannot be read or is no text.
    fn read(&self, path: &str) -> Result<String, Fault> {
        let unusable = |why: &str| {
            Fault::application(format!("{path} cannot be used for a Dockerfile: {why}"))
                .help("it says what the image holds: make it readable, or write a Dockerfile beside it")
        };
        let bytes = self.source.read(path).ok_or_else(|| unusable("it is not there or larger than 4 MiB"))?;
        String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8"))
    }
}

#[cfg(test)]
mod tests;
