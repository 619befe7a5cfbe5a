//! The account with an ACME server: made once, its key kept.

use instant_acme::{Account, AccountCredentials, NewAccount};
use landfall_model::Acme;
use serde::{Deserialize, Serialize};

use super::failure::is_bad_nonce;
use super::http::Http;
use super::{Context, Failure};
use crate::folder;
use crate::limits::NONCE_ATTEMPTS;

/// The version of the file.
const FORMAT: u32 = 1;

/// What is kept of an account.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    /// Whom the server tells of problems.
    email: Option<String>,
    credentials: AccountCredentials,
}

/// The account with the server, made when there is none. With `anew` one that is kept is of no use: the server does not
/// know it any more.
///
/// # Errors
/// A server that cannot be reached or refuses; a disk that is full.
pub(super) async fn account(
    context: &Context,
    acme: &Acme,
    http: &Http,
    anew: bool,
) -> Result<Account, Failure> {
    let path = context.folder.acme_account(&acme.directory);
    let cannot =
        |error: &dyn std::fmt::Display| Failure::new(format!("{} cannot be used: {error}", path.display()));
    let kept = folder::read_if_there(&path).map_err(|error| cannot(&error))?;
    let builder = || Account::builder_with_http(Box::new(http.clone()));
    let contact = acme.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.as_deref().into_iter().collect();
    let (account, credentials) = match kept.filter(|_| !anew) {
        Some(bytes) => {
            let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| cannot(&error))?;
            let known = serde_json::to_vec(&stored.credentials).map_err(|error| cannot(&error))?;
            let account = builder().from_credentials(stored.credentials).await?;
            if stored.email == acme.email {
                return Ok(account);
            }
            patiently(async || account.update_contacts(&contact).await).await?;
            (account, serde_json::from_slice(&known).map_err(|error| cannot(&error))?)
        }
        None => {
            let new =
                NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
            patiently(async || builder().create(&new, acme.directory.clone(), None).await).await?
        }
    };
    let stored = Stored { format: FORMAT, email: acme.email.clone(), credentials };
    let bytes = serde_json::to_vec(&stored).map_err(|error| cannot(&error))?;
    folder::private(path.parent().unwrap_or(&path)).map_err(|error| cannot(&error))?;
    context.files.replace(&path, &bytes).map_err(|error| cannot(&error))?;
    Ok(account)
}

/// Makes a request again while the server refuses its nonce: that says nothing about the request.
///
/// # Errors
/// Any other.
pub(super) async fn patiently<T>(
    mut request: impl AsyncFnMut() -> Result<T, instant_acme::Error>,
) -> Result<T, instant_acme::Error> {
    for _ in 1..NONCE_ATTEMPTS {
        match request().await {
            Err(error) if is_bad_nonce(&error) => {}
            other => return other,
        }
    }
    request().await
}
