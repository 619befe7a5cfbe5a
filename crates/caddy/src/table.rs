//! Who answers, as files: their names hold a pool's letter, label and addresses, links say which of them counts.
//!
//! | below a generation's folder | what |
//! |---|---|
//! | `p/a/a~1.4.0~127.0.0.1:4001,127.0.0.1:4002` | the pool with the letter `a`; more than six addresses go on in folders |
//! | `one` → `p/a` | it gets all requests |
//! | `b/00` … `b/ff` → `../p/…` | or 256 buckets are shared out |
//! | `held/w~1.4.0~127.0.0.1:5001` | or requests wait behind that address |
//! | `probe` → `p/a` | meanwhile, for probes |
//! | `want/1.4.0` → `../p/a` | for a probe that wants that pool |

use std::net::SocketAddr;

use crate::folder::Stored;
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

/// The letter that a pool's streams are counted by.
pub(crate) fn streams_of(side: char) -> char {
    side.to_ascii_uppercase()
}

/// What is made below a generation's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// An empty file.
    File,
    /// A link to this.
    Link(String),
}

/// Which pool has which letter: the newest last. A pool whose addresses change gets another letter, so that what is still
/// under way to those before is counted apart. A letter is only given again after all others were.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Sides(Vec<Lettered>);

/// A pool at some time, and its letter.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lettered {
    /// Its label.
    pub(crate) label: String,
    /// Its letter.
    pub(crate) side: char,
    /// Its addresses, sorted; none of a site.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Sides {
    /// The letter of a pool as it is now.
    pub(crate) fn of(&self, label: &str) -> Option<char> {
        self.0.iter().rev().find(|known| known.label == label).map(|known| known.side)
    }

    /// All that have or had a letter, the newest last.
    pub(crate) fn all(&self) -> &[Lettered] {
        &self.0
    }

    /// The labels that have or had a letter, each once, the newest last.
    pub(crate) fn labels(&self) -> Vec<&str> {
        let mut labels: Vec<&str> = Vec::new();
        for known in &self.0 {
            labels.retain(|label| *label != known.label);
            labels.push(&known.label);
        }
        labels
    }

    /// Gives each pool that has none the letter that was given away longest ago.
    pub(crate) fn assign(&mut self, pools: &[Share]) {
        for share in pools {
            let mut addresses = addresses(share).to_vec();
            addresses.sort_unstable();
            let now = self.0.iter().rposition(|known| known.label == share.label);
            if let Some(index) = now.filter(|index| self.0[*index].addresses == addresses) {
                // The newest last, so that it is the last to be given away.
                let known = self.0.remove(index);
                self.0.push(known);
                continue;
            }
            let unused = SIDES.into_iter().find(|side| self.0.iter().all(|known| known.side != *side));
            let side = unused.or_else(|| self.oldest(pools)).unwrap_or(SIDES[0]);
            self.0.retain(|known| known.side != side);
            self.0.push(Lettered { label: share.label.clone(), side, addresses });
        }
    }

    /// The letter of the oldest that is not what one of these pools goes by.
    fn oldest(&self, pools: &[Share]) -> Option<char> {
        let goes_by = |known: &Lettered| {
            pools.iter().any(|share| share.label == known.label) && self.of(&known.label) == Some(known.side)
        };
        self.0.iter().find(|known| !goes_by(known)).map(|known| known.side)
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
fn name(side: char, share: &Share, slots: usize, shunned: &[SocketAddr]) -> String {
    let all = addresses(share);
    if all.is_empty() {
        return format!("{side}~{}~files", share.label);
    }
    let healthy: Vec<SocketAddr> = all.iter().filter(|address| !shunned.contains(address)).copied().collect();
    let used = if healthy.is_empty() { all } else { &healthy };
    let all: Vec<String> = used.iter().cycle().take(slots).map(ToString::to_string).collect();
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

/// All that lies below a generation's folder.
pub(crate) fn nodes(stored: &Stored) -> Vec<(String, Node)> {
    let Stored { route, sides, .. } = stored;
    let mut nodes = Vec::new();
    let side = |share: &Share| sides.of(&share.label).unwrap_or(SIDES[0]);
    for share in &route.pools {
        let side = side(share);
        nodes.push((format!("p/{side}/{}", name(side, share, stored.slots, &stored.shunned)), Node::File));
        nodes.push((format!("want/{}", share.label), Node::Link(format!("../p/{side}"))));
    }
    if let Some(current) = route.current() {
        nodes.push(("probe".to_owned(), Node::Link(format!("p/{}", side(current)))));
    }
    if let Some(address) = stored.waiting {
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
        let path = name('b', &share("1.4.0-x", &addresses, 1), 8, &[]);
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
        let mut stored = crate::folder::testing::stored(route("1", &["127.0.0.1:1"]));
        let one = nodes(&stored);
        assert!(one.contains(&("one".to_owned(), Node::Link("p/a".to_owned()))), "{one:?}");
        assert!(one.contains(&("p/a/a~1~127.0.0.1:1".to_owned(), Node::File)), "{one:?}");
        stored.route.pools.push(share("2", &["127.0.0.1:2"], 3));
        stored.sides.assign(&stored.route.pools);
        let two = nodes(&stored);
        assert!(two.contains(&("b/3f".to_owned(), Node::Link("../p/a".to_owned()))));
        assert!(two.contains(&("b/40".to_owned(), Node::Link("../p/b".to_owned()))));
        stored.waiting = Some("127.0.0.1:9".parse().unwrap());
        let held = nodes(&stored);
        assert!(held.contains(&("held/w~2~127.0.0.1:9".to_owned(), Node::File)));
        assert!(!held.iter().any(|(path, _)| path == "one" || path.starts_with("b/")));
    }

    #[test]
    fn an_instance_that_does_not_answer_gets_nothing_unless_none_does() {
        let two = share("1", &["127.0.0.1:1", "127.0.0.1:2"], 1);
        let shunned: Vec<SocketAddr> = vec!["127.0.0.1:1".parse().unwrap()];
        assert_eq!(name('a', &two, 2, &shunned), "a~1~127.0.0.1:2,127.0.0.1:2");
        assert_eq!(name('a', &share("1", &["127.0.0.1:1"], 1), 1, &shunned), "a~1~127.0.0.1:1");
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
    fn other_addresses_are_another_letter_and_a_pool_in_use_keeps_its_own() {
        let mut sides = Sides::default();
        let old = share("old", &["127.0.0.1:9"], 1);
        for number in 1..20 {
            let new = share("new", &[&format!("127.0.0.1:{number}")], 1);
            sides.assign(&[old.clone(), new.clone()]);
            assert_eq!(sides.of("old"), Some('a'));
            let letter = sides.of("new");
            sides.assign(&[new, old.clone()]);
            assert_eq!(sides.of("new"), letter, "the same addresses are the same pool");
        }
        assert_eq!(sides.all().len(), SIDES.len());
        assert_eq!(sides.labels().len(), 2);
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
