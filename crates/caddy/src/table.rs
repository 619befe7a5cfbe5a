//! Who answers, as files: their names hold a pool's letter, label and addresses, links say which of them counts.
//!
//! | below a generation's folder | what |
//! |---|---|
//! | `p/a/a~1.4.0~127.0.0.1:4001,127.0.0.1:4002` | the pool with the letter `a`; more than six addresses go on in folders |
//! | `one` → `p/a` | it gets all requests |
//! | `b/00` … `b/ff` → `../p/…` | or 256 buckets are shared out |
//! | `held/w~1.4.0~127.0.0.1:5001` | or requests wait behind that address |
//! | `want/1.4.0` → `../p/a` | for a probe that wants that pool |

use std::net::SocketAddr;

use crate::route::{Backend, Route, Share};

/// Buckets that requests are spread over.
pub(crate) const BUCKETS: usize = 256;

/// Addresses in one name: with a label of [`MAX_LABEL`] it stays under the 255 bytes that a file system takes.
pub(crate) const IN_ONE_NAME: usize = 6;

/// The longest label in bytes.
pub(crate) const MAX_LABEL: usize = 100;

/// The letter of the waiting room; pools have others.
pub(crate) const WAITING: char = 'w';

/// The letters of pools.
pub(crate) const SIDES: [char; 8] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/// What is made below a generation's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// An empty file.
    File,
    /// A link to this.
    Link(String),
}

/// Which pool has which letter: the newest last. A letter is only given to another pool after all others were.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Sides(Vec<(String, char)>);

impl Sides {
    /// The letter of a pool.
    pub(crate) fn of(&self, label: &str) -> Option<char> {
        self.0.iter().rev().find(|(known, _)| known == label).map(|(_, side)| *side)
    }

    /// The pools that have or had a letter, the newest last.
    pub(crate) fn labels(&self) -> impl DoubleEndedIterator<Item = (&str, char)> {
        self.0.iter().map(|(label, side)| (label.as_str(), *side))
    }

    /// Gives each pool that has none the letter that was given away longest ago.
    pub(crate) fn assign(&mut self, pools: &[Share]) {
        let needed = |label: &str| pools.iter().any(|share| share.label == label);
        for share in pools {
            if self.of(&share.label).is_some() {
                continue;
            }
            let unused = SIDES.into_iter().find(|side| self.0.iter().all(|(_, taken)| taken != side));
            let oldest = || {
                let at = self.0.iter().position(|(label, _)| !needed(label));
                at.map(|at| self.0[at].1)
            };
            let side = unused.or_else(oldest).unwrap_or(SIDES[0]);
            self.0.retain(|(_, taken)| *taken != side);
            self.0.push((share.label.clone(), side));
        }
    }
}

/// How many addresses each name holds: as few as all pools fit in, unless `now` fits them as well.
pub(crate) fn slots(route: &Route, now: Option<usize>) -> usize {
    let counts: Vec<usize> =
        route.pools.iter().map(|share| addresses(share).len()).filter(|n| *n > 0).collect();
    let most = counts.iter().copied().max().unwrap_or(1);
    let fits = |slots: usize| slots >= most && (counts.len() > 1 || slots.is_multiple_of(most));
    now.filter(|now| fits(*now)).unwrap_or(most)
}

fn addresses(share: &Share) -> &[SocketAddr] {
    match &share.backend {
        Backend::Instances(addresses) => addresses,
        Backend::Files(_) => &[],
    }
}

/// The path of a pool's file below its own folder. Addresses are repeated until there are `slots` of them.
fn name(side: char, share: &Share, slots: usize) -> String {
    let addresses = addresses(share);
    if addresses.is_empty() {
        return format!("{side}~{}~files", share.label);
    }
    let all: Vec<String> = addresses.iter().cycle().take(slots).map(ToString::to_string).collect();
    let chunks: Vec<String> = all.chunks(IN_ONE_NAME).map(|chunk| chunk.join(",")).collect();
    format!("{side}~{}~{}", share.label, chunks.join("/"))
}

/// The letter, label and addresses that a name holds.
pub(crate) fn read_name(path: &str) -> Option<(char, String, Vec<SocketAddr>)> {
    let mut parts = path.splitn(3, '~');
    let side = parts.next()?.chars().next_back()?;
    let label = parts.next()?.to_owned();
    let addresses = parts.next()?.split([',', '/']).filter_map(|text| text.parse().ok()).collect();
    Some((side, label, addresses))
}

/// All that lies below a generation's folder; `waiting` is where held requests wait.
pub(crate) fn nodes(
    route: &Route,
    sides: &Sides,
    slots: usize,
    waiting: Option<SocketAddr>,
) -> Vec<(String, Node)> {
    let mut nodes = Vec::new();
    let side = |share: &Share| sides.of(&share.label).unwrap_or(SIDES[0]);
    for share in &route.pools {
        let side = side(share);
        nodes.push((format!("p/{side}/{}", name(side, share, slots)), Node::File));
        nodes.push((format!("want/{}", share.label), Node::Link(format!("../p/{side}"))));
    }
    if let Some(address) = waiting {
        let label = route.current().map_or("none", |share| &share.label);
        nodes.push((format!("held/{WAITING}~{label}~{address}"), Node::File));
        return nodes;
    }
    let weighted: Vec<&Share> = route.pools.iter().filter(|share| share.weight > 0).collect();
    match weighted.as_slice() {
        [] => {}
        [only] => nodes.push(("one".to_owned(), Node::Link(format!("p/{}", side(only))))),
        several => {
            let weights: Vec<u32> = several.iter().map(|share| share.weight).collect();
            let owners = buckets(&weights);
            nodes.extend(owners.into_iter().enumerate().map(|(bucket, owner)| {
                (format!("b/{bucket:02x}"), Node::Link(format!("../p/{}", side(several[owner]))))
            }));
        }
    }
    nodes
}

