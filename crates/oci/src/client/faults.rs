//! What a registry's refusals mean for people.

use http::StatusCode;
use landfall_model::{Blame, Digest, Fault, FaultKind, Retry};
use serde::Deserialize;

use super::credentials::Credential;
use super::place::Place;
use crate::manifest::Platform;

/// Of what a registry says, the most characters that are passed on.
const MAX_SAID: usize = 300;

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What a registry answered instead of what was asked for. `what` is what was tried: `cannot push team/web`.
pub(super) fn refused(place: &Place, who: &Credential, what: &str, status: StatusCode, body: &[u8]) -> Fault {
    let host = place.host();
    let said = said(body);
    let told = |message: String| format!("{what}: {message}{said}");
    let fault = |blame, retry, message: String| Fault::new(FaultKind::Failed, blame, retry, told(message));
    match status.as_u16() {
        401 | 403 => fault(Blame::User, Retry::AfterFix, format!("{host} answers {}, {}", status.as_u16(), who.who()))
            .help(format!(
                "log in on the machine that says this, as the user that runs Landfall there: `docker login {host}`; and \
                 look whether that user may do it"
            )),
        404 => fault(Blame::User, Retry::AfterFix, format!("{host} has no such thing"))
            .help("look at the name; some registries say this, too, to those who may not see it"),
        413 => fault(Blame::User, Retry::AfterFix, format!("{host} does not take that much"))
            .help("make the image's layers smaller, or raise the limit of the registry or of the proxy before it"),
        429 => fault(Blame::Machine, Retry::Safe, format!("{host} asks for fewer requests, also after waiting"))
            .help("deploy again later; those who are logged in often may ask for more"),
        500..=599 => fault(Blame::Machine, Retry::Safe, format!("{host} fails with {}, also after trying again", status.as_u16()))
            .help("look after the registry, then deploy again: what arrived is kept"),
        other => fault(Blame::Machine, Retry::AfterFix, format!("{host} answers {other}, which is not expected")),
    }
}

/// A registry that cannot be reached.
pub(super) fn unreachable(place: &Place, what: &str, why: &str) -> Fault {
    let message = format!("{what}: {} cannot be reached: {why}", place.host());
    let fault = Fault::new(FaultKind::Failed, Blame::Machine, Retry::Safe, message);
    if why.contains("certificate") || why.contains("UnknownIssuer") {
        fault.help(format!(
            "put the authority of its certificate into /etc/docker/certs.d/{}/ca.crt, where the engine looks for it too",
            place.host()
        ))
    } else {
        fault.help("look at the name, the network, and whether the registry runs; `http://` before the name is for one without TLS")
    }
}

/// A connection that broke off, again and again.
pub(super) fn cut(place: &Place, what: &str, why: &str) -> Fault {
    let message =
        format!("{what}: the connection to {} breaks off, also after trying again: {why}", place.host());
    Fault::new(FaultKind::Failed, Blame::Machine, Retry::Safe, message)
        .help("look at the network, then deploy again: what arrived is kept")
}

/// Something came that is not what its digest says.
pub(super) fn mismatch(place: &Place, what: &str, expected: &Digest, found: &Digest) -> Fault {
    let message = format!("{what}: what {} gave for {expected} is {found}", place.host());
    Fault::new(FaultKind::Failed, Blame::Machine, Retry::Safe, message)
        .help("deploy again; if it stays so, something between here and the registry changes what it sends, or its disk is damaged")
}

/// A list of images without the one that is wanted.
pub(super) fn no_platform(place: &Place, what: &str, wanted: &Platform, there: &[String]) -> Fault {
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Fault::refused(format!("{what}: {} has no image for {wanted} there, only for {there}", place.host()))
        .kind(FaultKind::Failed)
        .help(format!("build it for {wanted}, or name an image that there is for it"))
}

/// An answer that is not of the protocol.
pub(super) fn odd(place: &Place, what: &str, why: &str) -> Fault {
    let message = format!("{what}: {} answers as no registry does: {why}", place.host());
    Fault::new(FaultKind::Failed, Blame::Machine, Retry::AfterFix, message)
        .help("look whether that is the address of an OCI registry")
}

/// What a registry says in the specification's form, or in none.
fn said(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Errors>(body) {
        Ok(Errors { errors }) => {
            let each = errors.iter().map(|it| format!("{} {}", it.code, it.message).trim().to_owned());
            each.collect::<Vec<_>>().join("; ")
        }
        Err(_) => String::from_utf8_lossy(body).lines().next().unwrap_or_default().trim().to_owned(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect();
    if text.is_empty() { text } else { format!(" ({text})") }
}
