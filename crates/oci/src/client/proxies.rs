//! Which proxy leads to a host, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say it. Pure.
//!
//! They are read as Docker reads them (Go's `golang.org/x/net/http/httpproxy`), and `ALL_PROXY` as curl does. This machine
//! is never reached through a proxy.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use landfall_model::Fault;

use super::place::is_this_machine;

/// The port of a proxy that names none.
const PORT: u16 = 80;

/// The ways out of this machine; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    none: Vec<Exception>,
}

/// One proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// `http://HOST:PORT`.
    pub(super) uri: Uri,
    /// Who one is there.
    pub(super) account: Option<HeaderValue>,
}

impl Proxy {
    /// `HOST:PORT`, for people.
    pub(super) fn name(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }
}

/// Where no proxy is used.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    Everywhere,
    Network(IpAddr, u8),
    /// A name; with those below it, or these alone.
    Name {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    Address(IpAddr, Option<u16>),
}

impl Proxies {
    /// Reads the variables of an environment; the ones in capitals first.
    ///
    /// # Errors
    /// A usage fault for a proxy that is no address, or one that is not spoken to without encryption (`socks5://`).
    pub fn read(variables: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let said = |name: &'static str| {
            let value = variables.get(name).or_else(|| variables.get(&name.to_ascii_lowercase()));
            value.map(|value| value.trim()).filter(|value| !value.is_empty()).map(|value| (name, value))
        };
        let read =
            |name| said(name).or_else(|| said("ALL_PROXY")).map(|(name, text)| proxy(name, text)).transpose();
        let none = said("NO_PROXY").map_or("", |(_, text)| text);
        Ok(Self {
            https: read("HTTPS_PROXY")?,
            http: read("HTTP_PROXY")?,
            none: none.split([',', ' ']).filter_map(exception).collect(),
        })
    }

    /// The proxy that a request goes through; `None` where it goes by itself.
    pub(super) fn of(&self, to: &Uri) -> Option<&Proxy> {
        let secure = to.scheme_str() == Some("https");
        let proxy = if secure { &self.https } else { &self.http }.as_ref()?;
        let host = to.host()?.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let port = to.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let excepted = is_this_machine(&host) || self.none.iter().any(|one| one.holds(&host, port));
        (!excepted).then_some(proxy)
    }
}

impl Exception {
    fn holds(&self, host: &str, port: u16) -> bool {
        let address = host.parse::<IpAddr>().ok();
        match self {
            Self::Everywhere => true,
            Self::Network(network, bits) => address.is_some_and(|address| within(address, *network, *bits)),
            Self::Address(one, only) => address == Some(*one) && only.is_none_or(|only| only == port),
            Self::Name { name, itself, port: only } => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                (below || *itself && host == name) && only.is_none_or(|only| only == port)
            }
        }
    }
}

/// Reads `http://user:password@proxy:3128`, `proxy:3128`, `proxy`.
fn proxy(name: &str, text: &str) -> Result<Proxy, Fault> {
    // The address may hold a password: none of it is repeated.
    let wrong = |why: &str| {
        Fault::usage(format!("{name} {why}"))
            .help("write `http://HOST:PORT` into the environment that Landfall's agent is started in")
    };
    let rest = match text.split_once("://") {
        Some(("http", rest)) => rest,
        Some((scheme, _)) => return Err(wrong(&format!("is a `{scheme}://` proxy, which is not spoken"))),
        None => text,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (account, place) = authority.rsplit_once('@').map_or((None, authority), |(who, at)| (Some(who), at));
    let uri = if place.rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
        format!("http://{place}")
    } else {
        format!("http://{place}:{PORT}")
    };
    let uri: Uri = uri.parse().map_err(|_| wrong("is no address"))?;
    if uri.host().is_none_or(str::is_empty) || uri.port_u16().is_none() {
        return Err(wrong("is no address"));
    }
    let account = account.map(|account| {
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let shown = [decoded(user), b":".to_vec(), decoded(password)].concat();
        let mut shown = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(shown)))
            .map_err(|_| wrong("has an account that cannot be sent"))?;
        shown.set_sensitive(true);
        Ok::<_, Fault>(shown)
    });
    Ok(Proxy { uri, account: account.transpose()? })
}

