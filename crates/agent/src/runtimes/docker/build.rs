//! The image of a release: found again, built from its bundle, or resolved from a reference; from then on a digest.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use landfall_docker::{Build, Builder, Engine, ImageId, ImageInfo};
use landfall_fx::host::{Instances as _, Note, Task};
use landfall_image::{DOCKERIGNORE, Ignore, Source as _, Wanted, context, generate, scan};
use landfall_model::{
    Container, Digest, Dockerfile, Fault, FaultKind, Image, ImageBuild, Kind, Release, Stream,
};
use landfall_shim::Redactor;
use secrecy::SecretString;

use super::container::of;
use super::names;
use super::record::Built;
use super::ship::source;
use super::source::Bundle;
use crate::host::LocalHost;
use crate::runtimes::process::environment::{self, Additions};
use crate::runtimes::process::prepared::record_path;
use crate::runtimes::releases::{disk, remove_folder};

/// Between two looks whether a person asked to stop.
const LOOK: Duration = Duration::from_millis(100);

/// An image that the engine has, what is known of it so far, and what is said of it to people.
type Prepared = (ImageInfo, Built, String);

/// What an image is made from, all of it known before anything is built.
struct Recipe {
    dockerfile: String,
    ignore: Option<Ignore>,
    args: BTreeMap<String, String>,
    /// The digest of all that the image depends on, but for what its base images mean on the day.
    key: Digest,
    /// Whether Landfall wrote the Dockerfile.
    written: bool,
    notes: Vec<String>,
}

impl LocalHost {
    /// Whether the image of a release is known and there.
    pub(super) fn has_image(&self, release: &Release) -> Result<bool, Fault> {
        let Some(built) = self.built(release)? else { return Ok(false) };
        if release.spec.kind == Kind::Site {
            return Ok(self.site_root(release).is_dir());
        }
        let docker = self.docker()?;
        Ok(self.wait_for(docker.image(&built.image.to_string()))?.is_some())
    }

    /// Finds or builds the release's image, and writes down which it is.
    pub(super) fn prepare_image(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        if self.is_running(release)? {
            return Err(Fault::machine(format!("{} still runs: its image stays", release.id)));
        }
        let docker = self.docker()?;
        let container = of(release)?;
        let (info, known, note) = match self.built(release)? {
            Some(built) => {
                let info = self.again(&docker, release, &built, task)?;
                if let Some(tag) = &built.tag {
                    self.wait_for(tagged(&docker, &info.id, tag))?;
                }
                (info, built, "the same image as before".to_owned())
            }
            None => match &container.image {
                Image::Ready { reference } => self.take_ready(&docker, reference, task)?,
                Image::Build(build) => self.find_or_build(&docker, release, container, build, task)?,
            },
        };
        refuse_foreign(container, &info, &docker)?;
        refuse_lost_data(container, release, &info)?;
        let port = container.port.or(only(&info.exposed)).unwrap_or(Container::PORT);
        let checks_itself = info.healthcheck.is_some();
        let mut built = known;
        let user = self.who(&docker, release, &built.image, &info.user)?;
        (built.port, built.checks_itself, built.user) = (port, checks_itself, user);
        if release.spec.kind == Kind::Site {
            built.output = Some(self.lay_out_site(&docker, release, &built.image)?);
        }
        self.make_volumes(release)?;
        self.save_built(release, &built)?;
        Ok(Some(format!("{note}, {}", built.image.short())))
    }

    /// The image that a reference means now.
    fn take_ready(&self, docker: &Engine, reference: &str, task: &dyn Task) -> Result<Prepared, Fault> {
        let info = self.wait_for(self.ready(docker, reference, task))?;
        let mut built = Built::new(digest(&info.id)?, None, Container::PORT);
        built.source = source(&info, repository(reference)).or_else(|| info.digests.first().cloned());
        Ok((info, built, reference.to_owned()))
    }

