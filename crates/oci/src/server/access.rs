//! Who may do what: everybody of this machine pulls, who knows the token pushes; of a closed registry nobody else has
//! anything.
//!
//! Clients learn of a token server from the answer to `GET /v2/` only, and send none to a registry that answers it with
//! 200; so that it is answered with a challenge, and the token server gives everybody a token that can pull. Sources:
//! distribution specification "Authentication"; Docker's token authentication specification.

use axum::Json;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::refusal::{Code, Refusal};
use super::{Answer, empty, host};
use crate::name::Repository;

/// What everybody may have.
const ANONYMOUS: &str = "anonymous";

/// Seconds after which a client asks for a token again.
const EXPIRES: u32 = 3600;

/// Who may do what.
pub struct Access {
    token: SecretString,
    /// Of a closed registry, all that there is.
    only: Option<Repository>,
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Anonymous,
    Owner,
    Wrong,
}

impl Access {
    /// Everybody of this machine pulls; pushing and deleting take `token`.
    #[must_use]
    pub fn open(token: SecretString) -> Self {
        Self { token, only: None }
    }

    /// Everything takes `token`, and `only` is all that there is.
    #[must_use]
    pub fn closed(token: SecretString, only: Repository) -> Self {
        Self { token, only: Some(only) }
    }

    /// Answers `GET /v2/`.
    pub(super) fn greet(&self, headers: &HeaderMap) -> Answer {
        match self.shown(headers) {
            Shown::Owner | Shown::Anonymous => Ok(empty(StatusCode::OK, [])),
            Shown::Nothing | Shown::Wrong => Err(challenge(headers, None)),
        }
    }

    /// Answers the token server's one call: the owner gets what pushes, everybody else what pulls.
    pub(super) fn token(&self, headers: &HeaderMap) -> Answer {
        let token = match self.shown(headers) {
            Shown::Owner => self.token.expose_secret(),
            Shown::Nothing | Shown::Anonymous => ANONYMOUS,
            Shown::Wrong => {
                return Err(Refusal::new(Code::Unauthorized, "the password is not the store's token"));
            }
        };
        Ok(Json(json!({"token": token, "access_token": token, "expires_in": EXPIRES})).into_response())
    }

    /// # Errors
    /// A request that needs the token and does not show it; a repository that does not belong to a closed registry.
    pub(super) fn demand(
        &self,
        reads: bool,
        name: Option<&Repository>,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let free = reads && (self.only.is_none() || name.is_none());
        if !free && self.shown(headers) != Shown::Owner {
            return Err(challenge(headers, name));
        }
        match name {
            Some(name) if !self.has(name) => {
                Err(Refusal::new(Code::Denied, format!("`{name}` is nothing of this registry's")))
            }
            _ => Ok(()),
        }
    }

    /// Whether a repository belongs to the registry.
    pub(super) fn has(&self, name: &Repository) -> bool {
        self.only.as_ref().is_none_or(|only| only == name)
    }

    /// Whether the store has more than is shown here.
    pub(super) fn is_closed(&self) -> bool {
        self.only.is_some()
    }

    fn shown(&self, headers: &HeaderMap) -> Shown {
        let Some(value) = headers.get(AUTHORIZATION) else { return Shown::Nothing };
        let Some((scheme, what)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return Shown::Wrong;
        };
        let secret = if scheme.eq_ignore_ascii_case("bearer") {
            what.trim().as_bytes().to_vec()
        } else if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(what.trim()).unwrap_or_default();
            // Some clients send an empty name and password when they have none.
            if decoded == b":" {
                return Shown::Nothing;
            }
            password(&decoded)
        } else {
            return Shown::Wrong;
        };
        if same(&secret, self.token.expose_secret().as_bytes()) {
            Shown::Owner
        } else if secret == ANONYMOUS.as_bytes() {
            Shown::Anonymous
        } else {
            Shown::Wrong
        }
    }
}

/// The password of Basic authentication: what follows the first colon.
fn password(decoded: &[u8]) -> Vec<u8> {
    let colon = decoded.iter().position(|byte| *byte == b':');
    colon.map(|at| decoded[at + 1..].to_vec()).unwrap_or_default()
}

/// Compares in a time that says nothing of where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Says where a token can be had.
fn challenge(headers: &HeaderMap, name: Option<&Repository>) -> Refusal {
    let scope = name.map(|name| format!(",scope=\"repository:{name}:pull,push\"")).unwrap_or_default();
    let header = format!("Bearer realm=\"http://{}/token\",service=\"landfall\"{scope}", host(headers));
    Refusal::new(Code::Unauthorized, "pushing and deleting take the store's token")
        .header("www-authenticate", &header)
}

/// Whether a `Host` header names this machine.
pub(super) fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn shown(value: &str) -> Shown {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::try_from(value).unwrap());
        Access::open("secret:token".into()).shown(&headers)
    }

    #[test]
    fn the_token_is_known_in_both_forms_and_nothing_else_is() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(shown("Bearer secret:token"), Shown::Owner);
        assert_eq!(shown(&basic("anybody:secret:token")), Shown::Owner);
        assert_eq!(shown(&basic(":")), Shown::Nothing);
        assert_eq!(shown("bearer anonymous"), Shown::Anonymous);
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer secret:toke",
            "Digest x",
            &basic("secret:token:"),
            &basic("x"),
            "Basic ?",
        ] {
            assert_eq!(shown(wrong), Shown::Wrong, "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_is_answered() {
        for local in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["", "example.com", "127.0.0.1.example.com", "10.0.0.1:80", "localhost.example.com:80"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
