//! What an engine's errors mean to a person: pure, from what was being done and what came back.

use std::io;

use bollard::errors::Error;
use landfall_model::{Blame, Fault, FaultKind, Retry};

use crate::address::Address;

/// What to do when the engine's disk is full.
pub(crate) const MAKE_ROOM: &str = "make room where the engine keeps its data: `landfall disk` shows what takes what, ours and not ours, and takes away \
     with `--prune` what no release needs";

/// Nothing could be connected to; `complaint` is what `ssh` said of it.
pub(crate) fn unreachable(address: &Address, why: &io::Error, complaint: Option<&str>) -> Fault {
    let at = format!("the Docker engine at {address}");
    match (address, why.kind()) {
        (_, io::ErrorKind::PermissionDenied) => {
            Fault::machine(format!("{at} may not be used by this user: permission denied on its socket"))
                .help("add the user to the group `docker` (`sudo usermod -aG docker USER`) and log in anew, or run as root")
        }
        (Address::Unix(_), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Fault::machine(format!("there is no Docker engine at {address}")).help(
                "install one (`apt-get install docker.io`, or https://docs.docker.com/engine/install) and start it \
                 (`systemctl start docker`); one elsewhere is named by DOCKER_HOST",
            )
        }
        (Address::Tcp(_), io::ErrorKind::ConnectionRefused) => {
            Fault::machine(format!("nothing listens at {address}"))
                .help("start the engine there, or correct DOCKER_HOST; `ssh://user@host` needs no open port")
        }
        (_, io::ErrorKind::TimedOut) => Fault::machine(format!("{at} does not answer"))
            .help("see what it does with `docker info` and `journalctl -u docker`; restart it if it hangs"),
        (Address::Tcp(_), _) if is_tls(why) => Fault::machine(format!("{at} cannot be reached with TLS: {}", root(why)))
            .help(
                "DOCKER_CERT_PATH of the agent's environment names a folder with the authority of the engine's certificate (ca.pem) \
                 and with a certificate that the engine knows (cert.pem, key.pem)",
            ),
        (Address::Ssh { destination, .. }, _) => through_ssh(destination, why, complaint),
        _ => Fault::machine(format!("{at} cannot be reached: {why}")),
    }
}

/// Whether a handshake failed.
fn is_tls(why: &io::Error) -> bool {
    let mut inner: Option<&(dyn std::error::Error + 'static)> = why.get_ref().map(|inner| inner as _);
    while let Some(error) = inner {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An error of the system's keeps its own inner one to itself.
        let of_system = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner = of_system.map(|inner| inner as _).or_else(|| error.source());
    }
    false
}

/// Nothing answered at the other end of an ssh connection.
fn through_ssh(destination: &str, why: &io::Error, complaint: Option<&str>) -> Fault {
    if why.kind() == io::ErrorKind::NotFound {
        return Fault::machine("`ssh` is not installed on this machine")
            .help("`apt-get install openssh-client`");
    }
    let said = complaint.map_or_else(|| root(why), str::to_owned);
    let fault = Fault::machine(format!("no Docker engine is reached through `ssh {destination}`: {said}"));
    let has = |needle: &str| said.contains(needle);
    fault.help(if has("permission denied") && has("docker") {
        format!("add the user there to the group `docker` (`ssh {destination} sudo usermod -aG docker USER`)")
    } else if has("Permission denied") {
        format!("nothing can be asked for here: `ssh {destination} true` must work with a key alone")
    } else if has("Host key verification failed") {
        format!(
            "connect once by hand (`ssh {destination}`), and accept the host's key if it is the right one"
        )
    } else if has("not found") {
        format!("install Docker there: `ssh {destination} docker version` must work")
    } else {
        format!("`ssh {destination} docker version` must work without asking for anything")
    })
}

/// The engine takes encrypted connections alone.
pub(crate) fn wants_tls(address: &Address) -> Fault {
    Fault::machine(format!("the Docker engine at {address} is only reached with TLS")).help(
        "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem, and start the agent \
         again in that environment (`landfall agent stop`)",
    )
}

/// Something answered that is no engine.
pub(crate) fn no_engine_there(address: &Address) -> Fault {
    Fault::machine(format!("what answers at {address} is no Docker engine"))
        .help("correct DOCKER_HOST; the machine's own engine is at unix:///var/run/docker.sock")
}

/// The engine is older than this crate speaks.
pub(crate) fn too_old(address: &Address, api: (u32, u32), oldest: (u32, u32)) -> Fault {
    Fault::machine(format!(
        "the Docker engine at {address} is too old: it speaks API {}.{}, at least {}.{} is needed",
        api.0, api.1, oldest.0, oldest.1
    ))
    .help("upgrade it to Docker 20.10 or newer")
}

/// The engine does not know what it was asked for.
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// The engine found what was asked for in the way of it: a name that is taken, a container that runs.
pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 409, .. })
}

