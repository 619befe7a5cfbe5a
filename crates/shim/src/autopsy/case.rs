//! Evidence for the tests of the rules: what a real program printed, and what was to be made of it.

use landfall_model::{Evidence, Exit, HealthAnswer, Listener, Stream, Timestamp};

use super::autopsy;

pub(super) struct Case(Evidence);

impl Case {
    /// An instance that runs and printed this.
    pub(super) fn running(log: &str) -> Self {
        Self(Evidence {
            instance: "3f2a1c9b0d".parse().unwrap(),
            command: "./run".to_owned(),
            expected: Some("127.0.0.1:41873".to_owned()),
            exit: None,
            restarts: 0,
            waited_ms: 60_000,
            listeners: Vec::new(),
            health: None,
            log: log.lines().map(|line| (Stream::Err, line.to_owned())).collect(),
            variables: vec!["HOST".to_owned(), "PATH".to_owned(), "PORT".to_owned()],
            memory: None,
            memory_limit: None,
            container: false,
        })
    }

    /// An instance that printed this and exited.
    pub(super) fn exited(code: i32, log: &str) -> Self {
        let mut case = Self::running(log);
        case.0.exit =
            Some(Exit { code: Some(code), signal: None, oom: false, at: Timestamp::from_millis(0) });
        case.0.waited_ms = 350;
        case
    }

    /// The same, with other evidence.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Evidence)) -> Self {
        change(&mut self.0);
        self
    }

    pub(super) fn listening(self, addresses: &[&str]) -> Self {
        let listener = |address: &&str| Listener { address: (*address).to_owned(), pid: 7 };
        self.with(|evidence| evidence.listeners = addresses.iter().map(listener).collect())
    }

    pub(super) fn answering(self, status: u16, body: &str) -> Self {
        let answer = HealthAnswer::Status { status, body: body.to_owned() };
        self.with(|evidence| evidence.health = Some(answer))
    }

    /// Asserts the whole cause.
    #[track_caller]
    pub(super) fn cause(self, cause: &str) -> Self {
        assert_eq!(autopsy(self.0.clone()).cause, cause);
        self
    }

    /// The advice.
    pub(super) fn advised(self) -> String {
        autopsy(self.0).advice.unwrap_or_default()
    }

    /// Asserts a part of the advice.
    #[track_caller]
    pub(super) fn advice(self, part: &str) {
        let advice = self.advised();
        assert!(advice.contains(part), "{advice:?} has no {part:?}");
    }
}
