//! Preparing a project: its sources laid out, its images built or fetched, and each written down by digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use landfall_docker::{ImageId, ImageInfo};
use landfall_fx::host::{Instances as _, Note, Task};
use landfall_model::{Fault, Release, ReleaseState, Stream};
use serde_json::Value;

use super::config::{self, Config, Part};
use super::declared::Things;
use super::pinned::{Pinned, PinnedPart, own_folder, record};
use super::project::{Project, is_interruption};
use super::tool::Generation;
use super::{names, overlay};
use crate::host::LocalHost;
use crate::runtimes::process::environment::Variables;
use crate::runtimes::process::leftovers;
use crate::runtimes::releases::{disk, remove_folder};

/// The overlay for builds.
const BUILD: &str = "landfall.build.yaml";

impl LocalHost {
    /// What `prepare` wrote down of a compose project.
    pub(crate) fn pinned(&self, release: &Release) -> Result<Option<Pinned>, Fault> {
        Pinned::load(self.files(), &self.dir().release(release))
    }

    /// The same, of a release that was prepared before.
    pub(super) fn pinned_before(&self, release: &Release) -> Result<Pinned, Fault> {
        let folder = self.dir().release(release);
        self.pinned(release)?.ok_or_else(|| {
            Fault::machine(format!(
                "what {} was pinned to is gone from {}",
                release.id,
                record(&folder).display()
            ))
        })
    }

    /// Lays the sources out, builds and fetches images, and writes down what they are. One that has served is what it was
    /// pinned to: an image of it that is gone is fetched by its digest, and never built again.
    pub(super) fn prepare_project(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        if self.is_running(release)? {
            return Err(Fault::machine(format!("{} still runs: its files stay", release.id)));
        }
        let known = self.state().release(&release.app, &release.environment, &release.id)?;
        if let Some(pinned) = self.pinned(release)?
            && known.is_some_and(|known| known.state != ReleaseState::Failed)
        {
            Project::open(self, release)?.fetch_missing(&pinned, task)?;
            return Ok(Some("the images that it was pinned to".to_owned()));
        }
        let folder = self.dir().release(release);
        leftovers::end(&folder, self.clock());
        remove_folder(&own_folder(&folder))?;
        remove_folder(&folder)?;
        self.store().materialize(&release.artifact, &folder).map_err(Fault::from)?;
        let own = own_folder(&folder);
        fs::create_dir_all(&own).map_err(|e| disk(&own, "made", &e))?;
        let project = Project::open(self, release)?;
        project.refuse_others()?;
        let absent = project.make_env_files()?;
        let config = config::read(&project.ask(&project.call(&[]).config())?)?;
        project.refuse_outside(&config)?;
        let mut pinned = project.draft(&config, &absent)?;
        project.refuse_left_behind(&pinned)?;
        self.declare(release, project.things(&config))?;
        let note = match self.alike(release, &pinned)? {
            Some(before) => {
                pinned = before;
                "the images of the release before".to_owned()
            }
            None => project.make_images(&config, &mut pinned, task)?,
        };
        pinned.save(self.files(), &folder)?;
        Ok(Some(note))
    }

    /// What another release of the service was pinned to that has the same sources and the same configuration, when all
    /// its images are still there: nothing has to be built.
    fn alike(&self, release: &Release, draft: &Pinned) -> Result<Option<Pinned>, Fault> {
        let engine = self.docker()?;
        for known in self.state().releases(&release.app, &release.environment)? {
            let other = &known.release;
            let alike = other.id != release.id
                && other.service() == release.service()
                && (&other.artifact, &other.config) == (&release.artifact, &release.config);
            let Some(pinned) = (if alike { self.pinned(other)? } else { None }) else { continue };
            let there = |part: &PinnedPart| {
                let found = self.wait_for(engine.image(&part.name));
                found.is_ok_and(|found| found.is_some_and(|image| image.id.as_str() == part.id))
            };
            if pinned.is_like(draft) && pinned.parts.values().all(there) {
                return self.tagged(release, pinned).map(Some);
            }
        }
        Ok(None)
    }

    /// The same images under tags of this release: those of the other one go with it.
    fn tagged(&self, release: &Release, mut pinned: Pinned) -> Result<Pinned, Fault> {
        let engine = self.docker()?;
        for (name, part) in pinned.parts.iter_mut().filter(|(_, part)| part.built) {
            part.name = names::image(release, name);
            self.wait_for(engine.tag(&ImageId::new(part.id.as_str()), &part.name))?;
        }
        Ok(pinned)
    }

