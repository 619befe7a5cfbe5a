//! Makes specifications and desired states for tests, short to write.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_model::{
    Backoff, Canary, Command, Compare, Compose, Dependencies, Digest, Health, HoldLimits, Http, Judge, Kind,
    Limits, Millis, Proxy, Rolling, Route, Runtime, SecretsAs, Spec, Stop, Strategy, Timestamp, Version,
};
use landfall_plan::{Desired, DesiredService};

/// A service in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What its instances are made of.
    pub runtime: Runtime,
    /// How a new release takes over.
    pub strategy: Strategy,
    /// Instances.
    pub replicas: u32,
    /// Its artifact is `artifact` of this.
    pub artifact: u8,
    /// The host of its route; a worker has none.
    pub host: &'static str,
    /// Whether it has a test gate.
    pub tested: bool,
    /// Old releases kept.
    pub keep: u32,
    /// The bounds of a `rolling`.
    pub bounds: Rolling,
    /// How long the old instances stay.
    pub warm: Millis,
}

impl Blueprint {
    /// A web service on a host of its own name, with one instance.
    #[must_use]
    pub fn web(name: &'static str, strategy: Strategy) -> Self {
        Self {
            name,
            kind: Kind::Web,
            runtime: Runtime::Process,
            strategy,
            replicas: 1,
            artifact: 0,
            host: name,
            tested: false,
            keep: 5,
            bounds: Rolling { max_unavailable: 0, max_surge: 1 },
            warm: Millis(0),
        }
    }

    /// The same with another artifact.
    #[must_use]
    pub fn artifact(mut self, artifact: u8) -> Self {
        self.artifact = artifact;
        self
    }

    /// The same of another kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same with a route on another host.
    #[must_use]
    pub fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    /// The same with so many instances.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// The same with these bounds of a `rolling`.
    #[must_use]
    pub fn bounds(mut self, max_unavailable: u32, max_surge: u32) -> Self {
        self.bounds = Rolling { max_unavailable, max_surge };
        self
    }

    /// A compose project on a host of its own name.
    #[must_use]
    pub fn compose(name: &'static str) -> Self {
        Self { runtime: Runtime::Compose, ..Self::web(name, Strategy::Restart) }
    }

    fn spec(&self) -> Spec {
        let runs = self.kind != Kind::Site;
        Spec {
            kind: self.kind,
            runtime: self.runtime,
            container: None,
            compose: (self.runtime == Runtime::Compose).then(|| Compose {
                files: vec!["compose.yaml".to_owned()],
                project: None,
                profiles: Vec::new(),
                service: None,
                port: Some(8000),
                secrets_as: SecretsAs::Env,
            }),
            run: runs.then(|| Command::Line("serve".to_owned())),
            build: None,
            dependencies: Dependencies::Auto,
            output: (!runs).then(|| ".".to_owned()),
            test: if self.tested { vec![Command::Line("check".to_owned())] } else { Vec::new() },
            health: Health {
                path: Some("/".to_owned()),
                status: (200, 399),
                interval: Millis::seconds(5),
                timeout: Millis::seconds(2),
                start_period: Millis::seconds(30),
                stable: Millis(500),
            },
            replicas: self.replicas,
            stop: Stop { signal: "TERM".to_owned(), grace: Millis::seconds(10) },
            backoff: Backoff { first: Millis(500), max: Millis::seconds(30) },
            volumes: BTreeMap::new(),
            env: BTreeMap::new(),
            secrets: Vec::new(),
            limits: Limits::default(),
            route: (self.kind != Kind::Worker).then(|| Route {
                listen: "127.0.0.1:8080".to_owned(),
                host: format!("{}.localhost", self.host),
                prefix: "/".to_owned(),
                strip: false,
                hold: HoldLimits::default(),
                tls: None,
                http: Http::default(),
                proxy: Proxy::default(),
            }),
            strategy: self.strategy,
            rolling: (self.strategy == Strategy::Rolling).then_some(self.bounds),
            canary: (self.strategy == Strategy::Canary).then(canary),
            warm: self.warm,
            keep: self.keep,
            drain: Millis::seconds(10),
        }
    }
}

/// Two short steps, judged by what both releases answer.
fn canary() -> Canary {
    Canary {
        steps: vec![10, 50],
        hold: Millis(500),
        requests: 50,
        patience: Millis::seconds(5),
        sticky: None,
        judge: Judge::Compare(Compare { false_alarm: 1_000, errors: 10, slower: 50 }),
    }
}

/// The digest of artifact `number`.
#[must_use]
pub fn artifact(number: u8) -> Digest {
    Digest::of(&[number])
}

/// The moment `seconds` after noon on 2026-11-20.
#[must_use]
pub fn moment(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_795_176_000_000).plus(Duration::from_secs(seconds))
}

/// The version stamped at `moment(seconds)`.
#[must_use]
pub fn version(seconds: u64) -> Version {
    let text = format!("1.4.0-{}-3f2a1c9", moment(seconds).compact());
    text.parse().expect("this is the form of a version")
}

/// One service of a desired state.
#[must_use]
pub fn desired_service(blueprint: &Blueprint) -> DesiredService {
    DesiredService {
        name: blueprint.name.parse().expect("tests name services well"),
        spec: blueprint.spec(),
        artifact: artifact(blueprint.artifact),
        secrets: BTreeMap::new(),
        notes: Vec::new(),
    }
}

/// `guestbook` in `dev` with all these services, at `version(seconds)`.
#[must_use]
pub fn desired(seconds: u64, services: &[Blueprint]) -> Desired {
    Desired {
        app: "guestbook".parse().expect("a name"),
        environment: "dev".parse().expect("a name"),
        version: version(seconds),
        created: moment(seconds),
        origin: None,
        services: services.iter().map(desired_service).collect(),
        complete: true,
    }
}
