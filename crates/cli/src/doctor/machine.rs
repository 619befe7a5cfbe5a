//! What is thought of the machine: the state folder, the room in it, the clock.

use std::time::Duration;

use landfall_model::{Finding, Timestamp};
use landfall_view::bytes;

use super::Machine;

/// Below this much room the next deploy may not fit.
const LITTLE: u64 = 1 << 30;
/// Below this much room a journal may not fit either.
const NOTHING: u64 = 64 << 20;
/// How far clocks of a file system and of processes may differ.
const SLACK: Duration = Duration::from_secs(60);

pub(super) fn findings(machine: &Machine, now: Timestamp) -> Vec<Finding> {
    vec![folder(machine), room(machine), clock(machine, now)]
}

fn folder(machine: &Machine) -> Finding {
    let Machine { state, mode, ours, unwritable, .. } = machine;
    let subject = "state folder";
    if !ours {
        let seen = format!("{state} belongs to somebody else");
        return Finding::bad(subject, seen, "give it back with chown, or name another one in LANDFALL_STATE");
    }
    if let Some(why) = unwritable {
        return Finding::bad(
            subject,
            format!("nothing can be written to {state}: {why}"),
            "make it writable",
        );
    }
    if mode & 0o077 != 0 {
        let seen = format!("{state} can be entered by others (mode {mode:04o})");
        return Finding::bad(subject, seen, format!("chmod 700 {state}"));
    }
    Finding::good(subject, format!("{state}, mode {mode:04o}"))
}

fn room(machine: &Machine) -> Finding {
    let subject = "disk";
    let seen = format!("{} free for {}", bytes(machine.free), machine.state);
    let help = "make room: `landfall down` for what is not needed, fewer old releases with `keep`";
    match machine.free {
        0..NOTHING => Finding::bad(subject, seen, help),
        NOTHING..LITTLE => Finding::doubtful(subject, seen, help),
        _ => Finding::good(subject, seen),
    }
}

fn clock(machine: &Machine, now: Timestamp) -> Finding {
    let subject = "clock";
    if let Some(changed) = machine.changed.filter(|changed| changed.since(now) > SLACK) {
        let seen = format!("it is {now}, and the state was changed at {changed}, which is yet to come");
        return Finding::bad(subject, seen, "set the clock: certificates are judged by it");
    }
    if machine.synchronized == Some(false) {
        let seen = format!("{now}, not kept by the network");
        return Finding::doubtful(subject, seen, "`timedatectl set-ntp true` lets systemd keep it");
    }
    Finding::good(subject, now.to_string())
}

#[cfg(test)]
mod tests {
    use landfall_model::Grade;

    use super::*;

    fn good() -> Machine {
        Machine {
            state: "/s".to_owned(),
            mode: 0o700,
            ours: true,
            unwritable: None,
            free: 1 << 40,
            synchronized: None,
            changed: None,
        }
    }

    #[test]
    fn what_is_wrong_with_a_machine_is_found() {
        let now = Timestamp::from_millis(1_000_000_000);
        let grades =
            |machine: &Machine| findings(machine, now).into_iter().map(|one| one.grade).collect::<Vec<_>>();
        assert_eq!(grades(&good()), [Grade::Good; 3]);
        for machine in [
            Machine { ours: false, ..good() },
            Machine { mode: 0o755, ..good() },
            Machine { unwritable: Some("read-only".to_owned()), ..good() },
        ] {
            assert_eq!(grades(&machine)[0], Grade::Bad);
        }
        assert_eq!(grades(&Machine { free: 1 << 20, ..good() })[1], Grade::Bad);
        assert_eq!(grades(&Machine { free: 1 << 28, ..good() })[1], Grade::Doubtful);
        assert_eq!(grades(&Machine { synchronized: Some(false), ..good() })[2], Grade::Doubtful);
        let changed = Some(now.plus(Duration::from_secs(3_600)));
        assert_eq!(grades(&Machine { changed, ..good() })[2], Grade::Bad);
        let changed = Some(now.plus(Duration::from_secs(1)));
        assert_eq!(grades(&Machine { changed, ..good() })[2], Grade::Good);
    }
}