    /// The image of a release's sources: one that another release was made of, from the same, or a new one.
    fn find_or_build(
        &self,
        docker: &Engine,
        release: &Release,
        container: &Container,
        build: &ImageBuild,
        task: &dyn Task,
    ) -> Result<Prepared, Fault> {
        let tag = names::tag(&release.app, release.service(), release.id.version(), container);
        let builder = self.builder(docker, build)?;
        let buildkit = builder.engine.has_buildkit(self.asked_builder());
        let recipe = self.recipe(release, container, build, buildkit)?;
        for note in &recipe.notes {
            task.line(Stream::Out, note);
        }
        let (written, key) = (recipe.written, recipe.key);
        let found = self.found(docker, &key, release, container)?;
        let note = if found.is_some() { "the same image as before" } else { "image built" };
        let id = match found {
            Some(found) if found.published => found.id,
            Some(found) => self.publish(docker, &found.id, release, task)?,
            None => {
                let id = self.build_image(&builder.engine, release, build, recipe, task)?;
                self.bring(docker, &builder, &id, release, task)?
            }
        };
        let info = self.wait_for(tagged(docker, &id, &tag))?;
        let mut built = Built::new(digest(&info.id)?, Some(tag), Container::PORT);
        built.key = Some(key);
        built.source = container.registry.as_deref().and_then(|registry| source(&info, registry));
        built.says_run = written;
        Ok((info, built, note.to_owned()))
    }

    fn recipe(
        &self,
        release: &Release,
        container: &Container,
        build: &ImageBuild,
        buildkit: bool,
    ) -> Result<Recipe, Fault> {
        let bundle = Bundle::new(self.store(), self.index(release)?);
        let mut args = build.args.clone();
        let mut notes = Vec::new();
        let (dockerfile, beside) = match &build.dockerfile {
            Dockerfile::Own { path } => {
                let text = bundle.read(path).ok_or_else(|| {
                    Fault::usage(format!("`{}` has no Dockerfile `{path}`", release.service()))
                        .help("is it left out by a .gitignore or a .dockerignore?")
                })?;
                let beside = bundle.read(&format!("{path}{DOCKERIGNORE}"));
                (text_of(text, path)?, beside.map(|text| text_of(text, DOCKERIGNORE)).transpose()?)
            }
            Dockerfile::Text { text, ignore, .. } => (text.clone(), ignore.clone()),
            Dockerfile::Generated => {
                let port = container.port.unwrap_or(Container::PORT);
                let mut wanted = Wanted::of(&release.spec, port, buildkit);
                wanted.args = build.args.keys().map(String::as_str).collect();
                wanted.secrets = &build.secrets;
                let written = generate(&bundle, &wanted)?;
                if release.spec.build.is_some() {
                    args.extend(build_env(release)?);
                }
                notes.extend(written.notes);
                (written.text, None)
            }
        };
        let text = match beside {
            Some(text) => Some(text),
            None => bundle.read(DOCKERIGNORE).map(|text| text_of(text, DOCKERIGNORE)).transpose()?,
        };
        for reference in scan(&dockerfile).references.iter().filter(|reference| reference.moves()) {
            notes.push(format!(
                "`{}` in line {} means another image tomorrow: name a version",
                reference.image, reference.line
            ));
        }
        let key = serde_json::json!([
            release.artifact,
            dockerfile,
            text,
            args,
            build.target,
            build.platform,
            build.secrets,
            build.network
        ]);
        Ok(Recipe {
            ignore: text.as_deref().map(Ignore::parse).transpose()?,
            key: Digest::of(key.to_string().as_bytes()),
            written: build.dockerfile == Dockerfile::Generated,
            dockerfile,
            args,
            notes,
        })
    }

