//! Caddy's version, and what each can do.

use std::fmt;

use landfall_model::{Feature, Lack};

/// The version of a Caddy; of pre-releases only the number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The oldest that Landfall drives: Debian 12 has it. Older ones answer differently under `/reverse_proxy/upstreams`.
pub const OLDEST: Version = Version::new(2, 6, 0);

impl Version {
    /// The version `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads what `caddy version` prints: `2.6.2` or `v2.8.4 h1:q3pe0wpBj1OcHFZ3n…`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?.trim_start_matches('v');
        let number = word.split(['-', '+']).next()?;
        let mut parts = number.split('.').map(|part| part.parse().ok());
        Some(Self { major: parts.next()??, minor: parts.next()??, patch: parts.next().flatten()? })
    }

    /// Whether upgraded connections outlive a change of the configuration (`stream_close_delay`, since 2.7).
    #[must_use]
    pub fn keeps_streams(self) -> bool {
        self >= Self::new(2, 7, 0)
    }

    /// What Landfall's own proxy can do and this Caddy cannot, with what to do instead.
    #[must_use]
    pub fn lacks(self) -> Vec<Lack> {
        let mut lacks = vec![
            Lack {
                feature: Feature::StickyHeader,
                why: format!("Caddy {self} cannot spread clients by the value of a header over two releases"),
                instead: "use a cookie: `sticky = { cookie = \"NAME\" }`".to_owned(),
            },
            Lack {
                feature: Feature::OnDemandCertificates,
                why: format!("Caddy {self} has one address to ask about unknown hosts for all its routes"),
                instead: "name the hosts, or use Landfall's own proxy".to_owned(),
            },
        ];
        if self < Self::new(2, 7, 0) {
            lacks.push(Lack {
                feature: Feature::ProxyProtocol,
                why: format!("Caddy {self} does not know the PROXY protocol; 2.7 does"),
                instead: "install a newer Caddy, or use Landfall's own proxy".to_owned(),
            });
        }
        if self < OLDEST {
            lacks.push(Lack {
                feature: Feature::Routes,
                why: format!("Caddy {self} is older than {OLDEST}, the oldest that Landfall drives"),
                instead: "install a newer Caddy, or use Landfall's own proxy".to_owned(),
            });
        }
        lacks
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_caddy_prints_is_read() {
        assert_eq!(Version::read("2.6.2\n"), Some(Version::new(2, 6, 2)));
        assert_eq!(Version::read("v2.8.4 h1:q3pe0w="), Some(Version::new(2, 8, 4)));
        assert_eq!(Version::read("v2.10.0-beta.1"), Some(Version::new(2, 10, 0)));
        assert_eq!(Version::read("unknown"), None);
        assert_eq!(Version::read(""), None);
        assert!(Version::new(2, 10, 0) > Version::new(2, 9, 9));
    }

    #[test]
    fn a_newer_one_lacks_less() {
        let lacks = |version: Version, feature| version.lacks().iter().any(|lack| lack.feature == feature);
        assert!(lacks(Version::new(2, 6, 2), Feature::ProxyProtocol));
        assert!(!lacks(Version::new(2, 7, 0), Feature::ProxyProtocol));
        assert!(!lacks(Version::new(2, 6, 2), Feature::Routes));
        assert!(lacks(Version::new(2, 5, 2), Feature::Routes));
        assert!(lacks(Version::new(2, 11, 0), Feature::StickyHeader));
    }
}
