//! Everything that a plan is made of, gathered side by side: secrets, bundles and the version from here, what is true
//! from the agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_artifact::version::{self, Source};
use landfall_artifact::{Bundle, Ignores, bundle_cached};
use landfall_model::{Digest, Fault, Observed, Service, Timestamp, Version};
use landfall_plan::{Desired, DesiredService};
use landfall_secrets::Values;

use crate::engine::other_engine;
use crate::failure::Failure;
use crate::project::Project;
use crate::session::Session;
use crate::settings::{Settings, variable};

/// Bundles by their source folder and by whose rules they were made: a folder with a Dockerfile may be deployed as
/// processes, too.
pub(crate) type Bundles = BTreeMap<(PathBuf, Ignores), Bundle>;

/// What was gathered, before it is known which version it gets.
pub(crate) struct Gathered {
    /// The conversation with the agent.
    pub(crate) session: Session,
    /// What the place looks like.
    pub(crate) observed: Observed,
    /// The values of the secrets.
    pub(crate) values: Values,
    /// The bundles of all sources.
    pub(crate) bundles: Bundles,
    source: Source,
    /// The address of its repository; asked for only where images say it.
    origin: Option<String>,
    key: [u8; 32],
}

/// The version and the moment that a plan carries.
pub(crate) struct Stamp {
    /// The version that new releases get.
    pub(crate) version: Version,
    /// When the plan was made.
    pub(crate) created: Timestamp,
}

impl Gathered {
    /// Gathers for the project's services. Secrets come first: a missing one is refused before anything is started.
    ///
    /// # Errors
    /// A secret that is missing, a folder that cannot be bundled, an agent that does not come up.
    pub(crate) async fn for_project(settings: &Settings, project: &Project) -> Result<Self, Failure> {
        let meant = project.meant();
        let secrets = landfall_secrets::gather_for(&meant, &|name| std::env::var(name).ok())?;
        settings.warn(&secrets.warnings);
        let here = Here::of(project);
        let reading = tokio::task::spawn_blocking(move || here.read());
        let session = Session::open(project).await?;
        let here = variable("DOCKER_HOST");
        other_engine(project, session.info(), here.as_deref()).iter().for_each(|text| settings.note(text));
        let app = session.app();
        let (observed, key) = tokio::try_join!(app.observed(), session.agent().fingerprint_key())?;
        let (source, origin, bundles) = reading
            .await
            .map_err(|error| Fault::internal(format!("the source could not be read: {error}")))??;
        Ok(Self { session, observed, values: secrets.values, bundles, source, origin, key })
    }

    /// The stamp of a new plan: the source's version, never one that the place has seen.
    pub(crate) fn stamp(&self) -> Stamp {
        let created = Settings::now();
        let version = version::stamp(&self.source, created, self.observed.newest_moment.as_deref());
        Stamp { version, created }
    }

    /// What the application is to be, under this stamp.
    pub(crate) fn desired(&self, project: &Project, stamp: Stamp) -> Desired {
        let services = project.services().map(|service| DesiredService {
            name: service.name.clone(),
            spec: service.spec.clone(),
            artifact: self.artifact(service),
            secrets: self.values.fingerprints(&self.key, &service.name),
            notes: Vec::new(),
        });
        Desired {
            app: project.app().clone(),
            environment: project.environment().clone(),
            version: stamp.version,
            created: stamp.created,
            origin: self.origin.clone(),
            services: services.collect(),
            complete: project.is_complete(),
        }
    }

    /// The digest of a service's bundle.
    ///
    /// # Panics
    /// Never for a service of the project: each was bundled.
    fn artifact(&self, service: &Service) -> Digest {
        self.bundles.get(&source(service)).expect("every service's source was bundled").digest
    }
}

