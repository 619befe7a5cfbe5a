//! Accounts with registries, as the engine is told of them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// An account with a registry.
#[derive(Clone)]
pub struct Login {
    /// The user; empty when `secret` is an identity token.
    pub user: String,
    /// The password or token.
    pub secret: SecretString,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// One account: JSON in URL-safe base64, as `X-Registry-Auth` takes it; an empty one for none.
pub(crate) fn account(login: Option<&Login>) -> String {
    let account = login.map_or_else(|| json!({}), told);
    URL_SAFE.encode(account.to_string())
}

/// Accounts by registry: the same, as `X-Registry-Config` takes it.
pub(crate) fn accounts(logins: &BTreeMap<String, Login>) -> String {
    let accounts = logins.iter().map(|(registry, login)| (registry.clone(), told(login)));
    URL_SAFE.encode(Value::Object(accounts.collect()).to_string())
}

fn told(login: &Login) -> Value {
    let secret = login.secret.expose_secret();
    if login.user.is_empty() {
        return json!({ "identitytoken": secret });
    }
    json!({ "username": login.user, "password": secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_told_and_not_shown() {
        let login = Login { user: "me".to_owned(), secret: SecretString::from("hush") };
        assert!(!format!("{login:?}").contains("hush"));
        let told = String::from_utf8(URL_SAFE.decode(account(Some(&login))).unwrap()).unwrap();
        assert_eq!(told, r#"{"username":"me","password":"hush"}"#);
        assert_eq!(URL_SAFE.decode(account(None)).unwrap(), b"{}");
    }
}
