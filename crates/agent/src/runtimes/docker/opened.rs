//! Looking into an image: through a container of it that is never started.

use landfall_docker::{ContainerSpec, Engine};
use landfall_fx::{Random as _, SystemRandom};
use landfall_model::{Digest, Fault, Release};

use super::names;
use crate::host::LocalHost;

impl LocalHost {
    /// Lets `look` have the name of a container with an image's files, which is removed afterwards. `what` says what it
    /// is for.
    pub(super) fn open_image<T>(
        &self,
        docker: &Engine,
        release: &Release,
        (image, what): (&Digest, &str),
        look: impl AsyncFnOnce(String) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut labels = names::of_release(release, self.mark());
        labels.remove(names::RELEASE);
        labels.insert(names::OPENED.to_owned(), what.to_owned());
        // Nobody's container is called so by chance, and nobody can call one so on purpose.
        let mut chance = [0; 8];
        SystemRandom
            .fill(&mut chance)
            .map_err(|e| Fault::machine(format!("the kernel gives no random numbers: {e}")))?;
        let (app, environment, service) = (&release.app, &release.environment, release.service());
        let chance = u64::from_ne_bytes(chance);
        let wanted = ContainerSpec {
            name: format!("{app}-{environment}-{service}-{what}-{}-{chance:016x}", self.mark()),
            image: image.to_string(),
            command: Some(vec!["none".to_owned()]),
            labels: labels.clone(),
            ..ContainerSpec::default()
        };
        self.wait_for(async {
            // An agent that was killed may have left one.
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            for left in docker.list(&names::filters(&labels)).await? {
                docker.remove(&left.id).await?;
            }
            docker.create(&wanted).await?;
            let looked = look(wanted.name.clone()).await;
            docker.remove(&wanted.name).await?;
            looked
        })
    }
}