/// What has to be read on this machine; owns all it needs, so that a thread of its own can do it.
struct Here {
    root: PathBuf,
    version: landfall_model::VersionSource,
    /// Each source with the lines that keep secrets out of its bundle.
    sources: BTreeMap<(PathBuf, Ignores), Vec<String>>,
    /// Whether an image is built, which says where its source is kept.
    builds: bool,
}

type Read = (Source, Option<String>, Bundles);

/// A service's source, and whose rules say what of it stays behind.
fn source(service: &Service) -> (PathBuf, Ignores) {
    (service.source.clone(), Ignores::of(&service.spec))
}

impl Here {
    fn of(project: &Project) -> Self {
        let resolved = &project.resolved;
        let mut sources = BTreeMap::new();
        for service in project.services() {
            sources
                .entry(source(service))
                .or_insert_with(|| secret_files(&service.source, &resolved.env_files));
        }
        let builds = project.services().any(|service| service.spec.container.is_some());
        Self { root: resolved.root.clone(), version: resolved.version.clone(), sources, builds }
    }

    /// Reads the version and bundles every source once.
    fn read(self) -> Result<Read, Fault> {
        let source = version::source(&self.root, &self.version)?;
        let origin = if self.builds { version::origin(&self.root)? } else { None };
        let bundle = |(source, secret): ((PathBuf, Ignores), Vec<String>)| {
            let bundle = bundle_of(&source, &secret)?;
            Ok((source, bundle))
        };
        let bundles = self.sources.into_iter().map(bundle).collect::<Result<_, Fault>>()?;
        Ok((source, origin, bundles))
    }
}

/// The bundle of a service's source.
///
/// # Errors
/// A folder that cannot be bundled.
pub(crate) fn bundled(service: &Service, env_files: &[PathBuf]) -> Result<Bundle, Fault> {
    bundle_of(&source(service), &secret_files(&service.source, env_files))
}

fn bundle_of((folder, ignores): &(PathBuf, Ignores), secret: &[String]) -> Result<Bundle, Fault> {
    let cache = cache(folder, ignores, secret);
    Ok(bundle_cached(folder, ignores, secret, cache.as_deref())?)
}

/// Patterns that keep the `.env` files of the manifest out of a bundle, whatever they are called.
fn secret_files(source: &Path, env_files: &[PathBuf]) -> Vec<String> {
    let inside = env_files.iter().filter_map(|file| file.strip_prefix(source).ok()?.to_str());
    let mut patterns: Vec<String> = inside.map(pattern).collect();
    patterns.sort_unstable();
    patterns
}

/// The pattern that means this very path from the source folder on, `gitignore(5)`.
fn pattern(path: &str) -> String {
    let mut pattern = String::from("/");
    for character in path.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '!' | '#' | ' ') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// The file that remembers a source folder's digests; `None` where there is no folder for caches.
fn cache(source: &Path, ignores: &Ignores, secret: &[String]) -> Option<PathBuf> {
    let home = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")))?;
    let mut name = source.as_os_str().as_encoded_bytes().to_vec();
    secret.iter().for_each(|ignored| name.extend_from_slice(ignored.as_bytes()));
    name.extend_from_slice(ignores.tag().as_bytes());
    Some(home.join(format!("landfall/bundles/{}.json", Digest::of(&name).short())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_secrets_do_not_travel() {
        let files = ["/app/.env", "/app/conf/se cret*.env", "/elsewhere/.env"].map(PathBuf::from);
        assert_eq!(secret_files(Path::new("/app"), &files), ["/.env", "/conf/se\\ cret\\*.env"]);

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("[se]cret!.txt"), "value").unwrap();
        std::fs::write(folder.path().join("app.py"), "").unwrap();
        let ignores = secret_files(folder.path(), &[folder.path().join("[se]cret!.txt")]);
        let bundle = bundle_cached(folder.path(), &Ignores::Landfall, &ignores, None).unwrap();
        let paths: Vec<&str> = bundle.index.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["app.py"]);
    }
}
