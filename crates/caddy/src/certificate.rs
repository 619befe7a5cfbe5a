//! When Caddy's certificates end, read from its storage: the PEM files below `certificates/`.

use std::fs;
use std::path::Path;

use landfall_model::Timestamp;

/// The most files that are looked at.
const MOST: usize = 1000;

/// A certificate that a Caddy has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateView {
    /// The name it is kept under: the host.
    pub name: String,
    /// Who gave it: the folder it is kept in (`local` is Caddy's internal authority).
    pub issuer: String,
    /// From when on it is not valid any more.
    pub ends: Timestamp,
}

/// Those below a storage's folder. What cannot be read is left out.
pub(crate) fn all(storage: &Path) -> Vec<CertificateView> {
    let mut found = Vec::new();
    for issuer in folders(&storage.join("certificates")) {
        for name in folders(&issuer) {
            let host = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ends = fs::read_to_string(name.join(format!("{host}.crt"))).ok().and_then(|pem| ends(&pem));
            let issuer = issuer.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.extend(ends.map(|ends| CertificateView { name: host, issuer, ends }));
            if found.len() == MOST {
                return found;
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn folders(path: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// When the first certificate of a PEM text (RFC 7468) ends.
fn ends(pem: &str) -> Option<Timestamp> {
    let (_, behind) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (text, _) = behind.split_once("-----END CERTIFICATE-----")?;
    not_after(&base64(text)?)
}

/// Decodes base64 (RFC 4648); white space is passed over.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// One element of DER (X.690): its tag, its content, what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (bytes, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
        length =
            bytes.iter().try_fold(0_usize, |sum, byte| Some(sum.checked_mul(256)? + usize::from(*byte)))?;
        rest = behind;
    }
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// The `notAfter` of a certificate (RFC 5280, section 4.1).
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    // version, where it is there, then serialNumber, signature, issuer.
    let fields = if rest.first() == Some(&0xa0) { 4 } else { 3 };
    for _ in 0..fields {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, behind) = element(validity)?;
    let (tag, time, _) = element(behind)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    // UTCTime has two digits of the year, GeneralizedTime four.
    let text = match (tag, text.get(..2)?.parse::<u32>().ok()?) {
        (0x17, year) if year >= 50 => format!("19{text}"),
        (0x17, _) => format!("20{text}"),
        _ => text.to_owned(),
    };
    let part = |from: usize, to: usize| text.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl req -x509 -newkey ed25519 -days 3650 -nodes -subj /CN=a`.
    const PEM: &str = include_str!("certificate/sample.pem");

    #[test]
    fn the_end_of_a_certificate_is_read() {
        assert_eq!(ends(PEM).unwrap().to_string(), include_str!("certificate/sample.end").trim());
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        assert_eq!(ends(""), None);
        assert_eq!(ends("-----BEGIN CERTIFICATE-----\nMAAwAA==\n-----END CERTIFICATE-----"), None);
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(not_after(&[0x30, 0x8f]), None);
    }

    #[test]
    fn a_storage_is_looked_through() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().join("certificates/local/a.localhost");
        fs::create_dir_all(&host).unwrap();
        fs::write(host.join("a.localhost.crt"), PEM).unwrap();
        fs::create_dir_all(folder.path().join("certificates/local/broken")).unwrap();
        let all = all(folder.path());
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].name.as_str(), all[0].issuer.as_str()), ("a.localhost", "local"));
    }
}
