//! Containers whose files the engine cannot remove, because something on the machine holds them. Each gets out of the way
//! under another name, so that no service waits for it, and is removed once the engine can.

use landfall_docker::{Engine, State};
use landfall_model::Fault;
use landfall_model::api::Pruned;

use super::names;
use crate::host::LocalHost;

impl LocalHost {
    /// Takes a container away: its name is free afterwards, and nothing runs in it.
    pub(super) async fn take_away(&self, docker: &Engine, container: &str) -> Result<(), Fault> {
        let Err(why) = docker.remove(container).await else { return Ok(()) };
        match docker.container(container).await? {
            None => Ok(()),
            Some(there) if names::is_aside(&there.name) => Ok(()),
            Some(there) if there.state == State::Dead => {
                docker.rename(&there.id, &names::aside(&there.id)).await.map_err(|_| why)
            }
            Some(_) => Err(why),
        }
    }

    /// Removes the containers that were put aside, but for those that the engine still cannot remove.
    pub(crate) fn remove_put_aside(&self) -> Result<Pruned, Fault> {
        let docker = self.docker()?;
        self.wait_for(async {
            let mut pruned = Pruned::default();
            let ours = docker.list(&names::filters(&[(names::STATE, self.mark())])).await?;
            for aside in ours.into_iter().filter(|one| names::is_aside(&one.name)) {
                // The next look will do; until then `landfall disk` shows it.
                if docker.remove(&aside.id).await.is_ok() {
                    pruned.removed.push(aside.name);
                }
            }
            Ok(pruned)
        })
    }
}
