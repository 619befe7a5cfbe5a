//! What a process and its children have used, from `/proc` (`proc(5)`).

use std::fs;
use std::time::Duration;

/// Ticks a second of the times in `/proc/PID/stat`: `USER_HZ`, 100 wherever Linux runs Rust programs.
const TICKS: u64 = 100;

/// Processor time and memory of a process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time until now, to 10 ms.
    pub(crate) cpu: Duration,
    /// The largest resident memory each process ever had (`VmHWM`), added up; pages that processes share count for each.
    pub(crate) peak: u64,
}

impl Usage {
    /// Of a process and its children; zero when it is gone.
    pub(crate) fn of(pid: u32) -> Self {
        let own = Self {
            cpu: fs::read_to_string(format!("/proc/{pid}/stat")).map(|stat| cpu(&stat)).unwrap_or_default(),
            peak: fs::read_to_string(format!("/proc/{pid}/status"))
                .map(|text| peak(&text))
                .unwrap_or_default(),
        };
        children(pid)
            .into_iter()
            .map(Self::of)
            .fold(own, |sum, child| Self { cpu: sum.cpu + child.cpu, peak: sum.peak + child.peak })
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// `utime` and `stime`, the 14th and 15th field; the second, a name in parentheses, may hold spaces.
fn cpu(stat: &str) -> Duration {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

fn peak(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    line.and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok()).unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_spaces() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 1 2 20 0 3 0 100 1000 200";
        assert_eq!(cpu(stat), Duration::from_secs(3));
        assert_eq!(cpu("nothing"), Duration::ZERO);
    }

    #[test]
    fn children_count() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 30 & echo; exec sleep 30"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let both = landfall_testkit::wait::wait_for(Duration::from_secs(10), || {
            let inner = children(child.id());
            (inner.len() == 1).then(|| (Usage::of(child.id()), Usage::of(inner[0]), inner[0]))
        });
        let (whole, part, inner) = both.unwrap();
        landfall_testkit::sandbox::signal(inner, rustix::process::Signal::KILL);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(part.peak > 0 && whole.peak > part.peak, "{whole:?} {part:?}");
    }
}
