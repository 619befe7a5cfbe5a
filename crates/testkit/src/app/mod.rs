//! A small Python application that boots in about 20 ms, and the ways in which it can be broken.
//!
//! It answers `/` with its version, `/healthz`, `/env` with the names of its variables, `/slow` after 300 ms, ends at
//! `/crash`, and after `/flap` every other health check fails. It ends at once at SIGTERM, requests under way or not: whoever stops it too early loses requests.

use std::fmt::Write as _;

/// The program; needs nothing but Python 3.
pub const TINY: &str = include_str!("tiny.py");

/// How a tiny application is set up; writes its two files.
#[derive(Debug, Clone)]
pub struct Tiny {
    /// The application's name.
    pub name: String,
    /// The address the proxy listens on.
    pub listen: String,
    /// `restart` or `blue-green`.
    pub strategy: String,
    /// What it answers.
    pub says: String,
    /// What is wrong with it.
    pub fault: Option<TinyFault>,
    /// Lines behind those of `[service.web]`.
    pub extra: String,
    /// How long it may take to boot.
    pub start_period: String,
}

/// A way in which a new release can be bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TinyFault {
    /// Python refuses the file.
    Syntax,
    /// It runs and never listens.
    NeverListens,
    /// It listens on another port, whichever is free.
    OtherPort,
    /// The health check answers 500.
    Unhealthy,
    /// The health check answers 500 every other time.
    Flaps,
    /// It sleeps before it listens, longer than any start period.
    SlowBoot,
    /// It raises while it boots, because a variable is not there.
    MissingVariable,
}

impl Tiny {
    /// One that works, with this listen address.
    #[must_use]
    pub fn new(name: &str, listen: &str, strategy: &str) -> Self {
        Self {
            name: name.to_owned(),
            listen: listen.to_owned(),
            strategy: strategy.to_owned(),
            says: "one".to_owned(),
            fault: None,
            extra: String::new(),
            start_period: "20s".to_owned(),
        }
    }

    /// The same, answering something else.
    #[must_use]
    pub fn says(mut self, says: &str) -> Self {
        says.clone_into(&mut self.says);
        self
    }

    /// The same, broken.
    #[must_use]
    pub fn fault(mut self, fault: TinyFault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// The same with a line more in `[service.web]`.
    #[must_use]
    pub fn key(mut self, line: &str) -> Self {
        let _ = writeln!(self.extra, "{line}");
        self
    }

    /// The same with less (or more) time to boot.
    #[must_use]
    pub fn start_period(mut self, period: &str) -> Self {
        period.clone_into(&mut self.start_period);
        self
    }

    /// The host name it answers to.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.localhost", self.name)
    }

    /// Its `landfall.toml`.
    #[must_use]
    pub fn manifest(&self) -> String {
        let Self { name, listen, strategy, extra, start_period, .. } = self;
        format!(
            r#"name = "{name}"
version = "1.0.0"

[service.web]
run      = ["python3", "-S", "-E", "tiny.py"]
health   = {{ path = "/healthz", start_period = "{start_period}" }}
strategy = "{strategy}"
{extra}
[environment.dev]
domain = "{}"
listen = "{listen}"
"#,
            self.host()
        )
    }

    /// Its `tiny.py`.
    #[must_use]
    pub fn program(&self) -> String {
        let program = TINY.replace(r#"VERSION = "one""#, &format!("VERSION = {:?}", self.says));
        let before_bind = |line: &str| program.replace("# BEFORE BIND", line);
        match self.fault {
            None => program,
            Some(TinyFault::Syntax) => program.replace("def answer(path):", "def answer(path:"),
            Some(TinyFault::NeverListens) => before_bind("threading.Event().wait()"),
            Some(TinyFault::OtherPort) => program.replace(r#"int(os.environ["PORT"])"#, "0"),
            Some(TinyFault::Unhealthy) => program.replace("HEALTH = 200", "HEALTH = 500"),
            Some(TinyFault::Flaps) => program.replace("FLAPS = False", "FLAPS = True"),
            Some(TinyFault::SlowBoot) => {
                before_bind("print(\"warming the cache\", flush=True)\ntime.sleep(3600)")
            }
            Some(TinyFault::MissingVariable) => before_bind(r#"os.environ["MAIL_PASSWORD"]"#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_changes_the_program() {
        let good = Tiny::new("tiny", "127.0.0.1:1", "restart");
        for fault in [
            TinyFault::Syntax,
            TinyFault::NeverListens,
            TinyFault::OtherPort,
            TinyFault::Unhealthy,
            TinyFault::Flaps,
            TinyFault::SlowBoot,
            TinyFault::MissingVariable,
        ] {
            assert_ne!(good.clone().fault(fault).program(), good.program(), "{fault:?}");
        }
        assert_ne!(good.clone().says("two").program(), good.program());
    }
}
