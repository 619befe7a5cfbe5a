//! How a new release takes over from the one that serves.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// How a new release takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Requests are held while the instances are replaced: never two releases at once.
    Restart,
    /// Instances are replaced batch by batch, new ones healthy before old ones are drained. `Spec::rolling` says how.
    Rolling,
    /// The whole new set healthy on private addresses, one atomic switch, the old set drained.
    BlueGreen,
    /// The new set gets a growing share of the requests as long as it does no worse than the old one. `Spec::canary` says
    /// how.
    Canary,
}

/// The batches of a `rolling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rolling {
    /// How many of `replicas` may be missing at a time.
    pub max_unavailable: u32,
    /// How many instances beyond `replicas` there may be at a time, those that are being drained not counted. One of the
    /// two is above 0.
    pub max_surge: u32,
}

/// The steps of a `canary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Canary {
    /// The new release's share of the requests in each step, in percent, growing, each 1 to 99; all of them follow the last.
    pub steps: Vec<u32>,
    /// How long each step is watched at least.
    pub hold: Millis,
    /// Requests that the new release must have answered in a step before the step counts as passed.
    pub requests: u32,
    /// The longest a step waits for them; then the release is taken back, for nobody could judge it.
    pub patience: Millis,
    /// What keeps one client with one release while both serve.
    pub sticky: Option<Sticky>,
    /// What is compared.
    pub judge: Judge,
}

/// What keeps one client with one release while two serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sticky {
    /// A cookie that the proxy sets.
    Cookie {
        /// Its name.
        name: String,
    },
    /// A field of the request that tells clients apart, such as a user's id; requests without it are spread.
    Header {
        /// Its name, lower case.
        name: String,
    },
}

/// Who says whether the new release is worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// The proxy's own counts of the new release against those of the old one over the same time.
    Compare(Compare),
    /// A Prometheus server's answer to a query.
    Prometheus(Prometheus),
}

/// The bounds of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Compare {
    /// The risk that is taken of judging an equal release worse, over the whole canary: one in this many.
    pub false_alarm: u32,
    /// The rise of the error rate that is put up with, in hundredths of a percentage point.
    pub errors: u32,
    /// The rise of the 99th percentile that is put up with, in percent of the old release's.
    pub slower: u32,
}

/// A query whose answer says whether the new release is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Prometheus {
    /// The server, as `http://127.0.0.1:9090`.
    pub url: String,
    /// The query; `${version}` is the new release's version, `${previous}` the old one's. It is well as long as the answer
    /// is a sample that is not 0, as a comparison with `bool` gives.
    pub query: String,
}

/// What each of `weights` is of their sum, in whole percent that add up to 100: the largest remainders are rounded up
/// (Hamilton's method), the first of equal ones before the others. All 0 for a sum of 0.
#[must_use]
pub fn percentages(weights: &[u32]) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let parts = weights.iter().map(|weight| (u64::from(*weight) * 100 / sum, u64::from(*weight) * 100 % sum));
    let (mut whole, rest): (Vec<u64>, Vec<u64>) = parts.unzip();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(rest[*index]));
    let missing = 100 - whole.iter().sum::<u64>();
    for index in order.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        whole[index] += 1;
    }
    whole.into_iter().map(|part| u32::try_from(part).unwrap_or(100)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_add_up() {
        assert_eq!(percentages(&[95, 5]), [95, 5]);
        assert_eq!(percentages(&[2, 1]), [67, 33]);
        assert_eq!(percentages(&[1, 1, 1]), [34, 33, 33]);
        assert_eq!(percentages(&[0, 7]), [0, 100]);
        assert_eq!(percentages(&[0, 0]), [0, 0]);
        for a in 0..40 {
            for b in 1..40 {
                assert_eq!(percentages(&[a, b]).iter().sum::<u32>(), 100, "{a} {b}");
            }
        }
    }
}
