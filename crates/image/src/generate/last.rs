//! The last stage: what every image that runs something has in common.

use landfall_model::Kind;

use super::text::{Copy, Run};
use super::{APP, OWNER, Work, command};

/// The home of the application's user.
const HOME: &str = "/home/app";

/// What the last stage of a language holds.
pub(super) struct Last {
    /// The image it starts from.
    pub(super) image: String,
    /// Variables beside those that every image has.
    pub(super) env: Vec<(&'static str, String)>,
    /// Debian packages beside the image's own.
    pub(super) packages: &'static [&'static str],
    /// What it takes from elsewhere, in order.
    pub(super) copies: Vec<Copy>,
    /// What an instance executes.
    pub(super) command: Vec<String>,
}

impl Work<'_> {
    /// Writes the last stage.
    pub(super) fn last(&mut self, last: &Last) {
        self.text.stage(&last.image, None);
        let mut env = vec![
            ("HOME", HOME.to_owned()),
            ("HOST", "0.0.0.0".to_owned()),
            ("PORT", self.wanted.port.to_string()),
        ];
        env.extend(last.env.iter().cloned());
        self.text.env(&env);
        self.packages(last.packages);
        let (user, group) = super::USER;
        let add_group = format!("groupadd --gid {group} app");
        let add_user = format!(
            "useradd --uid {user} --gid {group} --create-home --home-dir {HOME} --shell /usr/sbin/nologin app"
        );
        let folder = format!("install --directory --owner={user} --group={group} {APP}");
        self.text.run(&Run::default(), &[&add_group, &add_user, &folder]);
        self.text.line(&format!("WORKDIR {APP}"));
        for copy in &last.copies {
            self.text.copy(copy);
        }
        self.text.line(&format!("USER {OWNER}"));
        if self.wanted.kind == Kind::Web {
            self.text.line(&format!("EXPOSE {}", self.wanted.port));
        }
        self.text.cmd(&last.command);
        if self.wanted.run.is_some_and(command::hides_signals) {
            self.note("the run line is more than one command: the shell that runs it hands no signal on");
        }
    }
}