/// One of `NO_PROXY`: `*`, `10.0.0.0/8`, `10.1.2.3:5000`, `example.com` (and below), `.example.com` (below alone).
fn exception(text: &str) -> Option<Exception> {
    let text = text.trim().to_ascii_lowercase();
    if text.is_empty() {
        return None;
    }
    if text == "*" {
        return Some(Exception::Everywhere);
    }
    if let Some((network, bits)) = text.split_once('/') {
        let network: IpAddr = network.parse().ok()?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        return Some(Exception::Network(network, bits.parse().ok().filter(|bits| *bits <= most)?));
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return Some(Exception::Address(address, None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text.as_str(), None),
    };
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Some(Exception::Address(address, port));
    }
    let name = host.trim_start_matches('*').trim_end_matches('.');
    let itself = !name.starts_with('.');
    let name = name.trim_start_matches('.').to_owned();
    (!name.is_empty()).then_some(Exception::Name { name, itself, port })
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    let rest = u32::from(width - bits);
    address.checked_shr(rest).unwrap_or(0) == network.checked_shr(rest).unwrap_or(0)
}

/// Text with `%40` and the like read.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match hex.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Proxies, Fault> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Proxies::read(&owned.collect())
    }

    fn of(proxies: &Proxies, to: &str) -> Option<String> {
        proxies.of(&to.parse().unwrap()).map(|proxy| proxy.name().to_owned())
    }

    #[test]
    fn each_scheme_has_its_variable_in_capitals_or_not() {
        let proxies = read(&[("HTTPS_PROXY", "http://secure:3128/"), ("http_proxy", "plain:8080")]).unwrap();
        assert_eq!(of(&proxies, "https://registry.example.com/v2/").as_deref(), Some("secure:3128"));
        assert_eq!(of(&proxies, "http://registry.example.com/v2/").as_deref(), Some("plain:8080"));
        let proxies =
            read(&[("https_proxy", "small"), ("HTTPS_PROXY", "large"), ("ALL_PROXY", "all")]).unwrap();
        assert_eq!(of(&proxies, "https://a.b/").as_deref(), Some("large:80"));
        assert_eq!(of(&proxies, "http://a.b/").as_deref(), Some("all:80"));
        assert_eq!(read(&[("HTTPS_PROXY", " ")]).unwrap(), Proxies::default());
    }

    #[test]
    fn this_machine_and_what_no_proxy_names_is_reached_directly() {
        let no = "example.com, .below.net,*.stars.org,10.0.0.0/8,192.168.1.5,192.168.1.6:5000,named.io:443,[2001:db8::1], fd00::/8";
        let proxies = read(&[("ALL_PROXY", "p:1"), ("no_proxy", no)]).unwrap();
        for direct in [
            "https://localhost:5000/",
            "https://127.0.0.1/",
            "https://[::1]:1/",
            "https://example.com/",
            "https://EXAMPLE.com./",
            "https://a.b.example.com/",
            "https://x.below.net/",
            "https://x.stars.org/",
            "https://10.200.3.4/",
            "https://192.168.1.5:99/",
            "http://192.168.1.6:5000/",
            "https://named.io/",
            "https://[2001:db8::1]/",
            "https://[fd12::1]/",
        ] {
            assert_eq!(of(&proxies, direct), None, "{direct}");
        }
        for through in [
            "https://notexample.com/",
            "https://below.net/",
            "https://stars.org/",
            "https://11.0.0.1/",
            "https://192.168.1.6/",
            "http://named.io/",
            "https://[2001:db8::2]/",
        ] {
            assert_eq!(of(&proxies, through).as_deref(), Some("p:1"), "{through}");
        }
        let proxies = read(&[("ALL_PROXY", "p:1"), ("NO_PROXY", "*")]).unwrap();
        assert_eq!(of(&proxies, "https://example.com/"), None);
    }

    #[test]
    fn an_account_is_sent_and_never_shown() {
        let proxies = read(&[("HTTPS_PROXY", "http://me%40home:p%3Ass@[::2]:3128")]).unwrap();
        let proxy = proxies.https.as_ref().unwrap();
        assert_eq!(proxy.account.as_ref().unwrap(), &format!("Basic {}", STANDARD.encode("me@home:p:ss")));
        assert_eq!(proxy.name(), "[::2]:3128");
        assert!(!format!("{proxies:?}").contains("Basic"));
        for bad in
            ["socks5://u:secret@p:1080", "http://u:secret@", "http://u:secret@h:port", "https://u:secret@p:1"]
        {
            let fault = read(&[("HTTPS_PROXY", bad)]).unwrap_err();
            assert!(
                fault.message.starts_with("HTTPS_PROXY") && !fault.message.contains("secret"),
                "{bad} {fault}"
            );
        }
    }
}
