//! The steps of a service that is a compose project, in the words of compose: its containers are not Landfall's to count,
//! and without a port no request goes through the proxy.

use landfall_model::{Compose, Spec, Step};

use crate::amount::list;

/// What a step does to a project, where that is not what it does to any other service.
pub(crate) fn title(step: &Step, spec: &Spec) -> Option<String> {
    let compose = spec.compose.as_ref()?;
    Some(match step {
        Step::Prepare { .. } => {
            format!("builds or fetches the images of {}, writes their digests down", compose.files.join(", "))
        }
        Step::Test { .. } => {
            let tests: Vec<String> = spec.test.iter().map(|command| format!("`{command}`")).collect();
            format!("runs {} in a container of {}", list(&tests), tested(compose))
        }
        Step::Start { .. } => {
            "`docker compose up`, each image by its digest: replaces the containers that change".to_owned()
        }
        Step::AwaitHealthy { .. } => {
            format!("waits at most {} until every container is healthy", spec.health.start_period)
        }
        Step::Stop { .. } => "stops its containers".to_owned(),
        Step::Switch { .. } if compose.port.is_none() => {
            "makes it the release that serves; its ports are its own".to_owned()
        }
        Step::ReadBack { .. } if compose.port.is_none() => {
            "reads back each container and its image".to_owned()
        }
        _ => return None,
    })
}

fn tested(compose: &Compose) -> String {
    compose
        .service
        .as_ref()
        .map_or_else(|| "the image that is built".to_owned(), |service| format!("the image of `{service}`"))
}
