//! Proof: which image really runs, read from the engine and not from what was ordered.

use landfall_docker::{Engine, Health};
use landfall_model::{Digest, Fault, Kind, ReceiptInstance, Release};

use super::names;
use super::record::Built;
use super::status::drift;
use crate::host::LocalHost;
use crate::runtimes::process::health;
use crate::state::InstanceRow;

impl LocalHost {
    /// Reads back each container: it runs, from the image that was deployed, has its address, and is healthy. The tag of
    /// the version must still mean that image. A `site` has its files read.
    pub(super) fn read_back_containers(&self, release: &Release) -> Result<Vec<ReceiptInstance>, Fault> {
        let built = self.built_before(release)?;
        if release.spec.kind == Kind::Site {
            self.read_back_site(release, &built)?;
            return Ok(Vec::new());
        }
        let docker = self.docker()?;
        let rows = self.rows_of(release, u32::MAX)?;
        self.wait_for(async {
            still_tagged(&docker, &built).await?;
            let mut found = Vec::new();
            for row in &rows {
                found.push(self.read_back_container(&docker, release, &built, row).await?);
            }
            Ok(found)
        })
    }

    async fn read_back_container(
        &self,
        docker: &Engine,
        release: &Release,
        built: &Built,
        row: &InstanceRow,
    ) -> Result<ReceiptInstance, Fault> {
        let name = names::container(row);
        let wrong = |what: String| Fault::machine(format!("the container {name} of {} {what}", release.id));
        let there = docker.container(&name).await?.ok_or_else(|| wrong("is gone".to_owned()))?;
        if !there.is_running() {
            return Err(wrong("does not run".to_owned()));
        }
        let digest: Digest = there
            .image
            .as_str()
            .parse()
            .map_err(|_| wrong(format!("runs `{}`, which is no digest", there.image)))?;
        if let Some(drift) = drift(&there, built, row).filter(|_| digest == built.image) {
            return Err(wrong(drift));
        }
        let checked = match &row.address {
            Some(address) if !built.checks_itself || release.spec.health.path.is_some() => {
                health::check(address, &release.spec.health).await.is_ok()
            }
            _ => !matches!(there.health, Some(Health::Unhealthy { .. })),
        };
        if !checked {
            return Err(wrong("is not healthy any more".to_owned()));
        }
        Ok(ReceiptInstance {
            host: self.host_name().to_owned(),
            id: row.id.clone(),
            pid: there.pid,
            digest,
            wanted: Some(built.image),
            container: Some(name),
            healthy: true,
        })
    }
}

/// Fails when the version's tag means another image by now.
pub(super) async fn still_tagged(docker: &Engine, built: &Built) -> Result<(), Fault> {
    let Some(tag) = &built.tag else { return Ok(()) };
    let Some(image) = docker.image(tag).await? else { return Ok(()) };
    if image.id.as_str() == built.image.to_string() {
        return Ok(());
    }
    Err(Fault::machine(format!(
        "the tag {tag} was moved: it means {} and was given to {}",
        image.id.short(),
        built.image.short()
    ))
    .help(format!("somebody tagged another image so; `docker tag {} {tag}` puts it back", built.image)))
}