/// A call failed while `doing` ("starting the container web-1").
pub(crate) fn call(doing: &str, error: &Error) -> Fault {
    match error {
        Error::DockerResponseServerError { status_code, message } => said(doing, *status_code, message),
        Error::DockerStreamError { error } => said(doing, 500, error),
        Error::RequestTimeoutError => Fault::machine(format!("{doing}: the engine did not answer in time"))
            .help("see what it does with `docker info` and `journalctl -u docker`; then try again"),
        Error::JsonDataError { message, .. } => {
            Fault::internal(format!("{doing}: the engine's answer is not understood: {message}"))
        }
        other => broke(doing, other),
    }
}

/// The connection broke while `doing`.
pub(crate) fn broke(doing: &str, why: &dyn std::error::Error) -> Fault {
    let message = format!("{doing}: the connection to the engine broke: {}", root(why));
    Fault::new(FaultKind::Failed, Blame::Machine, Retry::Safe, message)
}

/// What the engine said in words of its own.
pub(crate) fn said(doing: &str, status: u16, message: &str) -> Fault {
    let text = format!("{doing}: {}", message.trim_end_matches('.'));
    let has = |needle: &str| message.contains(needle);
    if has("no space left on device") || has("disk quota exceeded") {
        return Fault::machine(text).help(MAKE_ROOM);
    }
    if has("does not match the specified platform")
        || has("no matching manifest")
        || has("no match for platform")
        || has("exec format error")
    {
        return Fault::application(text).help(
            "the image is for another architecture: build it with `platform = \"linux/…\"` of this machine",
        );
    }
    if has("executable file not found") || has("no such file or directory: unknown") {
        return Fault::application(text).help(
            "the command that the container starts is not in the image: check `run`, CMD and ENTRYPOINT",
        );
    }
    match status {
        400..=499 => Fault::new(FaultKind::Failed, Blame::User, Retry::AfterFix, text),
        _ => Fault::new(FaultKind::Failed, Blame::Machine, Retry::Safe, text),
    }
}

/// The same fault, and what to do where a registry is the reason.
pub(crate) fn registry(fault: Fault) -> Fault {
    if fault.help.is_some() {
        return fault;
    }
    let has = |needles: &[&str]| needles.iter().any(|needle| fault.message.contains(needle));
    let help = if has(&["unauthorized", "authentication required", "no basic auth", "denied"]) {
        "log in to the registry (`docker login REGISTRY`) as somebody who may do this, and check the image's name"
    } else if has(&["toomanyrequests", "429", "Too Many Requests", "rate limit"]) {
        "the registry limits how often it is asked: wait, or log in (`docker login`)"
    } else if has(&["manifest unknown", "not found", "does not exist"]) {
        "the registry has no such image: check its name and version"
    } else if has(&["server gave HTTP response to HTTPS client", "x509:", "tls:"]) {
        "the engine does not trust the registry's certificate: give it a good one, or name the registry in          `insecure-registries` of the engine's daemon.json"
    } else if has(&["invalid tar header"]) {
        "a layer of the image may be compressed with Zstandard, which engines before 23.0 do not read: upgrade the engine, or push \
         the image with layers compressed by gzip (`--output type=registry,compression=gzip,force-compression=true`)"
    } else if has(&["dial tcp", "i/o timeout", "connection refused", "no such host"]) {
        "the registry cannot be reached from the engine: check its name, the network and the proxy"
    } else if has(&["500 Internal", "502", "503", "504", "EOF", "connection reset"]) {
        return Fault { retry: Retry::Safe, ..fault }
            .help("the registry failed: try again, and see its own log");
    } else {
        return fault;
    };
    fault.help(help)
}

/// The innermost reason, which says what the outer ones wrap.
fn root(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_without_permission_says_what_to_do() {
        let fault = unreachable(&Address::default(), &io::ErrorKind::PermissionDenied.into(), None);
        assert!(fault.help.unwrap().contains("usermod -aG docker"), "{}", fault.message);
    }

    #[test]
    fn a_layer_in_zstandard_is_told_of() {
        // Word for word what engine 20.10.24 says of one.
        let said = said(
            "pulling x",
            500,
            "failed to register layer: Error processing tar file(exit status 1): archive/tar: invalid tar header",
        );
        assert!(registry(said).help.unwrap().contains("Zstandard"));
    }

    #[test]
    fn what_the_engine_says_is_told_apart() {
        let fault = said("pulling x", 500, "write /var/lib/docker/tmp/x: no space left on device");
        assert_eq!(fault.blame, Blame::Machine);
        assert!(fault.help.unwrap().contains("make room"));
        let fault = said("starting x", 400, "exec: \"nope\": executable file not found in $PATH: unknown");
        assert_eq!(fault.blame, Blame::Application);
        let fault = said("starting x", 500, "exec /bin/x: exec format error");
        assert!(fault.help.unwrap().contains("another architecture"));
    }
}
