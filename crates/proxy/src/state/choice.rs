//! Which pool of a route a request goes to: by what the client brought, else by counting, so that shares are exact and a
//! lighter pool never runs ahead of its own.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderValue;
use landfall_model::Sticky;

use crate::RouteConfig;

/// What a request brought that may say where it wants to go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    /// The value of the route's sticky cookie.
    pub(crate) cookie: Option<&'a [u8]>,
    /// The value of the route's sticky field.
    pub(crate) header: Option<&'a [u8]>,
    /// The label that a probe wants; only of requests that carry the token.
    pub(crate) probe_label: Option<&'a [u8]>,
}

/// The pools of a route with their shares, as one worker sees them.
pub(crate) struct Choice {
    pools: Box<[Pool]>,
    sum: u64,
    /// The pools with a weight but for the heaviest, the lightest first; each takes its share of what those before it
    /// left.
    lighter: Box<[Lighter]>,
    /// What is left goes here.
    heaviest: usize,
    /// The requests so far that nothing but their number decided about.
    drawn: AtomicU32,
    /// Whether clients are known again by a cookie, and several pools have a weight.
    cookies: bool,
}

struct Pool {
    label: Box<str>,
    /// Its label's hash as a cookie shows it.
    name: [u8; 16],
    /// Places from the end of the one before to here, exclusive, are its own.
    end: u64,
    weight: u32,
    /// What makes the client remember it.
    cookie: HeaderValue,
}

/// A pool that takes `weight` of each `of` requests.
struct Lighter {
    index: usize,
    weight: u64,
    of: u64,
}

impl Choice {
    /// Prepares the choice between the pools of a route, at least one of which has a weight.
    pub(crate) fn new(config: &RouteConfig) -> Self {
        let cookie_name = match &config.sticky {
            Some(Sticky::Cookie { name }) => Some(name.as_str()),
            _ => None,
        };
        let mut sum = 0;
        let pools = config.pools.iter().map(|share| {
            sum += u64::from(share.weight);
            let name = hex(hash(share.pool.label.as_bytes()));
            let cookie = cookie_name.map(|cookie| set_cookie(cookie, &name, &config.prefix));
            Pool {
                label: share.pool.label.as_str().into(),
                name,
                end: sum,
                weight: share.weight,
                cookie: cookie.flatten().unwrap_or(HeaderValue::from_static("")),
            }
        });
        let pools: Box<[Pool]> = pools.collect();
        // Of two with the same weight the later one, which is the newer, counts as the lighter.
        let mut order: Vec<usize> = (0..pools.len()).filter(|index| pools[*index].weight > 0).collect();
        order.sort_by_key(|index| (pools[*index].weight, Reverse(*index)));
        let cookies = order.len() > 1 && cookie_name.is_some();
        let heaviest = order.pop().unwrap_or(0);
        let mut of = sum;
        let lighter = order.into_iter().map(|index| {
            let weight = u64::from(pools[index].weight);
            let lighter = Lighter { index, weight, of };
            of -= weight;
            lighter
        });
        let lighter = lighter.collect();
        Self { pools, sum, lighter, heaviest, drawn: AtomicU32::new(0), cookies }
    }

    /// The pool of a request. Of those without a wish each pool gets its share exactly, but for a few; and at no moment
    /// since the choice was made has the lightest pool had more than its share.
    pub(crate) fn choose(&self, wish: &Wish<'_>) -> usize {
        if let Some(label) = wish.probe_label
            && let Some(index) = self.pools.iter().position(|pool| pool.label.as_bytes() == label)
        {
            return index;
        }
        if let Some(cookie) = wish.cookie
            && let Some(index) = self.named(cookie)
        {
            return index;
        }
        if let Some(value) = wish.header {
            let place = ((u128::from(hash(value)) * u128::from(self.sum)) >> 64) as u64;
            return self.pools.iter().position(|pool| place < pool.end).unwrap_or(0);
        }
        self.draw()
    }

