//! A sandbox with an application behind one of the two doors.

use std::time::Duration;

use landfall_model::Receipt;
use landfall_testkit::ask::{Answer, ask, ask_with};
use landfall_testkit::sandbox::{Process, Sandbox, free_address, signal};

pub(crate) const SOON: Duration = Duration::from_secs(60);

const ECHO: &str = include_str!("echo.py");

/// Which proxy serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Landfall,
    Caddy,
}

impl Door {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Landfall => "landfall",
            Self::Caddy => "caddy",
        }
    }

    /// Its process.
    pub(crate) fn process(self, sandbox: &Sandbox) -> Option<Process> {
        match self {
            Self::Landfall => sandbox.process(&["proxy", "run"]),
            Self::Caddy => sandbox
                .processes()
                .into_iter()
                .find(|process| process.arguments.first().is_some_and(|program| program.ends_with("caddy"))),
        }
    }
}

/// Says loudly what is not checked.
pub(crate) fn caddy_is_there() -> bool {
    let there = std::process::Command::new("caddy").arg("version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: the front door with Caddy: no caddy is installed (apt-get install caddy)");
    }
    there
}

/// An application called `echo` with one service, and its place.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) listen: String,
    pub(crate) door: Door,
}

impl World {
    /// Deployed with these lines in `[service.web]`.
    pub(crate) fn deployed(door: Door, lines: &str) -> Self {
        let world = Self::new(door);
        world.write(lines, "");
        world.deploy();
        world
    }

    pub(crate) fn new(door: Door) -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_landfall"));
        let world = Self { sandbox, listen: free_address(), door };
        world.says("one");
        world
    }

    /// Writes the manifest; `lines` go into `[service.web]`, `more` into `[environment.dev]` and below it.
    pub(crate) fn write(&self, lines: &str, more: &str) {
        let strategy = if lines.contains("strategy") { "" } else { "strategy = \"blue-green\"" };
        let text = format!(
            "name = \"echo\"\nversion = \"1.0.0\"\n\n[service.web]\nrun = [\"python3\", \"-S\", \"-E\", \"echo.py\"]\n\
             {strategy}\n{lines}\n\n[environment.dev]\ndomain = \"echo.localhost\"\nlisten = \"{}\"\nproxy = \"{}\"\n{more}\n",
            self.listen,
            self.door.word()
        );
        self.sandbox.write("landfall.toml", &text);
    }

    /// The application's next version.
    pub(crate) fn says(&self, version: &str) {
        self.sandbox.write("echo.py", &ECHO.replace("VERSION = \"one\"", &format!("VERSION = {version:?}")));
    }

    pub(crate) fn deploy(&self) -> Receipt {
        self.sandbox.run(&["deploy", "--json"]).ok().receipt()
    }

    pub(crate) fn ask(&self, path: &str) -> Answer {
        ask(&self.listen, "echo.localhost", path).expect("somebody answers")
    }

    pub(crate) fn ask_with(&self, path: &str, fields: &str) -> Answer {
        ask_with(&self.listen, "echo.localhost", path, fields).expect("somebody answers")
    }

    /// The first line that the application answers.
    pub(crate) fn version(&self) -> String {
        let answer = self.ask("/");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.lines().next().unwrap_or_default().to_owned()
    }

    pub(crate) fn kill_door(&self) -> u32 {
        let process = self.door.process(&self.sandbox).expect("the door is open");
        signal(process.pid, rustix::process::Signal::KILL);
        process.pid
    }
}