    fn build_image(
        &self,
        docker: &Engine,
        release: &Release,
        build: &ImageBuild,
        recipe: Recipe,
        task: &dyn Task,
    ) -> Result<ImageId, Fault> {
        let tag = names::tag(&release.app, release.service(), release.id.version(), of(release)?);
        let values = self.secret_values(release)?;
        let redactor = Redactor::new(&values);
        let bundle = Bundle::new(self.store(), self.index(release)?);
        let scanned = scan(&recipe.dockerfile);
        let references = scanned.references.iter().map(|reference| reference.image.as_str());
        let logins = self.wait_for(self.logins_for(references, |line| task.line(Stream::Err, line)));
        let dates = self.dates(release, bundle.index())?;
        let archive: Box<dyn Read + Send> =
            Box::new(context(bundle.context(recipe.ignore, dates, release.created)));
        let wanted = Build {
            context: archive,
            dockerfile: recipe.dockerfile,
            written: recipe.written,
            tags: vec![tag],
            labels: self.image_labels(release, &recipe.key),
            args: recipe.args,
            target: build.target.clone(),
            platform: build.platform.clone(),
            secrets: values
                .iter()
                .filter(|(name, _)| build.secrets.contains(name))
                .map(|(name, value)| (name.clone(), SecretString::from(value.clone())))
                .collect(),
            network: build.network.clone(),
            builder: self.asked_builder(),
            name: format!("{}/{}/{}", self.mark(), release.app, release.service()),
            logins,
        };
        let mut lines = |stream: Stream, line: &str| task.line(stream, &redactor.redact(line));
        self.wait_for(async {
            let building = docker.build(wanted, &mut lines);
            tokio::select! {
                built = building => built,
                fault = stopped(task, "the build") => Err(fault),
            }
        })
    }

    /// The kind of builder that the agent's environment asks for.
    fn asked_builder(&self) -> Builder {
        Builder::asked_for(self.variables().get("DOCKER_BUILDKIT").map(String::as_str))
    }