/// Which of several weights each bucket belongs to. Each has at least one, in stretches in their order, so that a weight
/// that grows keeps the buckets it has.
fn buckets(weights: &[u32]) -> Vec<usize> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let mut ends = Vec::new();
    let mut before = 0_u64;
    for (index, weight) in weights.iter().enumerate() {
        before += u64::from(*weight);
        let exact = (before * BUCKETS as u64 * 2 + sum) / (sum * 2);
        let left = weights.len() - index - 1;
        let least = ends.last().copied().unwrap_or(0) + 1;
        let end = usize::try_from(exact).unwrap_or(BUCKETS).clamp(least, BUCKETS - left);
        ends.push(end);
    }
    (0..BUCKETS)
        .map(|bucket| ends.iter().position(|end| bucket < *end).unwrap_or(weights.len() - 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::testing::{route, share};

    fn count(weights: &[u32], which: usize) -> usize {
        buckets(weights).into_iter().filter(|owner| *owner == which).count()
    }

    #[test]
    fn buckets_follow_weights() {
        assert_eq!(count(&[1, 1], 1), 128);
        assert_eq!(count(&[95, 5], 1), 13);
        assert_eq!(count(&[9999, 1], 1), 1);
        assert_eq!(count(&[1, 9999], 0), 1);
        assert_eq!(count(&[1, 1, 1], 2), 85);
        let mut had = Vec::new();
        for percent in [1, 5, 25, 50, 99] {
            let owners = buckets(&[100 - percent, percent]);
            assert!(had.iter().all(|bucket| owners[*bucket] == 1), "{percent}");
            had = (0..BUCKETS).filter(|bucket| owners[*bucket] == 1).collect();
        }
    }

    #[test]
    fn a_name_says_who_answers() {
        let addresses: Vec<String> = (4001..4009).map(|port| format!("127.0.0.1:{port}")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let path = name('b', &share("1.4.0-x", &addresses, 1), 8);
        assert_eq!(path.matches('/').count(), 1, "{path}");
        let (side, label, read) = read_name(&path).unwrap();
        assert_eq!((side, label.as_str()), ('b', "1.4.0-x"));
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), addresses);
        let long =
            format!("{}~{}", "b~".to_owned() + &"l".repeat(MAX_LABEL), "255.255.255.255:65535,".repeat(6));
        assert!(long.len() < 255);
    }

    #[test]
    fn one_pool_gets_all_and_several_share() {
        let mut sides = Sides::default();
        let mut route = route("1", &["127.0.0.1:1"]);
        sides.assign(&route.pools);
        let one = nodes(&route, &sides, 1, None);
        assert!(one.contains(&("one".to_owned(), Node::Link("p/a".to_owned()))), "{one:?}");
        assert!(one.contains(&("p/a/a~1~127.0.0.1:1".to_owned(), Node::File)), "{one:?}");
        route.pools.push(share("2", &["127.0.0.1:2"], 3));
        sides.assign(&route.pools);
        let two = nodes(&route, &sides, 1, None);
        assert!(two.contains(&("b/3f".to_owned(), Node::Link("../p/a".to_owned()))));
        assert!(two.contains(&("b/40".to_owned(), Node::Link("../p/b".to_owned()))));
        let held = nodes(&route, &sides, 1, Some("127.0.0.1:9".parse().unwrap()));
        assert!(held.contains(&("held/w~2~127.0.0.1:9".to_owned(), Node::File)));
        assert!(!held.iter().any(|(path, _)| path == "one" || path.starts_with("b/")));
    }

    #[test]
    fn a_letter_is_given_again_as_late_as_possible() {
        let mut sides = Sides::default();
        let given: String = (0..10)
            .map(|number| {
                let label = number.to_string();
                sides.assign(&[share(&label, &["127.0.0.1:1"], 1)]);
                sides.of(&label).unwrap()
            })
            .collect();
        assert_eq!(given, "abcdefghab");
        assert_eq!(sides.of("1"), None);
        assert_eq!(sides.of("2"), Some('c'));
    }

    #[test]
    fn slots_change_only_when_they_must() {
        let one = route("1", &["127.0.0.1:1"]);
        let two = route("1", &["127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(slots(&one, None), 1);
        assert_eq!(slots(&one, Some(2)), 2);
        assert_eq!(slots(&two, Some(1)), 2);
        assert_eq!(slots(&two, Some(3)), 2, "one of two instances would get twice the requests");
        let mut mixed = two.clone();
        mixed.pools.push(share("2", &["127.0.0.1:3"], 1));
        assert_eq!(slots(&mixed, Some(3)), 3);
    }
}
