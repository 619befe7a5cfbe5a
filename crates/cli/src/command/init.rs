//! `landfall init`: a commented manifest for what a folder holds.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use landfall_docker::{Engine, Listed, State, Tls};
use landfall_manifest::init::{Proposal, propose, propose_as_is};
use landfall_model::Fault;
use serde_json::json;

use crate::failure::Failure;
use crate::project::MANIFEST;
use crate::session::block_on;
use crate::settings::{Settings, variable};

/// Where compose says which project a container is of, and which folder that was started from.
const PROJECT_LABEL: &str = "com.docker.compose.project";
const FOLDER_LABEL: &str = "com.docker.compose.project.working_dir";

/// What containers have that an agent made.
const OURS_LABEL: &str = "io.landfall.state";

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder; the one that the command works in when left out
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Prints the manifest and writes nothing
    #[arg(long)]
    dry_run: bool,
    /// Runs the folder's compose file as it stands, instead of making services of it
    #[arg(long)]
    as_is: bool,
    /// Replaces a manifest that is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let folder = match &self.folder {
            Some(folder) => settings.folder.join(folder),
            None => settings.folder.clone(),
        };
        let proposal = self.propose(&folder)?;
        if self.dry_run {
            settings.show(|out, _| out.write_all(proposal.manifest.as_bytes()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let file = folder.join(MANIFEST);
        self.write(&file, &proposal.manifest).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Fault::refused(format!("there is a {} already", file.display()))
                .help("`landfall init --force` replaces it; `--dry-run` prints what would be written"),
            _ => Fault::refused(format!("{} cannot be written: {error}", file.display())),
        })?;
        let noun = json!({ "file": file, "found": proposal.found });
        settings
            .show_noun(&noun, |out, style| landfall_view::proposal(out, &file, &proposal.found, style))?;
        Ok(ExitCode::SUCCESS)
    }

    fn propose(&self, folder: &Path) -> Result<Proposal, Fault> {
        let looked = if self.as_is {
            propose_as_is(folder, &|name| running_project(folder, name))
        } else {
            propose(folder).map(Some)
        };
        let looked = looked
            .map_err(|error| Fault::usage(format!("{} cannot be looked at: {error}", folder.display())))?;
        looked.ok_or_else(|| {
            Fault::usage(format!("{} has no compose file that can be read", folder.display()))
                .help("`landfall init` without `--as-is` looks at everything else in it")
        })
    }

    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true);
        let options = if self.force { options.create(true).truncate(true) } else { options.create_new(true) };
        options.open(file)?.write_all(text.as_bytes())
    }
}

/// The compose project that runs from this folder, whatever it is called, else the one of this name. Without an engine
/// there is none.
fn running_project(folder: &Path, name: &str) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let listed = block_on(async {
        let texts =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let (host, variables) = (variable("DOCKER_HOST"), texts.collect());
        let engine = Engine::connect(host.as_deref(), Tls::of(host.as_deref(), &variables)?).await?;
        Ok(engine.list(&[PROJECT_LABEL.to_owned()]).await?)
    });
    let running: Vec<Listed> = listed.ok()?.into_iter().filter(|one| one.state == State::Running).collect();
    let project = |one: &Listed| one.labels.get(PROJECT_LABEL).cloned();
    let from = |one: &&Listed| {
        one.labels.get(FOLDER_LABEL).is_some_and(|said| Path::new(said) == folder)
            && !one.labels.contains_key(OURS_LABEL)
    };
    let named = |one: &&Listed| {
        one.labels.get(PROJECT_LABEL).is_some_and(|known| known == name)
            && !one.labels.contains_key(OURS_LABEL)
    };
    running.iter().find(from).or_else(|| running.iter().find(named)).and_then(project)
}
