//! Canaries played through with random requests: equal releases are let through, worse ones found in time.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_fx::host::Sample;
use landfall_model::{Canary, Compare, Judge, Millis};

use super::exact::float;
use super::watch::{Found, Watch};

/// `SplitMix64` (G. Steele et al., 2014): good enough for tests, and the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        float(self.next() >> 11) / float(1 << 53)
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.part()).ln()
    }
}

/// How a release answers.
#[derive(Clone, Copy)]
struct Nature {
    /// The share of its requests that fail.
    errors: f64,
    latency: Latency,
}

#[derive(Clone, Copy)]
enum Latency {
    /// One peak: a fixed part and an exponential one, in milliseconds.
    Smooth(f64),
    /// Mostly fast, with this share slow.
    TwoPeaks(f64),
    /// Smooth, but this share takes this many times as long.
    Tail { share: f64, times: f64 },
}

const WELL: Nature = Nature { errors: 0.0, latency: Latency::Smooth(10.0) };

#[derive(Default)]
struct Served {
    requests: u64,
    errors: u64,
    latency: BTreeMap<u64, u64>,
}

impl Served {
    fn request(&mut self, nature: Nature, dice: &mut Dice) {
        self.requests += 1;
        self.errors += u64::from(dice.part() < nature.errors);
        let ms = match nature.latency {
            Latency::Smooth(mean) => 1.0 + dice.exponential(mean),
            Latency::TwoPeaks(share) if dice.part() < share => 400.0 + dice.exponential(50.0),
            Latency::TwoPeaks(_) => 2.0 + dice.exponential(1.0),
            Latency::Tail { share, times } => {
                let factor = if dice.part() < share { times } else { 1.0 };
                factor * (1.0 + dice.exponential(10.0))
            }
        };
        // Buckets as narrow as the proxy's.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "under a minute")]
        let bucket = (ms.ln() * 32.0).ceil().max(0.0) as u32;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "under a minute")]
        let upper = ((f64::from(bucket) / 32.0).exp() * 1000.0) as u64;
        *self.latency.entry(upper).or_default() += 1;
    }

    fn sample(&self) -> Sample {
        let latency = self.latency.iter().map(|(upper, count)| (*upper, *count)).collect();
        Sample { requests: self.requests, errors: self.errors, latency }
    }
}

fn canary(steps: &[u32], false_alarm: u32) -> Canary {
    Canary {
        steps: steps.to_vec(),
        hold: Millis::seconds(20),
        requests: 50,
        patience: Millis::seconds(600),
        sticky: None,
        judge: Judge::Compare(Compare { false_alarm, errors: 10, slower: 25 }),
    }
}

/// How a canary ended.
struct End {
    /// What showed that it is worse; `None` when all steps were passed.
    worse: Option<String>,
    /// Requests that the new release got.
    seen: u64,
    /// All requests.
    all: u64,
}

/// Plays a canary with so many requests a second.
fn play(canary: &Canary, rate: u64, old: Nature, new: Nature, seed: u64) -> End {
    let mut dice = Dice(seed);
    let (mut of_old, mut of_new) = (Served::default(), Served::default());
    // The old release has served before.
    (0..rate).for_each(|_| of_old.request(old, &mut dice));
    let before = of_old.requests;
    let end = |worse, old: &Served, new: &Served| End {
        worse,
        seen: new.requests,
        all: old.requests - before + new.requests,
    };
    for percent in &canary.steps {
        let mut watch = Watch::new(canary, canary.steps.first() == Some(percent));
        for look in 0..4_000_u32 {
            if look > 0 {
                for _ in 0..rate / 4 {
                    if dice.part() * 100.0 < f64::from(*percent) {
                        of_new.request(new, &mut dice);
                    } else {
                        of_old.request(old, &mut dice);
                    }
                }
            }
            let at = Duration::from_millis(250) * look;
            match watch.look(at, &of_old.sample(), &of_new.sample()) {
                Found::Nothing => {}
                Found::Passed(_) => break,
                Found::Worse(what) | Found::Nobody(what) => return end(Some(what), &of_old, &of_new),
            }
        }
    }
    end(None, &of_old, &of_new)
}

