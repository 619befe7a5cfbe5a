//! The deploy lock under jumping clocks and several takers.

use std::sync::Mutex;
use std::time::Duration;

use landfall_engine::lease::{HEARTBEAT, LEASE, LeaseStore, acquire, is_held, release, renew};
use landfall_model::{Fault, FaultKind, Lease, Timestamp};
use landfall_testkit::simulation::moment;
use proptest::prelude::*;

#[derive(Default)]
struct Kept(Mutex<Option<Lease>>);

impl LeaseStore for Kept {
    fn load(&self) -> Result<Option<Lease>, Fault> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn compare_and_store(&self, expected: Option<&Lease>, new: &Lease) -> Result<bool, Fault> {
        let mut kept = self.0.lock().unwrap();
        let same = kept.as_ref() == expected;
        if same {
            *kept = Some(new.clone());
        }
        Ok(same)
    }
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.millis() - u64::try_from(by.as_millis()).unwrap())
}

#[test]
fn one_holds_it_and_the_next_is_told_who() {
    let (kept, noon) = (Kept::default(), moment(0));
    let first = acquire(&kept, noon, "anna@laptop, deploy #12").unwrap();
    let refused = acquire(&kept, noon.plus(HEARTBEAT), "ben").unwrap_err();
    assert_eq!(refused.kind, FaultKind::Refused);
    let told = format!("{} {}", refused.message, refused.help.unwrap());
    for part in ["anna@laptop, deploy #12", "2026-11-20T12:00:00", "2026-11-20T12:00:15"] {
        assert!(told.contains(part), "{told}");
    }
    release(&kept, first.token, noon).unwrap();
    let second = acquire(&kept, noon, "ben").unwrap();
    assert!(second.token > first.token);
    assert!(renew(&kept, first.token, noon).is_err(), "a smaller token does nothing more");
    release(&kept, first.token, noon).unwrap();
    assert!(is_held(&kept.load().unwrap().unwrap(), noon), "nor does it give back what another holds");
}

#[test]
fn it_expires_without_heartbeats_and_whatever_the_clock_does() {
    let (kept, noon) = (Kept::default(), moment(0));
    let lease = acquire(&kept, noon, "anna").unwrap();
    let lease = renew(&kept, lease.token, noon.plus(LEASE)).unwrap();
    assert!(is_held(&lease, noon.plus(LEASE).plus(HEARTBEAT)));
    assert!(!is_held(&lease, noon.plus(LEASE).plus(LEASE)));
    assert!(!is_held(&lease, earlier(noon, Duration::from_secs(3600))), "a clock that jumped back frees it");
    assert!(is_held(&lease, noon.plus(LEASE - HEARTBEAT)), "a small correction does not");
    let back = renew(&kept, lease.token, earlier(noon, Duration::from_secs(3600))).unwrap();
    assert!(is_held(&back, earlier(noon, Duration::from_secs(3599))), "its holder goes on after a jump");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn tokens_grow_and_one_holds_at_a_time(acts in proptest::collection::vec((0..3_u8, 0..3_usize, -40..40_i64), 1..60)) {
        let kept = Kept::default();
        let mut now = moment(1_000_000).millis();
        let mut tokens = [None::<u64>; 3];
        let mut newest = 0;
        for (act, who, seconds) in acts {
            now = now.saturating_add_signed(seconds * 1000);
            let at = Timestamp::from_millis(now);
            let held = kept.load().unwrap().is_some_and(|lease| is_held(&lease, at));
            match (act, tokens[who]) {
                (0, _) => {
                    let taken = acquire(&kept, at, "x");
                    prop_assert_eq!(taken.is_ok(), !held);
                    if let Ok(lease) = taken {
                        prop_assert!(lease.token > newest);
                        newest = lease.token;
                        tokens[who] = Some(lease.token);
                    }
                }
                (1, Some(token)) => {
                    let renewed = renew(&kept, token, at).is_ok();
                    prop_assert!(!renewed || token == newest);
                }
                (_, Some(token)) => {
                    release(&kept, token, at).unwrap();
                    tokens[who] = None;
                }
                _ => {}
            }
        }
    }
}
