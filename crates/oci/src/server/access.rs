//! Who may do what: who knows the token everything, who holds a pass what it is for, and nobody else anything.
//!
//! Clients learn of a token server from the answer to `GET /v2/` only, so that it is answered with a challenge. Sources:
//! distribution specification "Authentication"; Docker's token authentication specification.

use axum::Json;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::passes::{May, Passes};
use super::refusal::{Code, Refusal};
use super::{Answer, empty, host};
use crate::name::Repository;

/// Seconds after which a client asks for a token again.
const EXPIRES: u32 = 3600;

/// Who may do what.
pub struct Access {
    token: SecretString,
    passes: Passes,
    /// Of a closed registry, all that there is.
    only: Option<Repository>,
}

impl Access {
    /// Who shows `token` may do everything.
    #[must_use]
    pub fn whole(token: SecretString) -> Self {
        Self { token, passes: Passes::default(), only: None }
    }

    /// Who shows `token` may do everything with `only`, which is all that there is.
    #[must_use]
    pub fn closed(token: SecretString, only: Repository) -> Self {
        Self { token, passes: Passes::default(), only: Some(only) }
    }

    /// The same; who shows a pass may do what it is for.
    #[must_use]
    pub fn with_passes(mut self, passes: Passes) -> Self {
        self.passes = passes;
        self
    }

    /// Whether a request shows the token or any pass.
    pub(super) fn recognizes(&self, headers: &HeaderMap) -> bool {
        shown(headers).is_some_and(|shown| self.knows(&shown))
    }

    /// Answers `GET /v2/`.
    pub(super) fn greet(&self, headers: &HeaderMap) -> Answer {
        if self.recognizes(headers) { Ok(empty(StatusCode::OK, [])) } else { Err(challenge(headers, None)) }
    }

    /// Answers the token server's one call: what was shown is the token.
    pub(super) fn token(&self, headers: &HeaderMap) -> Answer {
        let shown = shown(headers).filter(|shown| self.knows(shown));
        let token = shown.and_then(|shown| String::from_utf8(shown).ok()).ok_or_else(|| {
            Refusal::new(Code::Unauthorized, "the password is neither the store's token nor a pass")
        })?;
        Ok(Json(json!({"token": token, "access_token": token, "expires_in": EXPIRES})).into_response())
    }

    /// # Errors
    /// A request that shows neither the token nor a pass for it; a repository that does not belong to a closed registry.
    pub(super) fn demand(
        &self,
        may: May,
        name: Option<&Repository>,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        // What belongs to no repository answers for itself.
        let Some(name) = name else { return Ok(()) };
        let allowed =
            shown(headers).is_some_and(|shown| self.owns(&shown) || self.passes.allow(&shown, name, may));
        if !allowed {
            return Err(challenge(headers, Some(name)));
        }
        if self.has(name) {
            return Ok(());
        }
        Err(Refusal::new(Code::Denied, format!("`{name}` is nothing of this registry's")))
    }

    /// Whether a repository belongs to the registry.
    pub(super) fn has(&self, name: &Repository) -> bool {
        self.only.as_ref().is_none_or(|only| only == name)
    }

    /// Whether the store has more than is shown here.
    pub(super) fn is_closed(&self) -> bool {
        self.only.is_some()
    }

    fn owns(&self, secret: &[u8]) -> bool {
        same(secret, self.token.expose_secret().as_bytes())
    }

    fn knows(&self, secret: &[u8]) -> bool {
        self.owns(secret) || self.passes.knows(secret)
    }
}

/// The secret that a request shows, if any.
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, what) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let what = what.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        Some(what.as_bytes().to_vec())
    } else if scheme.eq_ignore_ascii_case("basic") {
        STANDARD.decode(what).ok().map(|decoded| password(&decoded))
    } else {
        None
    }
}

/// The password of Basic authentication: what follows the first colon.
fn password(decoded: &[u8]) -> Vec<u8> {
    let colon = decoded.iter().position(|byte| *byte == b':');
    colon.map(|at| decoded[at + 1..].to_vec()).unwrap_or_default()
}

/// Compares in a time that says nothing of where they differ.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Says where a token can be had.
fn challenge(headers: &HeaderMap, name: Option<&Repository>) -> Refusal {
    let scope = name.map(|name| format!(",scope=\"repository:{name}:pull,push\"")).unwrap_or_default();
    let header = format!("Bearer realm=\"http://{}/token\",service=\"landfall\"{scope}", host(headers));
    Refusal::new(Code::Unauthorized, "every call takes the store's token").header("www-authenticate", &header)
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

    fn knows(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::try_from(value).unwrap());
        shown(&headers).is_some_and(|shown| Access::whole("secret:token".into()).knows(&shown))
    }

    #[test]
    fn the_token_is_known_in_both_forms_and_nothing_else_is() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for right in ["Bearer secret:token", "bearer secret:token ", &basic("anybody:secret:token")] {
            assert!(knows(right), "{right}");
        }
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer secret:toke",
            "Bearer anonymous",
            "Digest x",
            &basic(":"),
            &basic("secret:token:"),
            &basic("x"),
            "Basic ?",
        ] {
            assert!(!knows(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_pass_is_for_one_repository_and_for_as_long_as_it_is_held() {
        let passes = Passes::default();
        let access = Access::whole("token".into()).with_passes(passes.clone());
        let (own, other): (Repository, Repository) = ("app/web".parse().unwrap(), "app/db".parse().unwrap());
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer once"))]);
        let may = |may, name| access.demand(may, Some(name), &headers).is_ok();
        let pass = passes.issue("once".into(), own.clone(), May::Pull);
        assert!(may(May::Pull, &own) && access.greet(&headers).is_ok() && access.token(&headers).is_ok());
        assert!(!may(May::Push, &own) && !may(May::Pull, &other));
        drop(pass);
        assert!(!may(May::Pull, &own) && access.greet(&headers).is_err() && access.token(&headers).is_err());
        let _pass = passes.issue("once".into(), own.clone(), May::Push);
        assert!(may(May::Pull, &own) && may(May::Push, &own) && !may(May::Push, &other));
        let _reader = passes.issue_reader("once".into());
        assert!(may(May::Pull, &other) && !may(May::Push, &other));
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
