//! How an image comes to the engine that runs it: found there, pulled as it is, or carried from where it was built,
//! through the host's own store or a registry.

use std::collections::BTreeSet;

use landfall_docker::{Engine, ImageId, ImageInfo};
use landfall_fx::host::Task;
use landfall_model::{Container, Digest, Fault, ImageBuild, Release, Stream};

use super::build::{stopped, tagged};
use super::container::of;
use super::names;
use super::record::Built;
use crate::host::LocalHost;

/// Where images of a service are built.
pub(super) struct BuiltBy {
    pub(super) engine: Engine,
    /// Whether it is the engine that runs them.
    own: bool,
}

/// An image that the engine has.
pub(super) struct Found {
    pub(super) id: ImageId,
    /// Whether it is where it should be besides: in the service's registry, or nowhere else without one.
    pub(super) published: bool,
}

impl LocalHost {
    /// The engine that builds a service's images: the one that the manifest names, else the host's own.
    pub(super) fn builder(&self, docker: &Engine, build: &ImageBuild) -> Result<BuiltBy, Fault> {
        let Some(host) = &build.builder else { return Ok(BuiltBy { engine: docker.clone(), own: true }) };
        let engine = self.engine_at(host)?;
        let own = engine.about().address == docker.about().address;
        Ok(BuiltBy { engine, own })
    }

    /// An image that a release of the application was made of, from the same, and that the engine still has. What an image
    /// says of itself does not count: whatever is built upon one of ours inherits its labels.
    pub(super) fn found(
        &self,
        docker: &Engine,
        key: &Digest,
        release: &Release,
        container: &Container,
    ) -> Result<Option<Found>, Fault> {
        let mut ids = BTreeSet::new();
        for place in self.state().deployed()?.into_iter().filter(|place| place.app == release.app) {
            for known in self.state().releases(&place.app, &place.environment)? {
                let built = self.built(&known.release)?;
                ids.extend(built.filter(|built| built.key == Some(*key)).map(|built| built.image));
            }
        }
        for id in ids {
            if let Some(image) = self.wait_for(docker.image(&id.to_string()))? {
                let published = container.registry.as_deref().is_none_or(|at| source(&image, at).is_some());
                return Ok(Some(Found { published, id: image.id }));
            }
        }
        Ok(None)
    }

    /// The image that a release was made of before, pulled by its digest when the engine has lost it. No other will do.
    pub(super) fn again(
        &self,
        docker: &Engine,
        release: &Release,
        built: &Built,
        task: &dyn Task,
    ) -> Result<ImageInfo, Fault> {
        let id = built.image.to_string();
        if let Some(info) = self.wait_for(docker.image(&id))? {
            return Ok(info);
        }
        let gone = format!("the image of {}, {}, is gone from the engine", release.id, built.image.short());
        let Some(source) = &built.source else {
            return Err(Fault::machine(format!("{gone}, and no registry has it"))
                .help("deploy again: a version is never made of another image, so that it is a new one"));
        };
        let info = self.wait_for(self.ready(docker, source, task))?;
        if info.id.as_str() == id {
            Ok(info)
        } else {
            Err(Fault::machine(format!("{gone}, and {source} is another one now, {}", info.id.short())))
        }
    }

    /// Brings an image from its builder to the engine that runs it, by way of the registry where there is one. Gives what
    /// it is called there.
    pub(super) fn bring(
        &self,
        docker: &Engine,
        builder: &BuiltBy,
        id: &ImageId,
        release: &Release,
        task: &dyn Task,
    ) -> Result<ImageId, Fault> {
        let container = of(release)?;
        if builder.own && container.registry.is_none() {
            return Ok(id.clone());
        }
        self.carry(docker, builder, id, release, task)
    }

    /// Puts an image that the host's engine has into the registry, and has it from there.
    pub(super) fn publish(
        &self,
        docker: &Engine,
        id: &ImageId,
        release: &Release,
        task: &dyn Task,
    ) -> Result<ImageId, Fault> {
        let own = BuiltBy { engine: docker.clone(), own: true };
        self.carry(docker, &own, id, release, task)
    }

    fn carry(
        &self,
        docker: &Engine,
        from: &BuiltBy,
        id: &ImageId,
        release: &Release,
        task: &dyn Task,
    ) -> Result<ImageId, Fault> {
        let container = of(release)?;
        let tag = names::tag(&release.app, release.service(), release.id.version(), container);
        let registry = container.registry.as_deref();
        let mut lines = |_: Stream, line: &str| task.line(Stream::Out, line);
        self.wait_for(async {
            let carrying = async {
                let carried = self.store_image(&from.engine, id, release, &mut lines).await?;
                if !from.own && from.engine.about().buildkit {
                    // What it built from stays with it all the same; the image is of no use there.
                    from.engine.remove_image(&tag).await?;
                }
                match registry {
                    None => {
                        let (id, name) = self.give_image(docker, &carried, &mut lines).await?;
                        tagged(docker, &id, &tag).await?;
                        docker.remove_image(&name).await?;
                        Ok(id)
                    }
                    Some(registry) => {
                        self.publish_image(docker, &carried, registry, release, &mut lines).await
                    }
                }
            };
            tokio::select! {
                carried = carrying => carried,
                fault = stopped(task, "carrying the image") => Err(fault),
            }
        })
    }

    /// The image that a reference means now, pulled when the engine does not have it.
    pub(super) async fn ready(
        &self,
        docker: &Engine,
        reference: &str,
        task: &dyn Task,
    ) -> Result<ImageInfo, Fault> {
        if let Some(info) = docker.image(reference).await? {
            return Ok(info);
        }
        let login = self.login_for(reference).await?;
        let mut lines = |_: Stream, line: &str| task.line(Stream::Out, line);
        tokio::select! {
            pulled = docker.pull(reference, None, login.as_ref(), &mut lines) => pulled?,
            fault = stopped(task, "the pull") => return Err(fault),
        };
        docker.image(reference).await?.ok_or_else(|| {
            Fault::machine(format!("the image {reference} was pulled, and the engine does not have it"))
        })
    }
}

/// The name by which the repository or registry `at` has an image: `registry.example.com/app@sha256:…`.
pub(super) fn source(image: &ImageInfo, at: &str) -> Option<String> {
    let prefix = at.trim_end_matches('/');
    let there = |name: &&String| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('@'))
    };
    image.digests.iter().find(there).cloned()
}
