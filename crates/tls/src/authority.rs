//! The host's own authority: a root that lives ten years, and certificates of a week that it signs.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use landfall_fx::{Files, TlsDir};
use landfall_model::{Fault, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use crate::facts::Facts;
use crate::folder;
use crate::limits::{BACKDATED, LEAF_LIFE, ROOT_LEFT, ROOT_LIFE};
use crate::pair::{Flaw, Pair};

/// The longest common name, `ub-common-name` of RFC 5280.
const MAX_COMMON_NAME: usize = 64;

/// The authority, with its key.
pub struct Authority {
    root: CertificateDer<'static>,
    pem: String,
    facts: Facts,
    issuer: Issuer<'static, KeyPair>,
    path: PathBuf,
}

impl Authority {
    /// Reads the authority of this folder; makes it when there is none or its root has less than a month left. Processes
    /// that do so at the same time get the same one.
    ///
    /// # Errors
    /// A folder or file that cannot be read or written, or a file that is not what it should be.
    pub fn open(folder: &TlsDir, files: &dyn Files, now: Timestamp) -> Result<Self, Fault> {
        let lasts = |authority: &Self| authority.facts.not_after > now.plus(ROOT_LEFT);
        if let Some(authority) = Self::existing(folder)?.filter(lasts) {
            return Ok(authority);
        }
        let cannot = |error| unusable(&folder.authority(), &error);
        let _lock = folder::lock(&folder.authority_lock()).map_err(cannot)?;
        if let Some(authority) = Self::existing(folder)?.filter(lasts) {
            return Ok(authority);
        }
        let (certificate, key) = make(now).map_err(|error| {
            Fault::internal(format!("the root of the internal authority cannot be made: {error}"))
        })?;
        // Never a key beside a certificate that is not its own, whenever this is cut short.
        files.remove(&folder.authority_certificate()).map_err(cannot)?;
        files.replace(&folder.authority_key(), key.as_bytes()).map_err(cannot)?;
        files.replace(&folder.authority_certificate(), certificate.as_bytes()).map_err(cannot)?;
        Self::existing(folder)?
            .ok_or_else(|| Fault::internal("the root of the internal authority is gone again"))
    }

    /// Reads the authority of this folder, also one whose time is over; makes none.
    ///
    /// # Errors
    /// A folder or file that cannot be read, or a file that is not what it should be.
    pub fn existing(folder: &TlsDir) -> Result<Option<Self>, Fault> {
        let (path, key_path) = (folder.authority_certificate(), folder.authority_key());
        let there = |path: &Path| folder::read_if_there(path).map_err(|error| unusable(path, &error));
        let (Some(certificate), Some(key)) = (there(&path)?, there(&key_path)?) else {
            return Ok(None);
        };
        let pair = Pair::parse(&certificate, &key)
            .map_err(|flaw| broken(if flaw.is_of_key() { &key_path } else { &path }, &flaw.to_string()))?;
        let root = CertificateDer::from_pem_slice(&certificate)
            .map_err(|error| broken(&path, &Flaw::BrokenCertificate(error.to_string()).to_string()))?;
        let key = KeyPair::from_pem(&String::from_utf8_lossy(&key))
            .map_err(|error| broken(&key_path, &format!("is broken: {error}")))?;
        let issuer = Issuer::from_ca_cert_der(&root, key)
            .map_err(|error| broken(&path, &format!("is no authority's certificate: {error}")))?;
        let pem = String::from_utf8_lossy(&certificate).into_owned();
        Ok(Some(Self { root, pem, facts: pair.facts, issuer, path }))
    }

    /// The root, which clients are made to trust: a PEM file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root itself.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The root in PEM form.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What the root says of itself.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Signs a certificate for hosts and addresses.
    ///
    /// # Errors
    /// A name that no certificate can hold, or no randomness.
    pub(crate) fn issue(&self, names: &[String], now: Timestamp) -> Result<Pair, String> {
        let failed = |error: rcgen::Error| format!("no certificate for {}: {error}", names.join(", "));
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => Ok(SanType::IpAddress(address)),
                Err(_) => name.as_str().try_into().map(SanType::DnsName),
            })
            .collect::<Result<_, rcgen::Error>>()
            .map_err(failed)?;
        parameters.distinguished_name = DistinguishedName::new();
        if let Some(name) = names.first().filter(|name| name.len() <= MAX_COMMON_NAME) {
            parameters.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        let end = now.plus(LEAF_LIFE).min(self.facts.not_after);
        (parameters.not_before, parameters.not_after) = (before(now), moment(end));
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let leaf = parameters.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let pair = Pair::of(vec![leaf.der().clone(), self.root.clone()], &key);
        pair.map_err(|flaw| format!("the certificate for {} {flaw}", names.join(", ")))
    }
}

