//! A session: opens the connection, and answers on it until the build is over.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bollard::ClientVersion;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use landfall_model::Fault;
use prost::Message;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::{JoinHandle, JoinSet};

use super::files::Files;
use super::grpc::{Incoming, Outgoing, Status};
use super::messages::{
    CredentialsRequest, CredentialsResponse, GetSecretRequest, GetSecretResponse, HealthCheckResponse,
};
use crate::build::context::Context;
use crate::login::Login;
use crate::raw;
use crate::wire::Dial;

/// What is answered; the engine asks for nothing else.
const METHODS: [&str; 4] = [FILES, SECRET, CREDENTIALS, HEALTH];
const FILES: &str = "/moby.filesync.v1.FileSync/DiffCopy";
const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// What the Docker Hub is called where accounts are asked for.
const HUB: [&str; 3] = ["registry-1.docker.io", "docker.io", "https://index.docker.io/v1/"];

/// Bytes that the engine may send before they are read.
const WINDOW: u32 = 1024 * 1024;

/// What the engine is given when it asks.
pub(in crate::build) struct Given {
    context: Files,
    dockerfile: Files,
    secrets: BTreeMap<String, SecretString>,
    logins: BTreeMap<String, Login>,
}

impl Given {
    /// The context, a Dockerfile's text, and what may be asked for besides.
    pub(in crate::build) fn new(
        context: &Context,
        dockerfile: &str,
        secrets: BTreeMap<String, SecretString>,
        logins: BTreeMap<String, Login>,
    ) -> io::Result<Self> {
        // A list of its own for this Dockerfile, which names nothing: what is to be left out is left out already.
        let beside =
            [("Dockerfile", dockerfile), ("Dockerfile.dockerignore", "# nothing more is left out\n")];
        Ok(Self { context: Files::of(context)?, dockerfile: Files::small(&beside), secrets, logins })
    }

    fn login(&self, host: &str) -> Option<&Login> {
        let hub = HUB.contains(&host);
        self.logins
            .iter()
            .find(|(name, _)| *name == host || hub && HUB.contains(&name.as_str()))
            .map(|(_, login)| login)
    }
}

/// A session that is served; it ends when this is dropped.
pub(in crate::build) struct Session {
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Opens the session `id`. Builds of the same `name` share what was sent before.
    ///
    /// # Errors
    /// When the engine cannot be reached or knows no sessions.
    pub(in crate::build) async fn open(
        dial: &Dial,
        version: ClientVersion,
        id: &str,
        name: &str,
        given: Given,
    ) -> Result<Self, Fault> {
        let mut request = Request::post(format!("/v{version}/session"))
            .header(HOST, "docker")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "h2c")
            .header("X-Docker-Expose-Session-Uuid", id)
            .header("X-Docker-Expose-Session-Name", "landfall")
            .header("X-Docker-Expose-Session-Sharedkey", name);
        for method in METHODS {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
        let request = request
            .body(raw::empty())
            .map_err(|why| Fault::internal(format!("a build session cannot be asked for: {why}")))?;
        let stream = dial.upgrade("opening a build session", request).await?;
        let given = Arc::new(given);
        let task = tokio::spawn(async move {
            let mut settings = h2::server::Builder::new();
            settings.initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
            let Ok(mut connection) = settings.handshake::<_, Bytes>(stream).await else { return };
            // The calls end with the session.
            let mut calls = JoinSet::new();
            while let Some(Ok((request, respond))) = connection.accept().await {
                let given = Arc::clone(&given);
                calls.spawn(async move {
                    // A call that fails is told of by the build itself.
                    let _ = answer(&given, request, respond).await;
                });
                while calls.try_join_next().is_some() {}
            }
        });
        Ok(Self { task })
    }
}

/// Answers one call.
async fn answer(given: &Given, request: Request<RecvStream>, respond: SendResponse<Bytes>) -> io::Result<()> {
    let (head, body) = request.into_parts();
    let mut asked = Incoming::new(body);
    let mut to = Outgoing::begin(respond)?;
    match head.uri.path() {
        HEALTH => {
            to.send(&HealthCheckResponse { status: 1 }).await?;
            to.end(Status::Ok)
        }
        SECRET => {
            let wanted: GetSecretRequest = asked.next().await?.unwrap_or_default();
            let found = given.secrets.get(&wanted.id);
            let found =
                found.map(|secret| GetSecretResponse { data: secret.expose_secret().as_bytes().to_vec() });
            one(to, found).await
        }
        CREDENTIALS => {
            let wanted: CredentialsRequest = asked.next().await?.unwrap_or_default();
            let login = given.login(&wanted.host);
            let found = login.map_or_else(CredentialsResponse::default, |login| CredentialsResponse {
                username: login.user.clone(),
                secret: login.secret.expose_secret().to_owned(),
            });
            one(to, Some(found)).await
        }
        FILES => {
            let folder = head.headers.get("dir-name").and_then(|name| name.to_str().ok()).unwrap_or_default();
            let files = if folder == "dockerfile" { &given.dockerfile } else { &given.context };
            match files.give(&mut asked, &mut to).await {
                Ok(()) => to.end(Status::Ok),
                Err(why) => to.end(Status::Internal).and(Err(why)),
            }
        }
        _ => to.end(Status::Unimplemented),
    }
}

/// Sends the one message of an answer.
async fn one(mut to: Outgoing, found: Option<impl Message>) -> io::Result<()> {
    match found {
        Some(message) => {
            to.send(&message).await?;
            to.end(Status::Ok)
        }
        None => to.end(Status::NotFound),
    }
}