    fn draw(&self) -> usize {
        if self.lighter.is_empty() {
            return self.heaviest;
        }
        // It begins again after 2^32 requests, with what is due then once more not ahead.
        let mut number = u64::from(self.drawn.fetch_add(1, Ordering::Relaxed)) + 1;
        for lighter in &self.lighter {
            match lighter.turn(number) {
                Turn::Own => return lighter.index,
                Turn::Left(left) => number = left,
            }
        }
        self.heaviest
    }

    /// What to say to a client that was given a pool which its cookie does not name; `None` when it need not remember.
    pub(crate) fn cookie(&self, wish: &Wish<'_>, chosen: usize) -> Option<&HeaderValue> {
        let known = || wish.cookie.and_then(|cookie| self.named(cookie)) == Some(chosen);
        (self.cookies && wish.probe_label.is_none() && !known()).then(|| &self.pools[chosen].cookie)
    }

    /// The pool that a cookie names, if it has a weight.
    fn named(&self, cookie: &[u8]) -> Option<usize> {
        self.pools.iter().position(|pool| pool.weight > 0 && pool.name == cookie)
    }
}

/// Whose turn a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The lighter pool's.
    Own,
    /// Another's: the request's number among those that the lighter pool left.
    Left(u64),
}

impl Lighter {
    /// Whose turn the request with this number (from 1) is.
    ///
    /// The pool's turn `k` is due once its share of the requests so far is `k`, and comes at a place before turn `k + 1`
    /// is due that a hash chooses: a client whose requests come in a rhythm does not always meet the same pool.
    fn turn(&self, number: u64) -> Turn {
        let due = number * self.weight / self.of;
        if due == 0 {
            return Turn::Left(number);
        }
        let since = (due * self.of).div_ceil(self.weight);
        // Turns are at least this far apart, so that none falls onto the next.
        let apart = self.of / self.weight;
        let at = since + scatter(due) % apart;
        match number.cmp(&at) {
            std::cmp::Ordering::Less => Turn::Left(number - (due - 1)),
            std::cmp::Ordering::Equal => Turn::Own,
            std::cmp::Ordering::Greater => Turn::Left(number - due),
        }
    }
}

/// The value of the cookie with this name in a `Cookie` field (RFC 6265, section 4.2.1).
pub(crate) fn cookie_value<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let pairs = field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    values.next()
}

/// No age: it lasts as long as the browser's session, and the pools of a canary rarely longer.
fn set_cookie(cookie: &str, name: &[u8; 16], prefix: &str) -> Option<HeaderValue> {
    let name = std::str::from_utf8(name).ok()?;
    // A path may hold a semicolon, an attribute may not.
    let path = if prefix.contains(';') { "/" } else { prefix };
    HeaderValue::try_from(format!("{cookie}={name}; Path={path}; HttpOnly; SameSite=Lax")).ok()
}

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|index| b"0123456789abcdef"[(number >> (60 - 4 * index)) as usize & 15])
}

/// FNV-1a, scattered: the same in every build and on every machine.
fn hash(bytes: &[u8]) -> u64 {
    scatter(bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    }))
}

