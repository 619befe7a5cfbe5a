//! Signals: their names, and how those sent to the shim reach its poll loop.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

const NAMES: &[(&str, Signal)] = &[
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("ILL", Signal::ILL),
    ("TRAP", Signal::TRAP),
    ("ABRT", Signal::ABORT),
    ("BUS", Signal::BUS),
    ("FPE", Signal::FPE),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("SEGV", Signal::SEGV),
    ("USR2", Signal::USR2),
    ("PIPE", Signal::PIPE),
    ("ALRM", Signal::ALARM),
    ("TERM", Signal::TERM),
    ("CONT", Signal::CONT),
    ("STOP", Signal::STOP),
    ("TSTP", Signal::TSTP),
    ("XCPU", Signal::XCPU),
    ("XFSZ", Signal::XFSZ),
    ("WINCH", Signal::WINCH),
    ("SYS", Signal::SYS),
];

/// The signal of this name, with or without `SIG` before it.
pub(crate) fn signal(name: &str) -> Option<Signal> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal)
}

/// The name of a signal by its number; the number itself for one without a name.
pub(crate) fn name(number: i32) -> String {
    NAMES
        .iter()
        .find(|(_, signal)| signal.as_raw() == number)
        .map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

/// What the shim was told by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// `TERM` or `INT`: stop.
    Stop,
    /// `CHLD`: a process below the shim ended.
    Child,
}

/// Signals to this process as something to poll: each is a byte in a pipe.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: UnixStream,
    child: UnixStream,
}

impl Signals {
    /// Takes over `TERM`, `INT`, `CHLD` and, which is left at that, `HUP`. As handlers and not as `SIG_IGN`: what the
    /// shim starts must not inherit it.
    pub(crate) fn take() -> io::Result<Self> {
        let pipe = |signals: &[Signal]| -> io::Result<UnixStream> {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            for signal in signals {
                signal_hook::low_level::pipe::register(signal.as_raw(), write.try_clone()?)?;
            }
            Ok(read)
        };
        signal_hook::flag::register(Signal::HUP.as_raw(), std::sync::Arc::default())?;
        Ok(Self { stop: pipe(&[Signal::TERM, Signal::INT])?, child: pipe(&[Signal::CHILD])? })
    }

    /// What is to be polled for reading.
    pub(crate) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.stop.as_fd(), self.child.as_fd()]
    }

    /// What came since the last call.
    pub(crate) fn read(&self) -> impl Iterator<Item = Told> {
        let any = |mut pipe: &UnixStream| {
            let mut found = false;
            while pipe.read(&mut [0; 64]).is_ok_and(|count| count > 0) {
                found = true;
            }
            found
        };
        let told = [(any(&self.stop), Told::Stop), (any(&self.child), Told::Child)];
        told.into_iter().filter_map(|(came, told)| came.then_some(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_match() {
        for (text, signal_) in NAMES {
            assert_eq!(signal(text), Some(*signal_));
            assert_eq!(name(signal_.as_raw()), *text);
        }
        assert_eq!(signal("SIGTERM"), Some(Signal::TERM));
        assert_eq!(signal("term"), None);
        assert_eq!(name(34), "34");
    }
}
