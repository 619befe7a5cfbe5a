//! Fisher's exact test, one-sided: R. A. Fisher, *The Design of Experiments* (1935), chapter II.

/// What two releases answered: how many of each one's requests were bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// Bad requests of the new release.
    pub(super) new_bad: u64,
    /// All of its requests.
    pub(super) new: u64,
    /// Bad requests of the old release.
    pub(super) old_bad: u64,
    /// All of its requests.
    pub(super) old: u64,
}

/// Terms smaller than this part of the sum end it.
const NEGLIGIBLE: f64 = 1e-17;

/// Coefficients of Lanczos' approximation with g = 7 and nine terms, good to 15 digits: C. Lanczos, *SIAM Journal on
/// Numerical Analysis* B 1 (1964), 86-96; as tabulated by P. Godfrey (2001).
const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];
const G: f64 = 7.0;

#[expect(clippy::cast_precision_loss, reason = "no count of requests comes near 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The natural logarithm of the gamma function, for `x` of 1 and more.
fn ln_gamma(x: f64) -> f64 {
    let x = x - 1.0;
    let (first, rest) = (LANCZOS[0], &LANCZOS[1..]);
    let sum = rest.iter().zip(1_u8..).fold(first, |sum, (c, n)| sum + c / (x + f64::from(n)));
    let t = x + G + 0.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The natural logarithm of the number of ways to choose `k` of `n`.
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_gamma(float(n) + 1.0) - ln_gamma(float(k) + 1.0) - ln_gamma(float(n - k) + 1.0)
}

/// The probability that at least so many of the bad requests fall to the new release when both releases are equal, all
/// four sums of the table given: the upper tail of the hypergeometric distribution. From 0 to 1.
pub(super) fn fisher(table: Table) -> f64 {
    let Table { new_bad, new, old_bad, old } = table;
    let (bad, all) = (new_bad + old_bad, new + old);
    // As many as there must be at least are no surprise.
    if new_bad == 0 || new_bad <= bad.saturating_sub(old) {
        return 1.0;
    }
    let first = ln_choose(bad, new_bad) + ln_choose(all - bad, new - new_bad) - ln_choose(all, new);
    let (mut term, mut sum) = (1.0_f64, 1.0_f64);
    for x in new_bad..bad.min(new) {
        // Each term from the one before; all - bad - new + x + 1 is at least 1 here.
        let ratio = float(bad - x) * float(new - x) / (float(x + 1) * float(all + x + 1 - bad - new));
        term *= ratio;
        sum += term;
        if ratio < 1.0 && term < sum * NEGLIGIBLE {
            break;
        }
    }
    (first + sum.ln()).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(new_bad: u64, new: u64, old_bad: u64, old: u64) -> Table {
        Table { new_bad, new, old_bad, old }
    }

    #[track_caller]
    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= want.abs() * 1e-9, "{got} is not {want}");
    }

    #[test]
    fn the_gamma_function_is_the_factorial() {
        let mut factorial = 1.0_f64;
        for n in 1..=20_u32 {
            factorial *= f64::from(n);
            near(ln_gamma(f64::from(n) + 1.0).exp(), factorial);
        }
        // Stirling's series for a large number.
        let n = 1e7_f64;
        let stirling = n * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI * n).ln() + 1.0 / (12.0 * n);
        assert!((ln_gamma(n + 1.0) - stirling).abs() < 1e-6);
    }

    /// Values that can be worked out by hand: the lady who tastes tea, and others.
    #[test]
    fn known_tables_have_their_probabilities() {
        near(fisher(table(4, 4, 0, 4)), 1.0 / 70.0);
        near(fisher(table(3, 4, 1, 4)), 17.0 / 70.0);
        near(fisher(table(0, 10, 5, 10)), 1.0);
        near(fisher(table(1, 1, 0, 99)), 0.01);
        near(fisher(table(3, 60, 0, 5_940)), 60.0 * 59.0 * 58.0 / (6_000.0 * 5_999.0 * 5_998.0));
        near(fisher(table(5, 5, 5, 5)), 1.0);
    }

    fn by_counting(t: Table) -> f64 {
        let choose = |n: u64, k: u64| -> f64 {
            if k > n { 0.0 } else { (0..k).map(|i| float(n - i) / float(i + 1)).product() }
        };
        let (bad, all) = (t.new_bad + t.old_bad, t.new + t.old);
        let way = |x: u64| choose(bad, x) * choose(all - bad, t.new - x);
        let possible = bad.saturating_sub(t.old)..=bad.min(t.new);
        let total: f64 = possible.clone().map(way).sum();
        possible.filter(|x| *x >= t.new_bad).map(way).sum::<f64>() / total
    }

    proptest! {
        #[test]
        fn it_is_the_share_of_all_ways(new in 1..40_u64, old in 1..40_u64, a in 0.0..1.0, b in 0.0..1.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let part = |of: u64, share: f64| (float(of) * share).round() as u64;
            let t = table(part(new, a), new, part(old, b), old);
            prop_assert!((fisher(t) - by_counting(t)).abs() < 1e-9, "{:?}: {} {}", t, fisher(t), by_counting(t));
        }

        #[test]
        fn more_bad_ones_are_never_more_probable(new in 1..3_000_u64, old in 1..100_000_u64, bad in 0..50_u64) {
            let mut before = 1.0 + 1e-9;
            for new_bad in 0..new.min(20) {
                let p = fisher(table(new_bad, new, bad.min(old), old));
                prop_assert!((0.0..=1.0).contains(&p) && p <= before * (1.0 + 1e-9), "{} after {}", p, before);
                before = p;
            }
        }
    }
}
