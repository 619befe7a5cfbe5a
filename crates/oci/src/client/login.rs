//! Showing a registry who one is: a password, or a token that its token server gives for it.

use std::collections::HashMap;
use std::sync::PoisonError;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use landfall_model::Fault;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::challenge::{Challenge, parse};
use super::transport::{Ask, MAX_ANSWER, encoded};
use super::{Client, Credential, faults};
use crate::name::Repository;

/// What a token may do, in the words of token servers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope(Vec<String>);

impl Scope {
    pub(super) fn pull(repository: &Repository) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    /// Pushing, and taking blobs over from another repository.
    pub(super) fn push(repository: &Repository, from: Option<&Repository>) -> Self {
        let own = format!("repository:{repository}:pull,push");
        Self(std::iter::once(own).chain(from.map(|from| format!("repository:{from}:pull"))).collect())
    }
}

/// What is shown for each scope.
pub(super) type Tokens = HashMap<Scope, HeaderValue>;

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    /// What is shown with requests of this scope, as far as it is known.
    pub(super) fn shown(&self, scope: &Scope) -> Option<HeaderValue> {
        self.inner.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned()
    }

    /// Does what a 401 asks for; the next request of the scope shows it.
    ///
    /// # Errors
    /// What is asked for cannot be shown; a token server that refuses.
    pub(super) async fn log_in(&self, what: &str, scope: &Scope, headers: &HeaderMap) -> Result<(), Fault> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Challenge> = texts.flat_map(parse).collect();
        let asked = |scheme: &str| challenges.iter().find(|it| it.scheme == scheme);
        let place = &self.inner.place;
        let shown = match (&self.inner.credential, asked("bearer"), asked("basic")) {
            (Credential::Registry(token), ..) => bearer(token.expose_secret()),
            (_, Some(bearer), _) => self.fetch_token(what, scope, bearer).await?,
            (Credential::Password { user, password }, None, Some(_)) => basic(user, password),
            (who, ..) => return Err(faults::refused(place, who, what, StatusCode::UNAUTHORIZED, b"")),
        };
        let mut shown = shown.ok_or_else(|| faults::odd(place, what, "its token is no text"))?;
        shown.set_sensitive(true);
        self.inner.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.clone(), shown);
        Ok(())
    }

    /// Asks the token server that a challenge names.
    async fn fetch_token(
        &self,
        what: &str,
        scope: &Scope,
        asked: &Challenge,
    ) -> Result<Option<HeaderValue>, Fault> {
        let (place, who) = (&self.inner.place, &self.inner.credential);
        let realm = asked.parameters.get("realm").map(String::as_str).unwrap_or_default();
        if !self.may_ask(realm) {
            return Err(faults::odd(place, what, "its token server has no `https://` address"));
        }
        let service = asked.parameters.get("service").map(String::as_str).unwrap_or_default();
        let scopes = scope.0.iter().map(|scope| ("scope", scope.as_str()));
        let mut pairs: Vec<(&str, &str)> = vec![("service", service)];
        let mut ask;
        if let Credential::Identity(token) = who {
            let all = scope.0.join(" ");
            pairs.extend([("grant_type", "refresh_token"), ("client_id", "landfall"), ("scope", &all)]);
            pairs.push(("refresh_token", token.expose_secret()));
            ask = Ask::new(Method::POST, realm.to_owned());
            ask.body = Bytes::from(encoded(&pairs));
            ask = ask.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        } else {
            pairs.extend(scopes);
            let mark = if realm.contains('?') { '&' } else { '?' };
            ask = Ask::new(Method::GET, format!("{realm}{mark}{}", encoded(&pairs)));
            if let Credential::Password { user, password } = who
                && let Some(mut shown) = basic(user, password)
            {
                shown.set_sensitive(true);
                ask.headers.insert(AUTHORIZATION, shown);
            }
        }
        let answer = self.ask(what, None, &ask).await?;
        let status = answer.status();
        let body = self.read_body(what, answer, MAX_ANSWER).await?;
        if status != StatusCode::OK {
            return Err(faults::refused(place, who, what, status, &body));
        }
        // What serde says of it may hold a part of the token.
        let given: Given = serde_json::from_slice(&body)
            .map_err(|_| faults::odd(place, what, "its token server gives no token"))?;
        let token = given.token.or(given.access_token).unwrap_or_default();
        Ok(bearer(&token))
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("Bearer {token}")).ok()
}

fn basic(user: &str, password: &SecretString) -> Option<HeaderValue> {
    let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
    HeaderValue::try_from(format!("Basic {pair}")).ok()
}