    /// The annotations of the OCI image specification, and what an image is found again by.
    fn image_labels(&self, release: &Release, key: &Digest) -> BTreeMap<String, String> {
        let version = release.id.version();
        let mut labels = names::of_place(&release.app, &release.environment, self.mark());
        labels.remove(names::ENVIRONMENT);
        let said = [
            ("org.opencontainers.image.title", Some(format!("{}/{}", release.app, release.service()))),
            (names::VERSION, Some(version.to_string())),
            ("org.opencontainers.image.revision", version.commit().map(str::to_owned)),
            ("org.opencontainers.image.source", release.origin.clone()),
            ("org.opencontainers.image.created", Some(release.created.to_string())),
            (names::SERVICE, Some(release.service().to_string())),
            (names::KEY, Some(key.to_string())),
        ];
        labels.extend(said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        labels
    }

    /// Removes the image of a release, unless another needs it, and all that was made of it.
    pub(super) fn discard_image(&self, release: &Release) -> Result<(), Fault> {
        if self.is_running(release)? {
            return Err(Fault::machine(format!("{} still runs: its image stays", release.id)));
        }
        let built = self.built(release)?;
        let folder = self.dir().release(release);
        // The record goes first: without it the rest counts as not prepared, whenever this is cut short.
        let record = record_path(&folder);
        self.files().remove(&record).map_err(|e| disk(&record, "removed", &e))?;
        remove_folder(&folder)?;
        remove_folder(&self.dir().secret_files(release))?;
        let docker = match self.docker() {
            Ok(docker) => docker,
            // Without an engine nothing was made in one.
            Err(_) if built.is_none() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        self.wait_for(async {
            let id = release.id.to_string();
            for (label, value) in [(names::RELEASE, &id), (names::GATE, &id)] {
                let (app, environment) = (release.app.to_string(), release.environment.to_string());
                let ours = names::filters(&[
                    (names::STATE, self.mark()),
                    (names::APP, &app),
                    (names::ENVIRONMENT, &environment),
                    (label, value),
                ]);
                for left in docker.containers(&ours).await? {
                    self.take_away(&docker, &left.id).await?;
                }
            }
            // The image goes with its last tag.
            let Some(tag) = built.and_then(|built| built.tag) else { return Ok(()) };
            match docker.remove_image(&tag).await {
                // Some container has it still: it goes with the images that nothing needs, once that is gone.
                Err(fault) if fault.kind == FaultKind::Refused => Ok(()),
                removed => removed.map(drop),
            }
        })
    }
}

/// Ends, when a person asked to stop, with the fault that says so.
pub(crate) async fn stopped(task: &dyn Task, what: &str) -> Fault {
    while !task.cancelled() {
        tokio::time::sleep(LOOK).await;
    }
    Fault::application(format!("{what} was interrupted")).kind(FaultKind::Interrupted)
}

/// Gives a version's tag to its image; fails when another image has it: tags never move.
pub(super) async fn tagged(docker: &Engine, id: &ImageId, tag: &str) -> Result<ImageInfo, Fault> {
    match docker.image(tag).await? {
        Some(there) if there.id == *id => return Ok(there),
        Some(there) => {
            return Err(Fault::machine(format!(
                "the tag {tag} is another image's already, {}",
                there.id.short()
            ))
            .help(format!(
                "a version's tag is given once; `docker image rm {tag}` takes the stranger's away"
            )));
        }
        None => docker.tag(id, tag).await?,
    }
    docker
        .image(tag)
        .await?
        .ok_or_else(|| Fault::machine(format!("the image {tag} is gone right after it was made")))
}

/// Refuses an image that keeps data where nothing of the manifest is: the engine gives each container a volume of its own
/// there, which goes with it at the next deploy.
fn refuse_lost_data(container: &Container, release: &Release, info: &ImageInfo) -> Result<(), Fault> {
    let kept = release.spec.volumes.values().map(String::as_str);
    // `/run:size=64m` is the folder `/run`.
    let thrown_away = container.tmpfs.iter().filter_map(|text| text.split(':').next());
    let named: Vec<&Path> = kept.chain(thrown_away).map(Path::new).collect();
    let lost = info.volumes.iter().find(|path| !named.iter().any(|named| Path::new(path).starts_with(named)));
    let Some(path) = lost else { return Ok(()) };
    Err(Fault::usage(format!("the image keeps data in {path}, which no volume of `{}` is", release.service())).help(
        format!(
            "`volumes = {{ data = \"{path}\" }}` keeps it from release to release; `tmpfs = [\"{path}\"]` says that it may be lost"
        ),
    ))
}

/// Refuses an image for another architecture than the engine's, unless the manifest asks for that very one.
fn refuse_foreign(container: &Container, info: &ImageInfo, docker: &Engine) -> Result<(), Fault> {
    let asked = matches!(&container.image, Image::Build(build) if build.platform.is_some());
    if asked { Ok(()) } else { info.runs_on(docker.about()) }
}

/// A reference without its tag or digest.
fn repository(reference: &str) -> &str {
    let bare = reference.split_once('@').map_or(reference, |(bare, _)| bare);
    match bare.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => bare,
    }
}

fn digest(id: &ImageId) -> Result<Digest, Fault> {
    let wrong = || Fault::machine(format!("the engine calls an image `{id}`, which is no digest"));
    id.as_str().parse().map_err(|_| wrong())
}

/// The only one of some ports.
fn only(ports: &[u16]) -> Option<u16> {
    match ports {
        [port] => Some(*port),
        _ => None,
    }
}

fn text_of(bytes: Vec<u8>, path: &str) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_| Fault::usage(format!("`{path}` is no text in UTF-8")))
}

/// The manifest's variables as the build sees them; a volume's path is the one inside.
fn build_env(release: &Release) -> Result<BTreeMap<String, String>, Fault> {
    let inside = |name: &str| release.spec.volumes.get(name).map(Into::into).unwrap_or_default();
    let all = environment::of_release(release, BTreeMap::new(), &Additions::default(), &inside)?;
    let named = release.spec.env.keys();
    Ok(named.filter_map(|name| Some((name.clone(), all.get(name)?.clone()))).collect())
}
