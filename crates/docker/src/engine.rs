//! Connecting to an engine, and what each of its calls goes through.

use std::sync::Arc;

use bollard::Docker;
use bollard::models::{SystemInfo, SystemVersion};
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use landfall_model::Fault;
use tokio::time::timeout;

use crate::about::About;
use crate::address::Address;
use crate::fault;
use crate::limits::ANSWER;
use crate::raw::{self, Body};
use crate::tls::Tls;
use crate::wire::Dial;

/// The oldest API that is spoken: that of engine 20.10 (December 2020).
const OLDEST_API: (u32, u32) = (1, 41);

/// One engine; a clone is another hand on the same one.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) docker: Docker,
    pub(crate) dial: Dial,
    about: Arc<About>,
}

impl Engine {
    /// Connects to the engine at `host` (a `DOCKER_HOST`: `unix://`, `tcp://`, `ssh://user@host`), or to the machine's
    /// own, and asks what it is; with `tls`, `tcp://` is encrypted.
    ///
    /// # Errors
    /// A usage fault for an address that is none; a fault of the machine that says what to do when there is no engine,
    /// when its socket may not be opened, or when it is older than 20.10.
    pub async fn connect(host: Option<&str>, tls: Option<Tls>) -> Result<Self, Fault> {
        let address =
            host.map_or_else(|| Ok(Address::default()), |text| Address::read(text, tls.is_some()))?;
        let dial = Dial::new(address.clone(), tls);
        let head = match ping(&dial).await {
            Ok(head) => head,
            Err(why) => {
                // What ssh has to say of it comes by another way.
                let complaint = if address.is_ssh() { dial.last_words().await } else { None };
                return Err(fault::unreachable(&address, &why, complaint.as_deref()));
            }
        };
        if head.wants_tls {
            return Err(fault::wants_tls(&address));
        }
        let api = head.api.ok_or_else(|| fault::no_engine_there(&address))?;
        if api < OLDEST_API {
            return Err(fault::too_old(&address, api, OLDEST_API));
        }
        let newest = bollard::API_DEFAULT_VERSION;
        let spoken = api.min((small(newest.major_version), small(newest.minor_version)));
        let version =
            bollard::ClientVersion { major_version: spoken.0 as usize, minor_version: spoken.1 as usize };
        let docker = Docker::connect_with_custom_transport(
            dial.transport(),
            Some("http://docker"),
            ANSWER.as_secs(),
            &version,
        )
        .map_err(|why| fault::call("connecting to the engine", &why))?;
        let told = docker.version().await.map_err(|why| fault::call("asking the engine's version", &why))?;
        let info = docker.info().await.map_err(|why| fault::call("asking what the engine is", &why))?;
        let about = Arc::new(about(&address, api, head.builder.as_deref(), told, info));
        Ok(Self { docker, dial, about })
    }

    /// A request to `path` (`/images/load`) with options behind it, in the version of the API that is spoken.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        options: &[(&str, String)],
        body: Body,
    ) -> Result<Request<Body>, Fault> {
        Request::builder()
            .method(method)
            .uri(format!("/v{}{path}{}", self.docker.client_version(), raw::query(options)))
            .header(HOST, "docker")
            .body(body)
            .map_err(|why| Fault::internal(format!("the engine cannot be asked for {path}: {why}")))
    }

    /// What the engine said of itself when it was connected.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }
}

/// What an engine says in the head of its answer to a ping.
struct Head {
    api: Option<(u32, u32)>,
    builder: Option<String>,
    /// Whether it says that it only answers what is encrypted.
    wants_tls: bool,
}

/// What a server in Go (`net/http`) with TLS answers to a plain request.
const ONLY_TLS: &[u8] = b"HTTP request to an HTTPS server";

/// The longest answer to a ping that is looked at.
const MAX_PONG: usize = 64 * 1024;

/// Asks over a connection of its own whether an engine answers; the only call that names no version.
async fn ping(dial: &Dial) -> std::io::Result<Head> {
    let wire = dial.open().await?;
    let asked = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.map_err(std::io::Error::other)?;
        let driven = tokio::spawn(connection);
        let request = Request::get("/_ping")
            .header(HOST, "docker")
            .body(Empty::<Bytes>::new())
            .map_err(std::io::Error::other)?;
        let answer = sender.send_request(request).await.map_err(std::io::Error::other)?;
        let text = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (api, builder) = (text("api-version").as_deref().and_then(api), text("builder-version"));
        let body = Limited::new(answer.into_body(), MAX_PONG).collect().await;
        let body = body.map(Collected::to_bytes).unwrap_or_default();
        driven.abort();
        let wants_tls = body.windows(ONLY_TLS.len()).any(|part| part == ONLY_TLS);
        Ok(Head { api, builder, wants_tls })
    };
    timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

/// `1.41` as numbers.
fn api(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn about(
    address: &Address,
    api: (u32, u32),
    builder: Option<&str>,
    version: SystemVersion,
    info: SystemInfo,
) -> About {
    let os = version.os.or(info.os_type).unwrap_or_default();
    let parts = version.components.unwrap_or_default();
    let podman = parts.iter().any(|part| part.name.contains("Podman"));
    About {
        address: address.to_string(),
        version: version.version.or(info.server_version).unwrap_or_default(),
        api,
        // Every engine that is new enough has BuildKit, unless its configuration switches it off (`1`); Podman speaks the
        // API without it.
        buildkit: os == "linux" && !podman && builder != Some("1"),
        os,
        arch: version.arch.unwrap_or_default(),
        rootless: info.security_options.iter().flatten().any(|option| option.starts_with("name=rootless")),
        storage_driver: info.driver.unwrap_or_default(),
        root_dir: info.docker_root_dir.unwrap_or_default(),
        memory: info.mem_total.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default(),
        processors: info.ncpu.and_then(|count| count.try_into().ok()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_compare_as_numbers() {
        assert_eq!(api("1.41"), Some((1, 41)));
        assert!(api("1.5") < api("1.41"));
        assert_eq!(api("1"), None);
    }
}
