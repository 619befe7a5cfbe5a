//! Volumes that the engine keeps: finding them by label, removing them.

use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};
use landfall_model::Fault;

use crate::engine::Engine;
use crate::{fault, labels};

impl Engine {
    /// The names of the volumes that carry all of the `labels` (`KEY` or `KEY=VALUE`), sorted; all volumes for none.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn volumes(&self, labels: &[String]) -> Result<Vec<String>, Fault> {
        let options = ListVolumesOptionsBuilder::new().filters(&labels::filters(labels)).build();
        let told = self.docker.list_volumes(Some(options)).await;
        let told = told.map_err(|why| fault::call("listing volumes", &why))?;
        let mut names: Vec<String> =
            told.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a volume with all that it holds. Gives whether there was one.
    ///
    /// # Errors
    /// When a container still has it.
    pub async fn remove_volume(&self, name: &str) -> Result<bool, Fault> {
        match self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Ok(()) => Ok(true),
            Err(why) if fault::is_missing(&why) => Ok(false),
            Err(why) => Err(fault::call(&format!("removing the volume {name}"), &why)),
        }
    }
}
