//! A Dockerfile being written: the source it is written for, the text so far, what there is to say of it.

use std::collections::BTreeSet;

use landfall_model::{Command, Dependencies, Fault, Kind};

use super::text::{Copy, Run, Text};
use super::{APP, Wanted};
use crate::Source;
use crate::detect::{Detected, Manager, by_listing};

/// A Dockerfile being written.
pub(super) struct Work<'a> {
    source: &'a dyn Source,
    files: BTreeSet<String>,
    /// The managers of dependencies that the source uses.
    pub(super) detected: Vec<Detected>,
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) text: Text,
    pub(super) notes: Vec<String>,
}

impl<'a> Work<'a> {
    pub(super) fn new(source: &'a dyn Source, wanted: &'a Wanted<'a>) -> Self {
        let files: BTreeSet<String> = source.files().into_iter().collect();
        let root = files.iter().filter(|path| !path.contains('/')).cloned().collect();
        let detected = match wanted.dependencies {
            Dependencies::Auto => by_listing(&root, true),
            Dependencies::None => Vec::new(),
        };
        Self { source, files, detected, wanted, text: Text::new(wanted.buildkit), notes: Vec::new() }
    }

    /// Says something about what is written.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The paths of all files.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Whether there is a file at a path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// Whether there is a folder at a path.
    pub(super) fn has_folder(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.files.range(below.clone()..).next().is_some_and(|first| first.starts_with(&below))
    }

    /// The text of a file that must be there.
    ///
    /// # Errors
    /// A file that cannot be read or is no text.
    pub(super) fn read(&self, path: &str) -> Result<String, Fault> {
        let bytes =
            self.source.read(path).ok_or_else(|| unusable(path, "it is not there or larger than 4 MiB"))?;
        String::from_utf8(bytes).map_err(|_| unusable(path, "it is not UTF-8"))
    }

    /// The text of a file, if it is there and is text.
    pub(super) fn look(&self, path: &str) -> Option<String> {
        String::from_utf8(self.source.read(path)?).ok()
    }

    /// The first bytes of a file, if it is there.
    pub(super) fn head(&self, path: &str) -> Option<Vec<u8>> {
        self.source.read(path).map(|mut bytes| {
            bytes.truncate(256);
            bytes
        })
    }

    /// The manager of Python's dependencies, with its files.
    pub(super) fn python(&self) -> Option<&Detected> {
        self.detected.iter().find(|one| matches!(one.manager, Manager::Uv | Manager::Pip))
    }

    /// The manager of Node's dependencies, with its files.
    pub(super) fn node(&self) -> Option<&Detected> {
        self.detected.iter().find(|one| !matches!(one.manager, Manager::Uv | Manager::Pip))
    }

    /// The run line of a service that is no site.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn run_line(&self) -> Result<&'a Command, Fault> {
        self.wanted.run.filter(|_| self.wanted.kind != Kind::Site).ok_or_else(|| {
            Fault::usage("the service has no `run`, and no Dockerfile of its own that says what to start")
                .help("`run` is the command that starts it, for one `run = \"./server\"`")
        })
    }

    /// Begins a stage in which something is run, in the folder of the source.
    pub(super) fn stage(&mut self, image: &str, name: &str) {
        self.text.stage(image, Some(name));
        self.text.args(self.wanted.args.iter().copied());
    }

    /// Copies files of the source to where they lie in it.
    pub(super) fn copy_files<'p>(&mut self, paths: impl IntoIterator<Item = &'p str>) {
        let mut folders: Vec<(String, Vec<String>)> = Vec::new();
        for path in paths {
            let to = path.rsplit_once('/').map_or("./".to_owned(), |(above, _)| format!("./{above}/"));
            match folders.iter_mut().find(|(known, _)| *known == to) {
                Some((_, sources)) => sources.push(path.to_owned()),
                None => folders.push((to, vec![path.to_owned()])),
            }
        }
        for (to, sources) in folders {
            self.text.copy(&Copy { sources, to, ..Copy::default() });
        }
    }

    /// Copies the whole source.
    pub(super) fn copy_all(&mut self) {
        self.text.copy(&whole());
    }

    /// Runs the user's build, if there is one, and behind it a command of ours.
    pub(super) fn build(&mut self, caches: &[&str], behind: Option<&str>) {
        let Some(build) = self.wanted.build else { return };
        self.text.args(self.wanted.env.iter().copied());
        self.text.apart();
        let with = Run { caches, secrets: self.wanted.secrets };
        self.text.run_command(&with, build, behind);
    }
}

/// The whole source, from the context.
pub(super) fn whole() -> Copy {
    Copy { from: None, owned: false, sources: vec![".".to_owned()], to: ".".to_owned() }
}

/// The whole source as a stage left it, for the application's user.
pub(super) fn built(stage: &'static str) -> Copy {
    Copy { from: Some(stage), owned: true, sources: vec![APP.to_owned()], to: APP.to_owned() }
}

/// A file that says what an image holds and cannot be used.
pub(super) fn unusable(path: &str, why: &str) -> Fault {
    Fault::application(format!("{path} cannot be used for a Dockerfile: {why}"))
        .help("it says what the image holds: correct it, or write a Dockerfile of your own")
}
