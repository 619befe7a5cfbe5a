//! What is known of the certificates that a proxy serves, as `status` and `doctor` show it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The certificate of one host, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CertificateStatus {
    /// The host as its route names it; `*` for any. One that was only known from a handshake is here under its own name.
    pub host: String,
    /// Where it comes from.
    pub source: CertificateSource,
    /// The name of who issued it; `None` without a certificate, as all that follows up to `not_after`.
    pub issuer: Option<String>,
    /// The hosts and addresses it is good for.
    pub names: Vec<String>,
    /// From when it is good.
    pub not_before: Option<Timestamp>,
    /// Until when it is good.
    pub not_after: Option<Timestamp>,
    /// Why the last attempt at it came to nothing, one sentence; `None` when it did not.
    pub problem: Option<String>,
    /// When it is renewed or tried again; `None` when nothing is going to happen by itself.
    pub next_try: Option<Timestamp>,
}

impl CertificateStatus {
    /// Whole days until it expires, negative when it has; `None` without a certificate.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        const DAY: i64 = 24 * 3600 * 1000;
        let millis = |time: Timestamp| i64::try_from(time.millis()).unwrap_or(i64::MAX);
        self.not_after.map(|end| millis(end).saturating_sub(millis(now)).div_euclid(DAY))
    }

    /// Whether there is none because nobody asked for one yet: it is made with the first handshake.
    #[must_use]
    pub fn is_to_come(&self) -> bool {
        let made_then = matches!(
            self.source,
            CertificateSource::Internal | CertificateSource::Acme { on_demand: true, .. }
        );
        made_then && self.not_after.is_none() && self.problem.is_none()
    }

    /// Whether it should have been renewed by now: less than two weeks and less than a quarter of its time are left, or
    /// there is none at all.
    #[must_use]
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        const WEEKS: u64 = 14 * 24 * 3600 * 1000;
        let (Some(from), Some(to)) = (self.not_before, self.not_after) else { return true };
        let left = to.millis().saturating_sub(now.millis());
        left < WEEKS && left < to.millis().saturating_sub(from.millis()) / 4
    }
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateSource {
    /// The host's own authority.
    Internal,
    /// A file on the host.
    Files {
        /// Its path.
        certificate: String,
    },
    /// An ACME server.
    Acme {
        /// Its directory.
        directory: String,
        /// Whether it was asked for because of a handshake and an application's approval.
        on_demand: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a certificate for so many days, with so many left.
    fn left_soon(status: &CertificateStatus, whole: u64, left: u64, day: u64) -> bool {
        let at = |days: u64| Some(Timestamp::from_millis(days * day));
        let status = CertificateStatus { not_before: at(100), not_after: at(100 + whole), ..status.clone() };
        status.expires_soon(Timestamp::from_millis((100 + whole - left) * day))
    }

    #[test]
    fn days_are_whole_and_go_below_zero() {
        let mut status = CertificateStatus {
            host: "a.example".to_owned(),
            source: CertificateSource::Internal,
            issuer: None,
            names: Vec::new(),
            not_before: None,
            not_after: None,
            problem: None,
            next_try: None,
        };
        let day = 24 * 3600 * 1000;
        let now = Timestamp::from_millis(10 * day);
        assert_eq!(status.days_left(now), None);
        assert!(!left_soon(&status, 90, 80, day) && left_soon(&status, 90, 10, day));
        assert!(!left_soon(&status, 7, 3, day) && left_soon(&status, 7, 1, day));
        assert!(status.expires_soon(now), "there is none");
        let mut left = |at| {
            status.not_after = Some(Timestamp::from_millis(at));
            status.days_left(now)
        };
        assert_eq!([left(12 * day), left(11 * day - 1), left(10 * day - 1)], [Some(2), Some(0), Some(-1)]);
    }
}
