//! One certificate from an ACME server: the order, the proof that the host is ours, the certificate (RFC 8555, section 7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use landfall_model::{Acme, Challenge};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::account::{account, patiently};
use super::failure::shown;
use super::http::Http;
use super::progress::{Pending, Text};
use super::{Context, Failure, Progress};
use crate::pair::Pair;

/// How an order is looked after while the server works on it; the keeper limits the whole.
const POLL: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));

/// A certificate that is on the disk.
pub(crate) struct Kept(pub(crate) Pair);

/// Orders a certificate for `host` and keeps it on the disk. `progress` says what is under way already, and is written
/// down at each step; `old` is the certificate that is replaced.
///
/// # Errors
/// Why there is none. The challenges that were tried are all named.
pub(crate) async fn order(
    context: &Context,
    acme: &Acme,
    host: &str,
    progress: &mut Progress,
    old: Option<&Pair>,
) -> Result<Kept, Failure> {
    let http = Http::new(acme.authority.as_deref(), context.clock.clone()).map_err(Failure::new)?;
    let mut desk = Desk { context, acme, host, progress };
    let mut done = desk.try_all(&http, old, false).await;
    if done.as_ref().is_err_and(|failure| failure.is("accountDoesNotExist")) {
        desk.progress.order = None;
        done = desk.try_all(&http, old, true).await;
    }
    let (chain, key) = done.map_err(|failure| Failure { after: http.take_after(), ..failure })?;
    desk.progress.order = None;
    let pair = Pair::parse(chain.as_bytes(), key.as_bytes())
        .and_then(|pair| pair.check(host, context.clock.now()).map(|()| pair))
        .map_err(|flaw| Failure::new(format!("the certificate from the ACME server {flaw}")))?;
    let path = context.folder.acme_certificate(&acme.directory, host);
    let kept = crate::folder::private(path.parent().unwrap_or(&path))
        .and_then(|()| context.files.replace(&path, format!("{key}{chain}").as_bytes()));
    kept.map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
    Ok(Kept(pair))
}

/// What one order is about.
struct Desk<'a> {
    context: &'a Context,
    acme: &'a Acme,
    host: &'a str,
    progress: &'a mut Progress,
}

