//! `landfall build --print-dockerfile`: what a service's image is made by, without making it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use landfall_artifact::{Index, What};
use landfall_image::{MAX_READ, Scanned, Source, Wanted, generate, scan};
use landfall_model::{Container, Dockerfile, Fault, Image, Runtime, Service};
use serde_json::{Value, json};

use super::Words;
use crate::failure::Failure;
use crate::gather;
use crate::project::Project;
use crate::settings::Settings;

/// The file that a builder looks for.
const DOCKERFILE: &str = "Dockerfile";

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(crate) struct Build {
    #[command(flatten)]
    words: Words,
    /// Prints the Dockerfile of each service: its own, or the one that Landfall writes
    #[arg(long)]
    print_dockerfile: bool,
    /// Writes for the classic builder, which has neither cache mounts nor secrets
    #[arg(long)]
    classic: bool,
}

/// What of a folder travels, and so what an image can be made from.
struct Travelling<'a> {
    index: &'a Index,
    folder: &'a Path,
}

impl Source for Travelling<'_> {
    fn files(&self) -> Vec<String> {
        let files = self.index.entries.iter().filter(|entry| !matches!(entry.what, What::Folder {}));
        files.map(|entry| entry.path.clone()).collect()
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let entries = &self.index.entries;
        entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path.as_bytes())).ok()?;
        let mut bytes = Vec::new();
        File::open(self.folder.join(path)).ok()?.take(MAX_READ + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= MAX_READ).then_some(bytes)
    }
}

/// The Dockerfile of a service, and what is to be said of it.
struct Printed<'a> {
    service: &'a Service,
    /// Where it comes from: `written`, or its path.
    from: String,
    text: String,
    notes: Vec<String>,
}

impl Build {
    pub(crate) fn run(self, settings: &Settings) -> Result<ExitCode, Failure> {
        if !self.print_dockerfile {
            return Err(Fault::usage("`build` makes no image by itself: a deploy does")
                .help("`landfall build --print-dockerfile` shows what one is made by; `landfall deploy` makes it")
                .into());
        }
        let project = Project::open(settings, &self.words.words)?;
        let mut printed = Vec::new();
        for service in project.services() {
            match self.print(&project, service)? {
                Ok(one) => printed.push(one),
                Err(why) => settings.note(&format!("{}: {why}", service.name)),
            }
        }
        if printed.is_empty() {
            return Err(Fault::usage("none of these services has an image that is built").into());
        }
        for one in printed.iter().filter(|_| !settings.json) {
            one.notes.iter().for_each(|note| settings.note(&format!("{}: {note}", one.service.name)));
        }
        let noun = json!({ "services": printed.iter().map(Printed::json).collect::<Vec<Value>>() });
        settings.show_noun(&noun, |out, _| {
            for (at, one) in printed.iter().enumerate() {
                if printed.len() > 1 {
                    let blank = if at > 0 { "\n" } else { "" };
                    writeln!(out, "{blank}# {}: {}", one.service.name, one.from)?;
                }
                write!(out, "{}", one.text)?;
            }
            Ok(())
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// The Dockerfile of a service, or why it has none.
    fn print<'a>(
        &self,
        project: &Project,
        service: &'a Service,
    ) -> Result<Result<Printed<'a>, String>, Fault> {
        let spec = &service.spec;
        let mut notes = Vec::new();
        let dockerfile = match (spec.runtime, spec.container.as_ref().map(|container| &container.image)) {
            (_, Some(Image::Build(build))) => build.dockerfile.clone(),
            (_, Some(Image::Ready { reference })) => {
                return Ok(Err(format!("it is the image {reference}, which is there already")));
            }
            (Runtime::Compose, None) => return Ok(Err("its compose file says what is built".to_owned())),
            (Runtime::Process | Runtime::Docker, None) => {
                notes.push("no container here: this is what `runtime = \"docker\"` would use".to_owned());
                if service.source.join(DOCKERFILE).is_file() {
                    Dockerfile::Own { path: DOCKERFILE.to_owned() }
                } else {
                    Dockerfile::Generated
                }
            }
        };
        let (from, text) = match dockerfile {
            Dockerfile::Own { path } => {
                let file = service.source.join(&path);
                let text = fs::read_to_string(&file)
                    .map_err(|error| Fault::usage(format!("{} cannot be read: {error}", file.display())))?;
                (path, text)
            }
            Dockerfile::Text { name, text, .. } => (name, text),
            Dockerfile::Generated => {
                let bundle = gather::bundled(service, &project.resolved.env_files)?;
                let port =
                    spec.container.as_ref().and_then(|container| container.port).unwrap_or(Container::PORT);
                let wanted = Wanted::of(spec, port, !self.classic);
                let written =
                    generate(&Travelling { index: &bundle.index, folder: &service.source }, &wanted)?;
                notes.extend(written.notes);
                ("written".to_owned(), written.text)
            }
        };
        let moving = scan(&text).references.into_iter().filter(landfall_image::Reference::moves);
        notes.extend(moving.map(|reference| {
            format!(
                "`{}` in line {} means another image tomorrow: name a version",
                reference.image, reference.line
            )
        }));
        Ok(Ok(Printed { service, from, text, notes }))
    }
}

impl Printed<'_> {
    fn json(&self) -> Value {
        let Scanned { stages, references, exposes, .. } = scan(&self.text);
        let stages: Vec<Value> = stages
            .into_iter()
            .map(|stage| json!({ "name": stage.name, "from": stage.from, "line": stage.line }))
            .collect();
        let moves: BTreeMap<String, bool> =
            references.into_iter().map(|reference| (reference.image.clone(), reference.moves())).collect();
        let images: Vec<Value> =
            moves.into_iter().map(|(image, moves)| json!({ "image": image, "moves": moves })).collect();
        json!({
            "service": self.service.name,
            "from": self.from,
            "dockerfile": self.text,
            "stages": stages,
            "images": images,
            "exposes": exposes,
            "notes": self.notes,
        })
    }
}
