//! The proxies that are compared.

use std::fmt;

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// Ours, as users run it: `landfall proxy run`, every request in the access log.
    Landfall,
    /// Ours without an access log, as the others are configured.
    Unlogged,
    /// Debian's.
    Nginx,
    /// Debian's.
    HaProxy,
    /// Debian's.
    Caddy,
}

impl Peer {
    /// All, ours first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Landfall, Self::Nginx, Self::HaProxy, Self::Caddy, Self::Unlogged];

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Landfall => "Landfall",
            Self::Unlogged => "Landfall without its access log",
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
            Self::Caddy => "Caddy",
        }
    }

    /// Whether it is ours.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Landfall | Self::Unlogged)
    }

    /// The program that must be installed; none for ours.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Landfall | Self::Unlogged => "",
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
