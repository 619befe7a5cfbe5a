//! Whether the Docker engine that a person means is the one that the agent works with: it learns `DOCKER_HOST` when it is
//! started, and keeps to it, for what it runs is there.

use landfall_model::Runtime;
use landfall_model::api::Info;

use crate::project::Project;

/// What a person is told whose `DOCKER_HOST` names another engine; nothing where no service of the project needs one.
pub(crate) fn other_engine(project: &Project, info: &Info, here: Option<&str>) -> Option<String> {
    let needed = project.services().any(|service| service.spec.runtime != Runtime::Process);
    if needed { differs(info.engine.as_deref(), here?) } else { None }
}

fn differs(agents: Option<&str>, here: &str) -> Option<String> {
    const OWN: &str = "unix:///var/run/docker.sock";
    let agents = agents.unwrap_or(OWN);
    // A path alone is one of this machine's sockets.
    let plain = |name: &str| name.trim_start_matches("unix://").trim_end_matches('/').to_owned();
    (plain(agents) != plain(here)).then(|| {
        format!(
            "DOCKER_HOST is {here} here, and the agent works with {agents}, as when it was started. To change over: \
             `landfall down`, `landfall agent stop`, and deploy again"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_engine_has_several_names() {
        assert_eq!(differs(None, "unix:///var/run/docker.sock"), None);
        assert_eq!(differs(Some("/run/d.sock"), "unix:///run/d.sock"), None);
        assert_eq!(differs(Some("tcp://h:1/"), "tcp://h:1"), None);
        let told = differs(None, "ssh://build@h").unwrap();
        assert!(told.contains("ssh://build@h here") && told.contains("with unix:///var/run"), "{told}");
    }
}