    /// Labels of everything that belongs to a project, the same for each of its releases.
    pub(super) fn project_labels(&self, release: &Release) -> BTreeMap<String, String> {
        [
            ("io.landfall.state", self.mark().to_owned()),
            ("io.landfall.app", release.app.to_string()),
            ("io.landfall.environment", release.environment.to_string()),
            ("io.landfall.service", release.service().to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

impl Project<'_> {
    /// Files of variables never travel with the sources. Where the compose file wants one, an empty one stands for it, and
    /// the parts that read it get the manifest's variables and secrets. Gives those parts.
    fn make_env_files(&self) -> Result<BTreeSet<String>, Fault> {
        let mut parts = BTreeSet::new();
        for (name, file) in self.env_files()? {
            let path = self.folder.join(&file);
            if path.exists() || Path::new(&file).is_absolute() || !is_inside(&self.folder, &path) {
                continue;
            }
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|e| disk(folder, "made", &e))?;
            }
            fs::write(&path, "").map_err(|e| disk(&path, "written", &e))?;
            parts.insert(name);
        }
        // Several parts may read one file.
        let wanted = self.env_files()?;
        let empty = |file: &String| fs::metadata(self.folder.join(file)).is_ok_and(|facts| facts.len() == 0);
        parts.extend(wanted.into_iter().filter(|(_, file)| empty(file)).map(|(name, _)| name));
        Ok(parts)
    }

    /// Each part and file of variables that it reads, before anything is filled in.
    fn env_files(&self) -> Result<Vec<(String, String)>, Fault> {
        let mut texts = Vec::new();
        if self.tool.generation == Generation::Two {
            let flags =
                ["config", "--no-interpolate", "--no-normalize", "--no-path-resolution", "--format", "json"];
            texts.push(self.ask(&self.call(&[]).words(&flags))?);
        } else {
            // The first generation fails where one is not there.
            for file in &self.compose.files {
                let path = self.folder.join(file);
                texts.push(fs::read_to_string(&path).map_err(|e| disk(&path, "read", &e))?);
            }
        }
        let mut found = Vec::new();
        for text in texts {
            // A file that is laid over another may have no services.
            let Ok(config) = config::read(&text) else { continue };
            for (name, part) in config.parts {
                found.extend(part.env_files.into_iter().map(|file| (name.clone(), file)));
            }
        }
        Ok(found)
    }

    /// The volumes and networks that the files declare, as the engine will call them.
    fn things(&self, config: &Config) -> Things {
        let name = |(key, name): (&String, &Option<String>)| {
            name.clone().unwrap_or_else(|| format!("{}_{key}", self.name))
        };
        Things {
            volumes: config.volumes.iter().map(name).collect(),
            networks: config.networks.iter().map(name).collect(),
        }
    }

    /// Refuses what lies beside the service's folder: it did not travel, and compose would make an empty folder of it.
    fn refuse_outside(&self, config: &Config) -> Result<(), Fault> {
        let releases = self.folder.parent().unwrap_or(&self.folder);
        for (name, part) in &config.parts {
            let binds = part.binds.iter().map(|bind| ("sees", &bind.source));
            let context = part.context.iter().map(|context| ("is built in", context));
            for (what, path) in binds.chain(context) {
                let path = Path::new(path);
                if path.starts_with(releases) && !path.starts_with(&self.folder) {
                    let shown = path.strip_prefix(releases).unwrap_or(path);
                    return Err(Fault::usage(format!(
                        "`{name}` of {} {what} ../{}, which lies outside of the service's folder and does not travel",
                        self.files(),
                        shown.display()
                    ))
                    .help("let the service's `path` name the folder above, and `compose` the file below it"));
                }
            }
        }
        Ok(())
    }

    /// What is known before there are images.
    fn draft(&self, config: &Config, absent: &BTreeSet<String>) -> Result<Pinned, Fault> {
        let parts = config.parts.iter().map(|(name, part)| {
            let kept = part.binds.iter().filter_map(|bind| {
                let path = Path::new(&bind.source);
                let below = path.strip_prefix(&self.folder).ok()?;
                (!path.exists()).then(|| (below.display().to_string(), bind.target.clone()))
            });
            let pinned = PinnedPart {
                scale: part.scale,
                ends: part.ends,
                given: part.builds || absent.contains(name),
                built: part.builds,
                after: part.after.clone(),
                grace: part.grace,
                kept: kept.collect(),
                ..PinnedPart::default()
            };
            (name.clone(), pinned)
        });
        let mut pinned = Pinned::new(parts.collect());
        let chosen = self.chosen(config)?;
        pinned.answers = chosen.clone().zip(self.compose.port);
        pinned.tested = chosen;
        if pinned.answers.as_ref().is_some_and(|(name, _)| pinned.parts[name].scale != 1) {
            return Err(Fault::usage(format!(
                "`{}` of {} has several containers, and one alone can answer at a port",
                pinned.answers.map(|(name, _)| name).unwrap_or_default(),
                self.files()
            ))
            .help("take `scale` and `deploy.replicas` away, or `compose.port`: the project then publishes its ports itself"));
        }
        for (name, file) in &config.secret_files {
            let path = Path::new(file);
            if path.exists() {
                continue;
            }
            let secret = self.release.spec.secrets.iter().find(|secret| folded(secret) == folded(name));
            let secret = secret.ok_or_else(|| {
                Fault::usage(format!(
                    "the secret `{name}` of {} is the file {file}, which is not there",
                    self.files()
                ))
                .help(format!("name it in the service's `secrets`, as `{}`", folded(name)))
            })?;
            pinned.secret_files.insert(name.clone(), secret.clone());
        }
        for (name, part) in &config.parts {
            let Some(pin) = pinned.parts.get_mut(name) else { continue };
            let secrets = &pinned.secret_files;
            pin.reads = part.secrets.iter().filter_map(|secret| secrets.get(secret)).cloned().collect();
            pin.sourced = self.reads_sources(config, part);
        }
        Ok(pinned)
    }

    /// Whether a part reads secrets or configurations that came with the sources.
    fn reads_sources(&self, config: &Config, part: &Part) -> bool {
        let secrets = part.secrets.iter().filter_map(|name| config.secret_files.get(name));
        let configs = part.configs.iter().filter_map(|name| config.config_files.get(name));
        secrets.chain(configs).map(Path::new).any(|file| file.starts_with(&self.folder) && file.exists())
    }

    /// The part that answers and is tested: the one that the manifest names, else the only one that is built, else the
    /// only one there is.
    fn chosen(&self, config: &Config) -> Result<Option<String>, Fault> {
        let named = self.compose.service.as_ref();
        if let Some(name) = named {
            if config.parts.contains_key(name) {
                return Ok(Some(name.clone()));
            }
            let known: Vec<String> = config.parts.keys().map(|name| format!("`{name}`")).collect();
            return Err(Fault::usage(format!("there is no service `{name}` in {}", self.files()))
                .help(format!("it has {}", known.join(", "))));
        }
        let only = |mut names: Vec<&String>| if names.len() == 1 { names.pop().cloned() } else { None };
        let built = config.parts.iter().filter(|(_, part)| part.builds).map(|(name, _)| name).collect();
        let chosen = only(built).or_else(|| only(config.parts.keys().collect()));
        let needed = self.compose.port.is_some() || !self.release.spec.test.is_empty();
        if chosen.is_none() && needed {
            return Err(Fault::usage(format!(
                "which service of {} answers, and is tested, is not said",
                self.files()
            ))
            .help("add `compose = { service = \"NAME\" }`"));
        }
        Ok(chosen)
    }

    /// Builds what is built, fetches what is not there, and writes each image's digest into `pinned`. Gives a note.
    fn make_images(&self, config: &Config, pinned: &mut Pinned, task: &dyn Task) -> Result<String, Fault> {
        let built = config.parts.values().filter(|part| part.builds).count();
        if built > 0 {
            let labels = self.image_labels();
            let file = self.own.join(BUILD);
            write(&file, &overlay::build(self.release, config, &labels))?;
            self.perform(self.call(&[&file]).words(&["build"]), &Variables::new(), task)?;
        }
        for (name, part) in &config.parts {
            let (named, by_us) = self.image_of(config, name, part)?;
            if !by_us {
                self.fetch(name, &named, part.pulls, task)?;
            }
            let image = self.host.wait_for(self.engine.image(&named))?.ok_or_else(|| {
                Fault::machine(format!("the image {named} of `{name}` is not there"))
                    .help("it may have been removed a moment ago; deploy again")
            })?;
            let Some(pin) = pinned.parts.get_mut(name) else { continue };
            image.id.as_str().clone_into(&mut pin.id);
            pin.image = if by_us { pin.id.clone() } else { by_digest(&named, &image) };
            pin.name = named;
        }
        let fetched = config.parts.len() - built;
        Ok(format!("{built} built, {fetched} pinned as they are"))
    }

    /// The name of a part's image, and whether it is built here: its own, or that of another part which names the same.
    fn image_of(&self, config: &Config, name: &str, part: &Part) -> Result<(String, bool), Fault> {
        if part.builds {
            return Ok((names::image(self.release, name), true));
        }
        let image = part.image.clone().ok_or_else(|| {
            Fault::usage(format!("`{name}` of {} has neither image nor build", self.files()))
        })?;
        let builder =
            config.parts.iter().find(|(_, other)| other.builds && other.image.as_ref() == Some(&image));
        Ok(builder.map_or((image, false), |(builder, _)| (names::image(self.release, builder), true)))
    }

    /// Fetches an image unless it is there. One that only is to be asked for anew may stay as it is.
    fn fetch(&self, part: &str, image: &str, anew: bool, task: &dyn Task) -> Result<(), Fault> {
        let there = self.host.wait_for(self.engine.image(image))?.is_some();
        if there && !anew {
            return Ok(());
        }
        let pulled = self.perform(self.call(&[]).words(&["pull", part]), &Variables::new(), task);
        match pulled {
            Err(fault) if there && !is_interruption(&fault) => {
                task.line(Stream::Err, &format!("{image} cannot be fetched; the one that is here is used"));
                Ok(())
            }
            other => other.map_err(|fault| {
                fault.help(format!("is {image} the right name, and may this host fetch it (`docker login`)?"))
            }),
        }
    }

    /// Labels of images that are built, by the OCI's annotations (specs.opencontainers.org/image-spec/annotations).
    fn image_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.host.project_labels(self.release);
        let version = self.release.id.version();
        let mut add =
            |key: &str, value: String| labels.insert(format!("org.opencontainers.image.{key}"), value);
        add("version", version.to_string());
        add("created", self.release.created.to_string());
        add("title", format!("{}/{}", self.release.app, self.release.service()));
        if let Some(commit) = version.commit() {
            add("revision", commit.to_owned());
        }
        labels.insert("io.landfall.release".to_owned(), self.release.id.to_string());
        labels.insert("io.landfall.artifact".to_owned(), self.release.artifact.to_string());
        labels
    }
}

