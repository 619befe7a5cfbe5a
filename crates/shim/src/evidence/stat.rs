//! One process as `proc_pid_stat(5)` shows it.

use std::fs;

/// What is known of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    /// When it was started, in clock ticks since the boot: with `pid` it names one process for ever.
    pub(crate) ticks: u64,
}

impl Stat {
    /// The process `pid`; `None` when there is none.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// All processes that can be seen.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
        folder.filter_map(|entry| Self::of(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// Whether it has ended and only waits for its parent to look.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// The name, the second field, may hold anything, brackets and spaces included: the last `)` ends it.
    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(' ')?;
        let mut fields = rest.rsplit_once(") ")?.1.split(' ');
        Some(Self {
            pid: pid.parse().ok()?,
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            // Fields are counted from 1: the group is 5, the session 6, the start 22.
            session: fields.nth(1)?.parse().ok()?,
            ticks: fields.nth(15)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_parsed_whatever_the_name_holds() {
        let line = "4242 (a) b (c) S 17 4240 4241 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 1 1";
        let expected = Stat { pid: 4242, state: 'S', parent: 17, session: 4241, ticks: 987_654 };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("4242 (a"), None);
    }

    #[test]
    fn this_process_is_among_all() {
        let own = Stat::of(std::process::id()).unwrap();
        assert!(Stat::all().iter().any(|stat| (stat.pid, stat.ticks) == (own.pid, own.ticks)));
    }
}