impl Desk<'_> {
    /// Tries one challenge after the other; gives the chain and the key.
    async fn try_all(
        &mut self,
        http: &Http,
        old: Option<&Pair>,
        anew: bool,
    ) -> Result<(String, String), Failure> {
        let account = account(self.context, self.acme, http, anew).await?;
        let mut reasons = Vec::new();
        for challenge in &self.acme.challenges {
            let mut order = self.open(&account, old).await?;
            let tried = self.prove(&mut order, *challenge).await;
            self.clear();
            match tried {
                Ok(()) => return self.finish(order).await,
                Err(Unproved::Refused(why)) => {
                    // The server takes no second answer to an order.
                    self.progress.order = None;
                    self.save()?;
                    reasons.push(format!("{}: {why}", named(*challenge)));
                }
                Err(Unproved::Failed(failure)) => return Err(failure),
            }
        }
        Err(match reasons.is_empty() {
            true => Failure::new("no way of proving that the host is ours is allowed"),
            false => Failure::new(format!(
                "the ACME server could not see that {} is ours: {}",
                self.host,
                reasons.join("; ")
            )),
        })
    }

    /// The order under way, or a new one.
    async fn open(&mut self, account: &Account, old: Option<&Pair>) -> Result<Order, Failure> {
        if let Some(pending) = self.progress.order.clone() {
            match patiently(async || account.order(pending.url.clone()).await).await {
                Ok(mut order) => {
                    if order.state().status != OrderStatus::Invalid {
                        return Ok(order);
                    }
                    self.progress.order = None;
                }
                // The server has forgotten it.
                Err(instant_acme::Error::Api(_)) => self.progress.order = None,
                Err(error) => return Err(error.into()),
            }
        }
        let hosts = [Identifier::Dns(self.host.to_owned())];
        // A server that tells when to renew wants to know what is renewed.
        let replaced = old.filter(|_| self.progress.window.is_some());
        let replaced = replaced.and_then(|old| CertificateIdentifier::try_from(&old.key.cert[0]).ok());
        let mut order = None;
        if let Some(replaced) = replaced {
            let new = NewOrder::new(&hosts).replaces(replaced);
            // Refused when it was replaced already; an ordinary order is as good.
            order = patiently(async || account.new_order(&new).await).await.ok();
        }
        let order = match order {
            Some(order) => order,
            None => patiently(async || account.new_order(&NewOrder::new(&hosts)).await).await?,
        };
        let key =
            KeyPair::generate().map_err(|error| Failure::new(format!("no key can be made: {error}")))?;
        let pending = Pending { url: order.url().to_owned(), key: key.serialize_pem(), texts: Vec::new() };
        self.progress.order = Some(pending);
        self.save()?;
        Ok(order)
    }

    /// Proves to the server that the host is ours.
    async fn prove(&mut self, order: &mut Order, challenge: Challenge) -> Result<(), Unproved> {
        // Asks for all that is not known yet; what is, is not asked for again.
        let known = patiently(async || {
            let mut all = order.authorizations();
            while let Some(next) = all.next().await {
                next?;
            }
            Ok(())
        });
        known.await.map_err(Unproved::failed)?;
        let mut all = order.authorizations();
        while let Some(next) = all.next().await {
            let mut authorization = next.map_err(Unproved::failed)?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let Some(mut handle) = authorization.challenge(kind(challenge)) else {
                return Err(Unproved::Refused("the server does not offer it for this host".to_owned()));
            };
            let answer = handle.key_authorization();
            match challenge {
                Challenge::Http01 => {
                    self.show_text(&handle.token, answer.as_str()).map_err(Unproved::Failed)?;
                }
                Challenge::TlsAlpn01 => {
                    let (challenges, template) = (&self.context.challenges, &self.context.template);
                    let shown = challenges.add_certificate(self.host, answer.digest().as_ref(), template);
                    shown.map_err(|why| Unproved::Failed(Failure::new(why)))?;
                }
            }
            if handle.status == instant_acme::ChallengeStatus::Pending {
                patiently(async || handle.set_ready().await).await.map_err(Unproved::failed)?;
            }
        }
        if matches!(order.state().status, OrderStatus::Processing | OrderStatus::Valid) {
            return Ok(());
        }
        match patiently(async || order.poll_ready(&POLL).await).await {
            Ok(OrderStatus::Invalid) | Err(instant_acme::Error::Api(_)) => {
                Err(Unproved::Refused(reason(order).await))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Unproved::failed(error)),
        }
    }

    /// Gets the certificate of an order whose hosts are proved.
    async fn finish(&mut self, mut order: Order) -> Result<(String, String), Failure> {
        let pending = self.progress.order.as_ref().ok_or_else(|| Failure::new("the order has no key"))?;
        let pem = pending.key.clone();
        let failed = |error: rcgen::Error| Failure::new(format!("the key of the order is broken: {error}"));
        if order.state().status == OrderStatus::Ready {
            let key = KeyPair::from_pem(&pem).map_err(failed)?;
            let mut parameters = CertificateParams::new(vec![self.host.to_owned()]).map_err(failed)?;
            parameters.distinguished_name = DistinguishedName::new();
            let request = parameters.serialize_request(&key).map_err(failed)?;
            patiently(async || order.finalize_csr(request.der()).await).await?;
        }
        let chain = patiently(async || order.poll_certificate(&POLL).await).await;
        if chain.is_err() && order.state().status == OrderStatus::Invalid {
            self.progress.order = None;
            self.save()?;
        }
        Ok((chain?, pem))
    }

    fn show_text(&mut self, token: &str, text: &str) -> Result<(), Failure> {
        self.context.challenges.add_text(token, text);
        if let Some(order) = &mut self.progress.order {
            order.texts = vec![Text { token: token.to_owned(), text: text.to_owned() }];
        }
        self.save()
    }

    /// Answers no challenge any more.
    fn clear(&mut self) {
        self.context.challenges.remove_certificate(self.host);
        if let Some(order) = &mut self.progress.order {
            for text in std::mem::take(&mut order.texts) {
                self.context.challenges.remove_text(&text.token);
            }
        }
    }

    fn save(&self) -> Result<(), Failure> {
        let saved =
            self.progress.save(&*self.context.files, &self.context.folder, &self.acme.directory, self.host);
        saved.map_err(|error| Failure::new(format!("the order cannot be written down: {error}")))
    }
}

/// Why a host is not proved.
enum Unproved {
    /// The server looked and did not see it: another challenge may do.
    Refused(String),
    /// It did not come to that.
    Failed(Failure),
}

impl Unproved {
    fn failed(error: instant_acme::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What the server says of the challenge that it refused.
async fn reason(order: &mut Order) -> String {
    let mut all = order.authorizations();
    while let Some(Ok(mut authorization)) = all.next().await {
        // Without its newest state, the order's own error is all there is.
        let _ = patiently(async || authorization.refresh().await.map(|_| ())).await;
        let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            return shown(problem);
        }
    }
    order.state().error.as_ref().map_or_else(|| "the server gave no reason".to_owned(), shown)
}

fn kind(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

/// As the manifest writes it.
fn named(challenge: Challenge) -> &'static str {
    match challenge {
        Challenge::Http01 => "http-01",
        Challenge::TlsAlpn01 => "tls-alpn-01",
    }
}
