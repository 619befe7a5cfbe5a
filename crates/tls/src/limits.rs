//! Every limit of certificates and handshakes, with its name and why it is what it is.

use std::time::Duration;

/// The largest file with certificates or a key; chains of a few certificates have under 10 kB.
pub(crate) const MAX_FILE: u64 = 256 * 1024;
/// Certificates in one chain.
pub(crate) const MAX_CHAIN: usize = 10;
/// A handshake from its first byte to its end, the wait for a certificate on demand left out.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(15);
/// A handshake waits this long for a certificate to be ordered; browsers give up after about 30 s.
pub(crate) const DEMAND_WAIT: Duration = Duration::from_secs(25);
/// Handshakes that wait for a certificate at once; further ones are refused.
pub(crate) const MAX_DEMANDS: usize = 256;
/// Hosts with a certificate that was ordered on demand.
pub(crate) const MAX_DEMANDED: usize = 10_000;
/// Hosts that are remembered as refused, so that they cost neither the application nor the ACME server anything.
pub(crate) const MAX_REFUSED: usize = 10_000;
/// A host that the application refused is not asked about again for this long.
pub(crate) const REFUSED_FOR: Duration = Duration::from_secs(60);
/// For an application to say whether there may be a certificate for a host.
pub(crate) const APPROVAL: Duration = Duration::from_secs(5);
/// Orders under way at once; the others wait for their turn.
pub(crate) const MAX_ORDERS: usize = 4;
/// One order from its beginning to the certificate.
pub(crate) const ORDER: Duration = Duration::from_secs(180);
/// One request to an ACME server, connecting included.
pub(crate) const ACME_REQUEST: Duration = Duration::from_secs(30);
/// The largest answer of an ACME server.
pub(crate) const MAX_ACME_ANSWER: usize = 1024 * 1024;
/// A request that the server refuses for its nonce (RFC 8555, section 6.5) is made again this often; the library
/// itself makes three attempts each time.
pub(crate) const NONCE_ATTEMPTS: u32 = 5;
/// The longest wait that an ACME server can ask for; one that asks for more is asked again then.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Challenges that wait for an ACME server to look.
pub(crate) const MAX_CHALLENGES: usize = 1000;
/// A root of the internal authority is good for this long.
pub(crate) const ROOT_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// A root with less than this left is replaced by a new one.
pub(crate) const ROOT_LEFT: Duration = Duration::from_secs(30 * 24 * 3600);
/// A certificate of the internal authority is good for this long; a new one is made at a handshake once a third is left.
pub(crate) const LEAF_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Certificates begin this much before they are made, for clients whose clock is behind.
pub(crate) const BACKDATED: Duration = Duration::from_secs(3600);
/// Certificates of the internal authority in memory; the oldest goes.
pub(crate) const MAX_LEAVES: usize = 1000;
/// The keeper looks at the wall clock at least this often, because it may jump.
pub(crate) const LOOK: Duration = Duration::from_secs(60);

/// How fast things happen that a person does not wait for. [`Pace::default`] is what a proxy uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at given files.
    pub files: Duration,
    /// After the first failed order; doubled with each further one in a row.
    pub first_retry: Duration,
    /// The most that comes of doubling.
    pub last_retry: Duration,
    /// Between two questions to the ACME server for when to renew (RFC 9773), where it does not say.
    pub window: Duration,
}

impl Default for Pace {
    /// Two seconds for files. After a failed order a minute, at most six hours: Let's Encrypt allows five failed
    /// validations an hour and host. Six hours between questions for the renewal window, as RFC 9773 suggests.
    fn default() -> Self {
        Self {
            files: Duration::from_secs(2),
            first_retry: Duration::from_secs(60),
            last_retry: Duration::from_secs(6 * 3600),
            window: Duration::from_secs(6 * 3600),
        }
    }
}
