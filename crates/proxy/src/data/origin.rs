//! Where a request came from: the other end of its connection, or what a trusted proxy there says.

use std::net::IpAddr;

use landfall_http1::is_host;
use landfall_model::Network;

use super::flight::Call;

/// Where a request came from.
pub(crate) struct Origin<'a> {
    pub(crate) address: IpAddr,
    /// Whether the client spoke HTTPS.
    pub(crate) secure: bool,
    /// The host that the client asked for.
    pub(crate) host: Option<&'a str>,
}

/// Finds it out, for a route that trusts these. Who is at the other end of the socket decides: only a proxy that is trusted
/// itself is believed, in what it says of the connection, else in what it says of the request. A proxy that says whose
/// connection it is passes on what it reads there, so that the fields are that client's own and not believed.
pub(crate) fn of<'a>(call: &Call<'a>, trusted: &[Network]) -> Origin<'a> {
    let (peer, request) = (call.peer, call.request);
    let mut origin = Origin { address: peer.address, secure: peer.tls.is_some(), host: request.host() };
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer.address) {
        return origin;
    }
    if let Some(address) = peer.told {
        return Origin { address, ..origin };
    }
    let mut noted: Vec<IpAddr> = Vec::new();
    let mut note = |text: &str| match parse(text) {
        Some(address) => noted.push(address),
        // What stands before something that is no address cannot be told from a lie.
        None => noted.clear(),
    };
    if request.field("x-forwarded-for").is_some() {
        // Nearly all proxies write this one, and pass on a `Forwarded` that is their client's own.
        let all = request.fields("x-forwarded-for").flat_map(|value| value.split(','));
        all.for_each(&mut note);
    } else {
        for element in request.fields("forwarded").flat_map(|value| value.split(',')) {
            for (name, value) in element.split(';').filter_map(|pair| pair.split_once('=')) {
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => note(value),
                    "proto" => origin.secure = value.eq_ignore_ascii_case("https"),
                    "host" if is_host(value.as_bytes()) => origin.host = Some(value),
                    _ => {}
                }
            }
        }
    }
    match request.fields("x-forwarded-proto").last().map(last) {
        Some("https" | "wss") => origin.secure = true,
        Some("http" | "ws") => origin.secure = false,
        _ => {}
    }
    let host = request.fields("x-forwarded-host").last().map(last);
    origin.host = host.filter(|host| is_host(host.as_bytes())).or(origin.host);
    // The last one that is not itself trusted is the client's: everything before it may be made up.
    let stranger = noted.iter().rev().find(|address| !is_trusted(**address));
    origin.address = stranger.or(noted.first()).copied().unwrap_or(origin.address);
    origin
}

fn last(value: &str) -> &str {
    value.rsplit(',').next().unwrap_or(value).trim()
}

/// An address with or without a port, as the fields write it: `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (text, want) in [
            ("1.2.3.4", Some("1.2.3.4")),
            (" 1.2.3.4:56 ", Some("1.2.3.4")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("[::1]:5", Some("::1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
        ] {
            assert_eq!(parse(text), want.map(|want| want.parse().unwrap()), "{text:?}");
        }
        assert_eq!(last("http, https"), "https");
    }
}
