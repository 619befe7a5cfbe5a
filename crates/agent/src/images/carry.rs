//! Images on their way: from an engine into the store, from the store into a registry, and from either into the engine
//! that runs them. Only layers that are not there travel, and everything is named by its digest.

use std::sync::Arc;

use landfall_docker::{Engine, ImageId, Login};
use landfall_fx::SystemClock;
use landfall_model::{Digest, Fault, Release, Stream};
use landfall_oci::archive::import;
use landfall_oci::client::{Client, Patience, Place, Proxies};
use landfall_oci::server::May;
use landfall_oci::{NO_ROOM, Repository, Tag};
use secrecy::{ExposeSecret as _, SecretString};

use super::logins::insecure_registries;
use super::{Registry, reference, repository};
use crate::host::LocalHost;

/// The name that the store is asked under.
pub(super) const USER: &str = "landfall";

/// An image that is in the store.
pub(crate) struct Carried {
    registry: Registry,
    repository: Repository,
    /// Of its manifest.
    digest: Digest,
}

/// Takes lines of progress.
pub(crate) type Lines<'a> = dyn FnMut(Stream, &str) + Send + 'a;

impl LocalHost {
    /// Puts an image of an engine into the store. An engine of this machine pushes it, layers that the store has left
    /// out; so does one elsewhere that a way back can be opened from, and any other gives an archive.
    pub(crate) async fn store_image(
        &self,
        engine: &Engine,
        image: &ImageId,
        release: &Release,
        lines: &mut Lines<'_>,
    ) -> Result<Carried, Fault> {
        let repository = repository(&release.app, release.service())?;
        let registry = self.image_registry().await?;
        // One without root has a loopback of its own.
        let digest = if engine.about().is_local() && !engine.about().rootless {
            let pass = registry.pass(&repository, May::Push)?;
            self.take_push(engine, image, (&registry.host, pass.token()), &repository, lines).await?
        } else if engine.may_tunnel() {
            match self.take_push_from_afar(engine, image, &repository, lines).await {
                Ok(digest) => digest,
                Err(why) => {
                    lines(Stream::Out, &format!("the builder cannot push, all layers come at once: {why}"));
                    self.take_archive(engine, image, &repository).await?
                }
            }
        } else {
            self.take_archive(engine, image, &repository).await?
        };
        Ok(Carried { registry, repository, digest })
    }

    /// Has an engine push an image into a registry that it reaches under a name, and that takes this token.
    pub(super) async fn take_push(
        &self,
        engine: &Engine,
        image: &ImageId,
        (host, token): (&str, &SecretString),
        repository: &Repository,
        lines: &mut Lines<'_>,
    ) -> Result<Digest, Fault> {
        let id: Digest = image.as_str().parse().map_err(|_| {
            Fault::machine(format!("the engine calls an image `{image}`, which is no digest"))
        })?;
        let tag = format!("{host}/{repository}:{}", id.short());
        engine.tag(image, &tag).await?;
        let login = login(token);
        let pushed = engine.push(&tag, Some(&login), lines).await;
        // The name was for the way only; with it goes what the engine remembers of the registry.
        engine.remove_image(&tag).await?;
        let pushed = pushed.map_err(|fault| self.or_no_room(fault))?;
        pushed.parse().map_err(|_| Fault::machine(format!("the engine pushed an image as `{pushed}`")))
    }

    /// That a push failed: for want of room on this host's disk where its own store said so.
    fn or_no_room(&self, fault: Fault) -> Fault {
        let Some(at) = fault.message.find(NO_ROOM) else { return fault };
        Fault::machine(fault.message[at..].to_owned()).help(format!(
            "make room on the disk of {}: `landfall disk` shows what takes what, and takes away with `--prune` what no \
             release needs; then deploy again",
            self.dir().root().display()
        ))
    }

    async fn take_archive(
        &self,
        engine: &Engine,
        image: &ImageId,
        repository: &Repository,
    ) -> Result<Digest, Fault> {
        let archive = engine.save(&[image.to_string()]).await?;
        let (images, repository) = (self.images()?.clone(), repository.clone());
        let work = move || import(&images, &repository, &mut archive.blocking(), None);
        let imported = tokio::task::spawn_blocking(work).await;
        let imported =
            imported.map_err(|error| Fault::internal(format!("the agent failed inside: {error}")))?;
        Ok(imported?.manifest)
    }

    /// Lets an engine have an image of the store, by its digest. Gives its id, and the name that it was pulled by, which
    /// is to be taken away once the image has another.
    pub(crate) async fn give_image(
        &self,
        engine: &Engine,
        carried: &Carried,
        lines: &mut Lines<'_>,
    ) -> Result<(ImageId, String), Fault> {
        let reference = reference(&carried.registry, &carried.repository, &carried.digest);
        let pass = carried.registry.pass(&carried.repository, May::Pull)?;
        Ok((engine.pull(&reference, None, Some(&login(pass.token())), lines).await?, reference))
    }

    /// Pushes an image of the store to a registry, as a version's tag and by its digest, and lets an engine pull it from
    /// there by that.
    pub(crate) async fn publish_image(
        &self,
        engine: &Engine,
        carried: &Carried,
        to: &str,
        release: &Release,
        lines: &mut Lines<'_>,
    ) -> Result<ImageId, Fault> {
        let place = Place::parse(to)?.plain_if_among(&insecure_registries());
        let target = place.repository(release.app.as_str(), release.service().as_str())?;
        let version = release.id.version().to_string();
        let tag: Tag =
            version.parse().map_err(|error: landfall_oci::WrongName| Fault::internal(error.to_string()))?;
        let credential = self.credential(&place).await?;
        let name = format!("{}/{target}@{}", place.host(), carried.digest);
        let proxies = Proxies::read(self.variables())?;
        let clock = Arc::new(SystemClock::new());
        let client = Client::new(place, credential, proxies, Patience::default(), clock)?;
        let from = (&carried.repository, &carried.digest);
        let pushed = client.push(self.images()?, from, &target, &[tag], None).await?;
        let line = format!(
            "pushed {name}: {} of {} blobs were there, {} bytes went",
            pushed.there + pushed.mounted,
            pushed.there + pushed.mounted + pushed.uploaded,
            pushed.bytes
        );
        lines(Stream::Out, &line);
        let login = self.login_for(&name).await?;
        engine.pull(&name, None, login.as_ref(), lines).await
    }
}

/// How an engine shows the store's registry a token.
fn login(token: &SecretString) -> Login {
    Login { user: USER.to_owned(), secret: token.expose_secret().into() }
}