/// A new root and its key, PEM.
fn make(now: Timestamp) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let common = format!("Landfall authority of {host:.32} ({})", &now.compact()[..8]);
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common);
    (parameters.not_before, parameters.not_after) = (before(now), moment(now.plus(ROOT_LIFE)));
    // It signs certificates of hosts and no further authorities.
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn before(now: Timestamp) -> OffsetDateTime {
    let backdated = u64::try_from(BACKDATED.as_millis()).unwrap_or(0);
    moment(Timestamp::from_millis(now.millis().saturating_sub(backdated)))
}

fn moment(time: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(time.millis() / 1000).unwrap_or(i64::MAX);
    // What is beyond the year 9999 is a clock gone wrong.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn unusable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::machine(format!("{} cannot be used: {error}", path.display()))
        .help("Landfall keeps the authority of this host there; the user that Landfall runs as must own it")
}

fn broken(path: &Path, why: &str) -> Fault {
    Fault::machine(format!("{} {why}", path.display())).help(format!(
        "put it back from a backup, or remove the folder {}: a new authority is made then, which `landfall trust` makes \
         this machine's clients believe",
        path.parent().unwrap_or(path).display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use landfall_fx::{Clock as _, RealFiles, SystemClock};

    use super::*;

    fn folder() -> (tempfile::TempDir, TlsDir) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = TlsDir::new(&temporary.path().join("tls"));
        (temporary, folder)
    }

    #[test]
    fn it_is_made_once_and_for_its_owner_alone() {
        let (_temporary, folder) = folder();
        let now = SystemClock::new().now();
        let authorities: Vec<Authority> = std::thread::scope(|scope| {
            let open = || Authority::open(&folder, &RealFiles, now).unwrap();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(authorities.iter().all(|one| one.root == authorities[0].root));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(&folder.authority()), mode(&folder.authority_key())], [0o700, 0o600]);
        let facts = authorities[0].facts();
        let left = facts.not_after.since(now);
        assert!(left > ROOT_LIFE - Duration::from_secs(10) && left <= ROOT_LIFE, "{left:?}");
        assert!(facts.issuer.starts_with("Landfall authority of "), "{}", facts.issuer);
    }

    #[test]
    fn one_that_is_about_to_end_is_replaced_and_a_broken_one_is_not() {
        let (_temporary, folder) = folder();
        let now = SystemClock::new().now();
        let first = Authority::open(&folder, &RealFiles, now).unwrap();
        let late = now.plus(ROOT_LIFE - ROOT_LEFT - Duration::from_secs(60));
        assert_eq!(Authority::open(&folder, &RealFiles, late).unwrap().root, first.root);
        let later = now.plus(ROOT_LIFE - ROOT_LEFT + Duration::from_secs(60));
        assert_ne!(Authority::open(&folder, &RealFiles, later).unwrap().root, first.root);
        std::fs::write(folder.authority_key(), "nothing").unwrap();
        let fault = Authority::open(&folder, &RealFiles, now).err().unwrap();
        assert!(fault.message.contains("root.key holds no key"), "{fault}");
        assert!(fault.help.unwrap().contains("remove the folder"));
    }

    #[test]
    fn leaves_are_good_for_their_names_for_a_week() {
        let (_temporary, folder) = folder();
        let now = SystemClock::new().now();
        let authority = Authority::open(&folder, &RealFiles, now).unwrap();
        let names = ["a.localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let pair = authority.issue(&names, now).unwrap();
        assert_eq!((pair.facts.names.as_slice(), pair.check("::1", now)), (&names[..], Ok(())));
        assert_eq!(pair.facts.issuer, authority.facts().issuer);
        assert_eq!(pair.facts.not_after.millis() / 1000, now.plus(LEAF_LIFE).millis() / 1000);
        assert!(authority.issue(&["ü.example".to_owned()], now).is_err());
    }
}
