//! When an ACME server wants a certificate to be renewed (RFC 9773).

use std::time::Duration;

use instant_acme::CertificateIdentifier;
use landfall_model::{Acme, Timestamp};

use super::account::account;
use super::http::Http;
use super::{Context, Failure};
use crate::limits::MAX_RETRY_AFTER;
use crate::pair::Pair;
use crate::renewal::Window;

/// Asks the server.
///
/// # Errors
/// A server that cannot be reached, or that says nothing of the kind.
pub(crate) async fn window(
    context: &Context,
    acme: &Acme,
    pair: &Pair,
    usual: Duration,
) -> Result<Window, Failure> {
    let http = Http::new(acme.authority.as_deref(), context.clock.clone()).map_err(Failure::new)?;
    let account = account(context, acme, &http, false).await?;
    let certificate = CertificateIdentifier::try_from(&pair.key.cert[0]).map_err(Failure::new)?;
    let (info, after) = account.renewal_info(&certificate).await?;
    let time =
        |seconds: i64| Timestamp::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
    let after = if after.is_zero() { usual } else { after.min(MAX_RETRY_AFTER) };
    Ok(Window {
        start: time(info.suggested_window.start.unix_timestamp()),
        end: time(info.suggested_window.end.unix_timestamp()),
        ask: context.clock.now().plus(after),
    })
}
