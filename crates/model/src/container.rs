//! How a service runs in containers: what its image is made from, and what a container may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an instance is on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// A process of the host.
    #[default]
    Process,
    /// A container of a Docker engine.
    Docker,
    /// The containers of a compose project, all together one instance.
    Compose,
}

impl Runtime {
    /// Whether instances are processes of the host, as they are where nothing else is said.
    #[must_use]
    pub fn is_process(&self) -> bool {
        *self == Self::Process
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::Compose => "compose",
        }
    }
}

/// A service's container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Container {
    /// Where its image comes from.
    pub image: Image,
    /// The registry and the folder in it that the image is pushed to after its build and pulled from by digest;
    /// `None`: no registry is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The port that it listens on inside; `None`: the only one that the image exposes, else [`Container::PORT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who it runs as, `UID`, `UID:GID` or a name of the image's; `None`: as the image says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it cannot write but into its volumes and `tmpfs`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Paths inside that lie in memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<String>,
    /// Capabilities taken away, by name without `CAP_`; `ALL` is all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// Capabilities given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Processor time, in thousandths of one processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// The most processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// How it is given its secrets.
    #[serde(default, skip_serializing_if = "SecretsAs::is_env")]
    pub secrets_as: SecretsAs,
}

impl Container {
    /// The port that a container listens on where neither the manifest nor the image says one.
    pub const PORT: u16 = 8080;
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Image {
    /// It is built from the service's source.
    Build(ImageBuild),
    /// It is there already.
    Ready {
        /// `postgres:17`, or with a digest; resolved to a digest before anything is started from it.
        reference: String,
    },
}

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ImageBuild {
    /// By what.
    pub dockerfile: Dockerfile,
    /// Build arguments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// The stage that is the image; `None`: the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `linux/amd64`; `None`: the engine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Names of secrets that `RUN --mount=type=secret,id=NAME` may read; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The network that its steps have: `host`, `none` or one of the engine's; `None`: the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The engine that builds, as `DOCKER_HOST` names it; `None`: the one that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
}

/// What says how an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Dockerfile {
    /// Landfall writes it, for what it finds in the source.
    #[default]
    Generated,
    /// A file of the source.
    Own {
        /// Relative to the source folder.
        path: String,
    },
    /// A file that is kept elsewhere, as it was when the plan was made; at most [`Dockerfile::MAX_BYTES`].
    Text {
        /// Its path, relative to the manifest's folder.
        name: String,
        /// What it says.
        text: String,
        /// What the `.dockerignore` beside it says, which goes before that of the source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ignore: Option<String>,
    },
}

impl Dockerfile {
    /// The largest Dockerfile that is kept elsewhere, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;
}

/// How containers are given secrets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretsAs {
    /// As environment variables; who may talk to the engine can read them.
    #[default]
    Env,
    /// As files `/run/secrets/NAME` that lie in memory, with `NAME_FILE` naming each.
    Files,
}

impl SecretsAs {
    /// Whether they are environment variables, as they are where nothing else is said.
    #[must_use]
    pub fn is_env(&self) -> bool {
        *self == Self::Env
    }
}

/// A compose project that is deployed as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Compose {
    /// Its files, relative to the source folder, the later over the earlier; at least one.
    pub files: Vec<String>,
    /// The project's name in the engine, where containers and volumes of that name are to be taken over; `None`: one of
    /// Landfall's own, see [`Release::project`](crate::Release::project).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The profiles that are on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// The service of the project that requests and the test gate go to; `None`: the only one that is built, or the
    /// only one there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The port that this service listens on inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How its services are given the secrets.
    #[serde(default, skip_serializing_if = "SecretsAs::is_env")]
    pub secrets_as: SecretsAs,
}
