//! An application, deployed in a sandbox, whose line can be changed.

use std::path::Path;

use landfall_model::Receipt;
use landfall_testkit::app::Tiny;
use landfall_testkit::sandbox::{Sandbox, free_address};

/// What is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Application {
    /// A Python program on sockets that boots in about 20 ms: what is left is Landfall's own.
    Tiny,
    /// Flask, gunicorn and SQLite.
    Guestbook,
}

impl Application {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Guestbook => "guestbook",
        }
    }

    pub(crate) fn host(self) -> String {
        format!("{}.localhost", self.name())
    }

    /// The shell line that starts it.
    pub(crate) fn line(self) -> &'static str {
        match self {
            Self::Tiny => "exec python3 -S -E tiny.py",
            Self::Guestbook => "exec gunicorn --bind $HOST:$PORT guestbook:app",
        }
    }

    /// Requests a second that it answers easily beside a deploy, on two cores with the load generator.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Tiny => "/",
            Self::Guestbook => "/static/style.css",
        }
    }
}

/// A deployment.
pub(crate) struct Deployed {
    pub(crate) sandbox: Sandbox,
    pub(crate) application: Application,
    pub(crate) address: String,
    turn: u32,
}

impl Deployed {
    /// Deploys it for the first time. The guestbook's test gate is left out: its time is pytest's.
    pub(crate) fn new(binary: &Path, application: Application, strategy: &str) -> Self {
        let sandbox = Sandbox::new(binary);
        let address = free_address();
        match application {
            Application::Tiny => sandbox.write_tiny(&Tiny::new("tiny", &address, strategy)),
            Application::Guestbook => {
                sandbox.copy_example("guestbook");
                sandbox.edit("landfall.toml", "test     =", "# test   =");
                sandbox.edit(
                    "landfall.toml",
                    "strategy = \"restart\" ",
                    &format!("strategy = \"{strategy}\" "),
                );
                let listen = format!("[environment.dev]\nlisten = \"{address}\"");
                sandbox.edit("landfall.toml", "[environment.dev]", &listen);
            }
        }
        let deployed = Self { sandbox, application, address, turn: 0 };
        let _ = deployed.sandbox.run(&["deploy", "-q"]).ok();
        deployed
    }

    /// Changes one line of the source.
    pub(crate) fn change_a_line(&mut self) {
        let line = |turn: u32| format!("# change number {turn}\n");
        let file = match self.application {
            Application::Tiny => "tiny.py",
            Application::Guestbook => "guestbook.py",
        };
        let path = self.sandbox.project().join(file);
        let text = std::fs::read_to_string(&path).expect("the application is there");
        let old = line(self.turn);
        let text = text.strip_suffix(&old).unwrap_or(&text).to_owned();
        self.turn += 1;
        self.sandbox.write(file, &(text + &line(self.turn)));
    }

    /// The receipt of the newest transaction.
    pub(crate) fn receipt(&self) -> Receipt {
        let ran = self.sandbox.run(&["receipt", "--json"]).ok();
        let mut values = ran.lines_of_json();
        serde_json::from_value(values.remove(0)).expect("a receipt")
    }
}
