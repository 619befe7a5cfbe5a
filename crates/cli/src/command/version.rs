//! `landfall version`: which version the source is, and the next one.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use landfall_artifact::version::{self, Where};
use serde_json::json;

use crate::failure::Failure;
use crate::project::Project;
use crate::settings::Settings;

/// Arguments of `version`.
#[derive(Debug, Args)]
pub(crate) struct Version {
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Raises the version where it comes from: the manifest, a file, or a git tag
    Bump {
        /// The number that goes up
        #[arg(value_enum, default_value = "patch")]
        part: Part,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    Major,
    Minor,
    Patch,
}

impl Version {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        let project = Project::open(settings, &[])?;
        match self.change {
            None => show(settings, &project)?,
            Some(Change::Bump { part }) => bump(settings, &project, part)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(settings: &Settings, project: &Project) -> Result<(), Failure> {
    let resolved = &project.resolved;
    let source = version::source(&resolved.root, &resolved.version)?;
    let noun = json!({
        "version": source.semver.to_string(),
        "commit": source.commit,
        "dirty": source.dirty,
    });
    settings.show_noun(&noun, |out, _| {
        let commit = source.commit.as_deref().unwrap_or("no commit");
        let dirty = if source.dirty { ", with changes that are not committed" } else { "" };
        writeln!(out, "{} ({commit}{dirty})", source.semver)
    })
}

fn bump(settings: &Settings, project: &Project, part: Part) -> Result<(), Failure> {
    let resolved = &project.resolved;
    let part = match part {
        Part::Major => version::Bump::Major,
        Part::Minor => version::Bump::Minor,
        Part::Patch => version::Bump::Patch,
    };
    let bumped = version::bump(&resolved.root, &resolved.file, &resolved.version, part)?;
    let wrote = match &bumped.wrote {
        Where::File(file) => file.display().to_string(),
        Where::Tag(tag) => format!("git tag {tag}"),
    };
    let noun = json!({ "from": bumped.from.to_string(), "to": bumped.to.to_string(), "wrote": wrote });
    settings.show_noun(&noun, |out, _| writeln!(out, "{} -> {} ({wrote})", bumped.from, bumped.to))
}
