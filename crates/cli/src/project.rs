//! The manifest that a command is about: found, read for one environment, its services chosen.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use landfall_manifest::{Context, Loaded};
use landfall_model::{AppName, EnvironmentName, Fault, Resolved, Service, ServiceName, VersionSource};

use crate::failure::Failure;
use crate::select::Selection;
use crate::session;
use crate::settings::Settings;

/// The manifest's name.
pub(crate) const MANIFEST: &str = "landfall.toml";

/// A manifest, read for the environment that is meant.
pub(crate) struct Project {
    /// What it means there.
    pub(crate) resolved: Resolved,
    /// The environment and the services that were named.
    pub(crate) selection: Selection,
}

impl Project {
    /// Finds the manifest in the settings' folder or above and reads it for what `words` mean. Warnings are drawn.
    ///
    /// # Errors
    /// No manifest, problems in it, a word that means nothing.
    pub(crate) fn open(settings: &Settings, words: &[String]) -> Result<Self, Failure> {
        let (project, environments) = Self::meaning(settings, words)?;
        project.selection.check(&project.names(), &environments)?;
        Ok(project)
    }

    /// What the words mean, with the manifest's environments; whether the services that they name exist is still open.
    fn meaning(settings: &Settings, words: &[String]) -> Result<(Self, Vec<String>), Failure> {
        let file = find(&settings.folder)?;
        let text = read(&file)?;
        let environments = landfall_manifest::environments(&text);
        let selection = Selection::of(words, &environments)?;
        let Loaded { resolved, warnings } = load(&file, &text, &selection.environment)?;
        settings.warn(&warnings);
        Ok((Self { resolved, selection }, environments))
    }

    /// The same for a verb that is about what runs already: a service that was taken out of the manifest can be named
    /// while it is deployed. Names are needed alone, so that a manifest with problems (one that is being edited while a
    /// rollback is wanted) is said to have some and is no obstacle.
    ///
    /// # Errors
    /// No manifest, one whose name cannot be made out, a word that means nothing.
    pub(crate) fn of_running(settings: &Settings, words: &[String]) -> Result<Self, Failure> {
        let opened = match Self::meaning(settings, words) {
            Ok((project, environments)) => {
                let mut known = project.names();
                if project.selection.check(&known, &environments).is_ok() {
                    return Ok(project);
                }
                let deployed = session::deployed(project.app(), project.environment())?;
                known.extend(deployed.iter().filter(|service| !known.contains(service)).collect::<Vec<_>>());
                project.selection.check(&known, &environments)?;
                return Ok(project);
            }
            failed => failed.map(|(project, _)| project),
        };
        let Err(Failure::Diagnostics(_)) = &opened else { return opened };
        let file = find(&settings.folder)?;
        let text = read(&file)?;
        let Some(app) = landfall_manifest::app_name(&text) else { return opened };
        let selection = Selection::of(words, &landfall_manifest::environments(&text))?;
        settings
            .note(&format!("{MANIFEST} has problems, which `landfall check` shows; they do not matter here"));
        let resolved = Resolved {
            app,
            environment: selection.environment.clone(),
            root: file.parent().unwrap_or_else(|| Path::new("/")).to_owned(),
            text: text.into(),
            file,
            version: VersionSource::Git,
            env_files: Vec::new(),
            services: Vec::new(),
        };
        Ok(Self { resolved, selection })
    }

    /// The same for a verb that is about an environment as a whole.
    ///
    /// # Errors
    /// As [`Project::of_running`]; a word that is no environment.
    pub(crate) fn of_environment(settings: &Settings, word: Option<&str>) -> Result<Self, Failure> {
        let words: Vec<String> = word.into_iter().map(str::to_owned).collect();
        let file = find(&settings.folder)?;
        if let Some(word) = word {
            Selection::environment(word, &landfall_manifest::environments(&read(&file)?))?;
        }
        Self::of_running(settings, &words)
    }

    /// The manifest's services, whatever is meant; none where the manifest has problems.
    pub(crate) fn names(&self) -> Vec<&ServiceName> {
        self.resolved.services.iter().map(|service| &service.name).collect()
    }

    /// The application.
    pub(crate) fn app(&self) -> &AppName {
        &self.resolved.app
    }

    /// The environment.
    pub(crate) fn environment(&self) -> &EnvironmentName {
        &self.resolved.environment
    }

    /// The services that are meant, in the order of the deploy.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.resolved.services.iter().filter(|service| self.selection.includes(&service.name))
    }

    /// The manifest's meaning with the services that are not meant left out.
    pub(crate) fn meant(&self) -> Cow<'_, Resolved> {
        if self.is_complete() {
            return Cow::Borrowed(&self.resolved);
        }
        let mut meant = self.resolved.clone();
        meant.services.retain(|service| self.selection.includes(&service.name));
        Cow::Owned(meant)
    }

    /// Whether all services are meant.
    pub(crate) fn is_complete(&self) -> bool {
        self.selection.services.is_empty()
    }
}

/// Finds the manifest in `folder` or the nearest one above.
pub(crate) fn find(folder: &Path) -> Result<PathBuf, Fault> {
    folder.ancestors().map(|folder| folder.join(MANIFEST)).find(|file| file.is_file()).ok_or_else(|| {
        Fault::usage(format!("there is no {MANIFEST} in {} or above it", folder.display()))
            .help("`landfall init` writes one; `-C DIR` names another folder")
    })
}

/// Reads the manifest's text.
pub(crate) fn read(file: &Path) -> Result<String, Fault> {
    fs::read_to_string(file)
        .map_err(|error| Fault::usage(format!("{} cannot be read: {error}", file.display())))
}

/// Reads the manifest for one environment.
pub(crate) fn load(file: &Path, text: &str, environment: &EnvironmentName) -> Result<Loaded, Failure> {
    let root = file.parent().unwrap_or_else(|| Path::new("/"));
    let context = Context {
        file,
        root,
        environment,
        variable: &|name| std::env::var(name).ok(),
        is_folder: &|path| path.is_dir(),
        is_file: &|path| path.is_file(),
        text: &|path| fs::read_to_string(path).ok(),
    };
    Ok(landfall_manifest::load(text, &context)?)
}
