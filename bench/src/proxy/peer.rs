//! The proxies that are compared.

use std::fmt;

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// Ours, as users run it: `landfall proxy run`.
    Landfall,
    /// Debian's.
    Nginx,
    /// Debian's.
    HaProxy,
    /// Debian's.
    Caddy,
}

impl Peer {
    /// All, ours first.
    pub(crate) const ALL: [Self; 4] = [Self::Landfall, Self::Nginx, Self::HaProxy, Self::Caddy];

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Landfall => "Landfall",
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
            Self::Caddy => "Caddy",
        }
    }

    /// The program that must be installed; none for ours.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Landfall => "",
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