/// Writes a file of ours.
pub(super) fn write(file: &Path, value: &Value) -> Result<(), Fault> {
    fs::write(file, format!("{value:#}\n")).map_err(|e| disk(file, "written", &e))
}

/// An image by its registry's digest of the repository that it was named with; by its id where it has none.
fn by_digest(named: &str, image: &ImageInfo) -> String {
    let repository = |text: &str| {
        let name = text.split('@').next().unwrap_or(text);
        let tag = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        name[..tag.unwrap_or(name.len())]
            .trim_start_matches("docker.io/")
            .trim_start_matches("library/")
            .to_owned()
    };
    let wanted = repository(named);
    image
        .digests
        .iter()
        .find(|digest| repository(digest) == wanted)
        .cloned()
        .unwrap_or_else(|| image.id.to_string())
}

/// A name of a secret as the manifest's secrets are named.
fn folded(name: &str) -> String {
    name.to_ascii_uppercase().replace(['-', '.'], "_")
}

/// Whether a path that may hold `..` stays in a folder.
fn is_inside(folder: &Path, path: &Path) -> bool {
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                real.pop();
            }
            other => real.push(other),
        }
    }
    real.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_followed_upwards() {
        let folder = Path::new("/r/1");
        assert!(is_inside(folder, Path::new("/r/1/a/../.env")));
        assert!(!is_inside(folder, Path::new("/r/1/../.env")));
        assert!(!is_inside(folder, Path::new("/r/1/../../.env")));
    }

    #[test]
    fn secrets_are_named_alike() {
        assert_eq!(folded("db-password.txt"), "DB_PASSWORD_TXT");
    }
}
