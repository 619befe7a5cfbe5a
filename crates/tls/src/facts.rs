//! What a certificate says of itself.

use std::net::IpAddr;

use landfall_model::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::X509Name;

/// What is read from a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The hosts and addresses it is good for, as they stand in it, in lower case.
    pub names: Vec<String>,
    /// The name of who issued it.
    pub issuer: String,
    /// From when it is good.
    pub not_before: Timestamp,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// Its subject and issuer in DER form: a chain is linked by them.
    pub(crate) subject_raw: Vec<u8>,
    pub(crate) issuer_raw: Vec<u8>,
}

impl Facts {
    /// Reads a certificate in DER form.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = names.map(|extension| &extension.value.general_names);
        let validity = certificate.validity();
        Ok(Self {
            names: names.into_iter().flatten().filter_map(name).collect(),
            issuer: shown(certificate.issuer()),
            not_before: timestamp(validity.not_before.timestamp()),
            not_after: timestamp(validity.not_after.timestamp()),
            subject_raw: certificate.subject().as_raw().to_vec(),
            issuer_raw: certificate.issuer().as_raw().to_vec(),
        })
    }

    /// Whether it is good for a host or an address; a name `*.example.com` is good for one more label (RFC 9525).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let wild = host.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let is_address = host.parse::<IpAddr>().is_ok();
        self.names.iter().any(|name| name == host || (!is_address && Some(name) == wild.as_ref()))
    }
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// The common name, or all of it where there is none.
fn shown(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|common| common.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(names: &[&str]) -> Facts {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Facts::read(certificate.der()).unwrap()
    }

    #[test]
    fn names_cover_hosts() {
        let facts = naming(&["A.example", "*.b.example", "127.0.0.1", "::1"]);
        let covers = |host: &str| facts.covers(host);
        assert!(covers("a.example") && covers("x.b.example") && covers("127.0.0.1") && covers("::1"));
        assert!(!covers("b.example") && !covers("x.y.b.example") && !covers("x.a.example"));
        assert!(!covers("127.0.0.2") && !covers("example"));
    }

    #[test]
    fn what_is_no_certificate_is_said() {
        assert!(Facts::read(b"nothing").is_err());
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let mut der = certificate.der().to_vec();
        assert!(Facts::read(&der).unwrap().names.is_empty());
        der.push(0);
        assert_eq!(Facts::read(&der), Err("1 bytes follow it".to_owned()));
    }
}