#[test]
fn equal_releases_are_judged_worse_no_more_often_than_is_risked() {
    let natures = [
        WELL,
        Nature { errors: 0.02, ..WELL },
        Nature { errors: 0.0, latency: Latency::TwoPeaks(0.005) },
        Nature { errors: 0.001, latency: Latency::TwoPeaks(0.01) },
        Nature { errors: 0.3, latency: Latency::Tail { share: 0.02, times: 8.0 } },
    ];
    // One in 20, so that too many would be seen; nothing is put up with, which is where most alarms are.
    let mut canary = canary(&[5, 50], 20);
    canary.judge = Judge::Compare(Compare { false_alarm: 20, errors: 0, slower: 0 });
    let runs = 400;
    for (kind, nature) in natures.into_iter().enumerate() {
        let alarms = (0..runs)
            .filter(|seed| play(&canary, 80, nature, nature, 7 + kind as u64 * 10_000 + seed).worse.is_some())
            .count();
        // 5 % of 400 are 20; a true rate of 5 % gives 33 or more once in 300 times.
        assert!(alarms <= 32, "{alarms} of {runs} equal releases of kind {kind} were judged worse");
    }
}

#[test]
fn twenty_equal_releases_are_let_through() {
    for seed in 0..20 {
        let nature = Nature { errors: 0.005, ..WELL };
        let end = play(&canary(&[1, 5, 25, 50], 1_000), 400, nature, nature, seed);
        assert_eq!(end.worse, None);
    }
}

#[test]
fn one_in_twenty_failing_is_found_within_dozens_of_requests() {
    let canary = canary(&[1, 5, 25, 50], 1_000);
    let mut seen: Vec<u64> = (0..60)
        .map(|seed| {
            let end = play(&canary, 1_000, WELL, Nature { errors: 0.05, ..WELL }, seed);
            assert!(end.worse.is_some_and(|what| what.contains("requests failed")));
            assert!(end.seen * 100 <= end.all * 2, "{} of {} requests saw it", end.seen, end.all);
            end.seen
        })
        .collect();
    seen.sort_unstable();
    assert!(seen[30] <= 110, "half of them took {} requests", seen[30]);
    assert!(seen[57] <= 250, "one in twenty took {} requests", seen[57]);
}

#[test]
fn a_doubled_99th_percentile_is_found_within_hundreds_of_requests() {
    let canary = canary(&[1, 5, 25, 50], 1_000);
    // Everything takes twice as long; or only the slowest do, which a line at a hundredth hardly sees.
    let tail = Latency::Tail { share: 0.025, times: 10.0 };
    for (latency, half, all) in [(Latency::Smooth(21.0), 500, 1_000), (tail, 1_500, 3_000)] {
        let mut seen: Vec<u64> = (0..20)
            .map(|seed| {
                let end = play(&canary, 2_000, WELL, Nature { latency, ..WELL }, seed);
                assert!(end.worse.is_some_and(|what| what.contains("99th percentile")));
                end.seen
            })
            .collect();
        seen.sort_unstable();
        assert!(seen[10] <= half, "half of them took {} requests", seen[10]);
        assert!(seen[19] <= all, "one took {} requests", seen[19]);
    }
}

#[test]
fn a_slow_first_minute_of_a_fresh_release_is_no_verdict() {
    // Its first requests take ten times as long.
    let canary = canary(&[5], 1_000);
    let mut dice = Dice(3);
    let (mut old, mut new) = (Served::default(), Served::default());
    let mut watch = Watch::new(&canary, true);
    let cold = Nature { latency: Latency::Smooth(100.0), ..WELL };
    for look in 0..400_u32 {
        for _ in 0..95 {
            old.request(WELL, &mut dice);
        }
        for _ in 0..5 {
            let nature = if new.requests < 50 { cold } else { WELL };
            new.request(nature, &mut dice);
        }
        match watch.look(Duration::from_millis(250) * look, &old.sample(), &new.sample()) {
            Found::Nothing => {}
            Found::Passed(_) => return,
            other => panic!("{other:?}"),
        }
    }
    panic!("it is not passed");
}

#[test]
fn without_requests_nobody_can_judge() {
    let canary = canary(&[50], 1_000);
    let mut watch = Watch::new(&canary, true);
    let old = Sample { requests: 9, ..Sample::default() };
    assert_eq!(watch.look(Duration::ZERO, &old, &Sample::default()), Found::Nothing);
    assert_eq!(watch.look(Duration::from_secs(599), &old, &Sample::default()), Found::Nothing);
    let Found::Nobody(why) = watch.look(Duration::from_secs(600), &old, &Sample::default()) else {
        panic!("it was judged")
    };
    assert_eq!(why, "only 0 of the 50 requests that it takes to judge it came within 10 min");
}

#[test]
fn a_release_that_fails_everything_says_so_in_numbers() {
    let end = play(&canary(&[5], 1_000), 1_000, WELL, Nature { errors: 1.0, ..WELL }, 1);
    let what = end.worse.expect("it is worse");
    assert!(what.contains(" requests failed (100.0 %) against 0 of "), "{what}");
    assert!(what.contains("the chance of that with an equal release is 1 in "), "{what}");
    assert!(end.seen < 40, "{}", end.seen);
}
