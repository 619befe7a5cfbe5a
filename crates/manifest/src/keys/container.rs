//! The keys of services that run in containers: where the image comes from, and what a container may do.

use super::{COMMAND, LINES, key};
use crate::forms;
use crate::shape::{Key, Shape};

/// The words for what instances are.
pub(super) const RUNTIME: Shape = Shape::Choice { now: &["process", "docker", "compose"], later: &[] };

/// What `build` can be told beside a command.
pub(super) static BUILD: &[Key] = &[
    key("run", "The command that builds the artifact.", r#""npm run build""#, COMMAND),
    key(
        "dockerfile",
        "The Dockerfile, relative to the service's folder or else to the manifest's; without it the folder's own, else \
         one that Landfall writes.",
        r#""deploy/web.Dockerfile""#,
        Shape::Text(&forms::INSIDE),
    ),
    key(
        "args",
        "Build arguments. They can be read in the image's history: no place for secrets.",
        r#"{ EDITION = "pro" }"#,
        Shape::Map(&forms::ARGUMENT, &Shape::Plain),
    ),
    key(
        "target",
        "The stage that is the image; without it the last one.",
        r#""runtime""#,
        Shape::Text(&forms::STAGE),
    ),
    key(
        "platform",
        "What the image is for; without it what the engine is.",
        r#""linux/amd64""#,
        Shape::Text(&forms::PLATFORM),
    ),
    key(
        "secrets",
        "Secrets that `RUN --mount=type=secret,id=NAME` may read; they get into no layer.",
        r#"["NPM_TOKEN"]"#,
        Shape::List(&Shape::Text(&forms::VARIABLE), 0),
    ),
    key("network", "The network of the build's steps.", r#""host""#, Shape::Text(&forms::FILLED)),
    key(
        "builder",
        "The engine that builds, as DOCKER_HOST names it; without it the one that runs the service.",
        r#""ssh://build@10.0.0.9""#,
        Shape::Text(&forms::ENGINE),
    ),
];

/// What `compose` can be told beside a file.
pub(super) static COMPOSE: &[Key] = &[
    key(
        "files",
        "The compose files, below the service's folder, the later over the earlier.",
        r#"["compose.yaml"]"#,
        LINES,
    ),
    key(
        "project",
        "The project's name in the engine: containers of that name that run already are taken over, and their volumes \
         stay; without it a name of Landfall's own.",
        r#""shop""#,
        Shape::Text(&forms::PROJECT),
    ),
    key("profiles", "The profiles that are on.", r#"["monitoring"]"#, LINES),
    key(
        "service",
        "The service of the project that requests and the test gate go to.",
        r#""web""#,
        Shape::Text(&forms::FILLED),
    ),
    key("port", "The port that this service listens on inside.", "8000", Shape::Integer(1, 65535)),
];

/// Paths.
pub(super) const PATHS: Shape = Shape::List(&Shape::Text(&forms::ABSOLUTE), 0);
/// Names of capabilities.
pub(super) const CAPABILITIES: Shape = Shape::List(&Shape::Text(&forms::CAPABILITY), 0);
/// How secrets are given.
pub(super) const SECRETS_AS: Shape = Shape::Choice { now: &["env", "files"], later: &[] };