/// The finalizer of `SplitMix64`, so that all bits count.
fn scatter(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::route;

    fn choice(weights: &[u32], sticky: Option<Sticky>) -> Choice {
        let mut config = route("r");
        let one = config.pools[0].clone();
        config.pools = weights.iter().map(|weight| crate::Share { weight: *weight, ..one.clone() }).collect();
        for (index, share) in config.pools.iter_mut().enumerate() {
            share.pool.label = format!("v{index}");
        }
        config.sticky = sticky;
        Choice::new(&config)
    }

    fn cookie() -> Option<Sticky> {
        Some(Sticky::Cookie { name: "side".to_owned() })
    }

    #[test]
    fn shares_are_exact_and_the_lightest_never_runs_ahead() {
        for weights in
            [&[95, 5][..], &[5, 95], &[1, 1], &[50, 30, 20], &[99, 1], &[1, 0, 2], &[7], &[1, 2, 3, 4]]
        {
            let choice = choice(weights, None);
            let sum: u32 = weights.iter().sum();
            let with_weight = weights.iter().enumerate().filter(|(_, weight)| **weight > 0);
            let lightest = with_weight.min_by_key(|(index, weight)| (**weight, Reverse(*index))).unwrap().0;
            let mut counts = vec![0.0; weights.len()];
            for number in 1..=20_000_u32 {
                counts[choice.choose(&Wish::default())] += 1.0;
                for (index, (count, weight)) in counts.iter().zip(weights).enumerate() {
                    let want = f64::from(number) * f64::from(*weight) / f64::from(sum);
                    assert!((count - want).abs() < 4.0, "{counts:?} of {number} for {weights:?}");
                    assert!(index != lightest || *count <= want, "{counts:?} of {number} for {weights:?}");
                }
            }
        }
    }

    #[test]
    fn a_rhythm_of_requests_meets_all_pools() {
        let choice = choice(&[95, 5], None);
        let mut seen = [0; 20];
        for number in 0..40_000 {
            seen[number % 20] += choice.choose(&Wish::default());
        }
        assert!(seen.iter().all(|count| (50..150).contains(count)), "{seen:?}");
    }

    #[test]
    fn counting_begins_again_without_running_ahead() {
        let choice = choice(&[99, 1], None);
        choice.drawn.store(u32::MAX - 1000, Ordering::Relaxed);
        let own: usize = (0..5000).map(|_| choice.choose(&Wish::default())).sum();
        assert!((45..=50).contains(&own), "{own}");
    }

    #[test]
    fn a_cookie_keeps_a_client_where_it_was_while_that_has_a_weight() {
        let both = choice(&[95, 5], cookie());
        for side in 0..2 {
            let set = both.cookie(&Wish::default(), side).unwrap().to_str().unwrap();
            assert!(set.starts_with("side=") && set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
            let field = format!("a=b; {}", set.split(';').next().unwrap());
            let value = cookie_value(field.as_bytes(), "side");
            let wish = Wish { cookie: value, ..Wish::default() };
            assert!((0..100).all(|_| both.choose(&wish) == side));
            assert_eq!(both.cookie(&wish, side), None, "it knows already");
            let over = choice(&[0, 100], cookie());
            assert_eq!(over.choose(&wish), 1);
            assert_eq!(over.cookie(&wish, 1), None, "there is nothing to remember");
        }
        let forged = Wish { cookie: Some(b"v1"), ..Wish::default() };
        assert!(both.cookie(&forged, 0).is_some());
        assert_eq!(cookie_value(b"sides=1; xside=2;side=3", "side"), Some(&b"3"[..]));
        assert_eq!(cookie_value(b"side", "side"), None);
    }

    #[test]
    fn a_field_moves_clients_one_way_only() {
        let steps: Vec<Choice> = [5, 25, 50, 99, 100].map(|new| choice(&[100 - new, new], None)).into();
        let mut moved = [0; 5];
        for client in 0..2000 {
            let value = format!("client-{client}");
            let wish = Wish { header: Some(value.as_bytes()), ..Wish::default() };
            let sides: Vec<usize> = steps.iter().map(|choice| choice.choose(&wish)).collect();
            assert!(sides.is_sorted(), "{value} went back: {sides:?}");
            moved.iter_mut().zip(&sides).for_each(|(count, side)| *count += side);
        }
        for (count, want) in moved.iter().zip([100, 500, 1000, 1980, 2000]) {
            assert!(count.abs_diff(want) < 80, "{moved:?}");
        }
    }

    #[test]
    fn a_probe_goes_where_it_wants() {
        let choice = choice(&[100, 0], cookie());
        let probe = |label: &'static str| Wish { probe_label: Some(label.as_bytes()), ..Wish::default() };
        assert_eq!((choice.choose(&probe("v1")), choice.choose(&probe("v0"))), (1, 0));
        assert_eq!(choice.choose(&probe("none")), 0);
    }
}
