//! Nouns to show: one application, deployed, failed, interrupted. Shared by the tests and `examples/show.rs`.
#![allow(dead_code, unreachable_pub, reason = "each user of this module needs a part of it")]
#![allow(clippy::unwrap_used, reason = "they are constants")]

mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_model::api::{
    DiskEntry, DiskKind, DiskView, Draining, Filesystem, HistoryLine, Holds, Pruned, RouteView, StatusView,
    Whose,
};
use landfall_model::*;

pub use stream::*;

pub fn web() -> ServiceName {
    "web".parse().unwrap()
}

pub fn worker() -> ServiceName {
    "worker".parse().unwrap()
}

pub fn client() -> ServiceName {
    "client".parse().unwrap()
}

pub fn app() -> AppName {
    "guestbook".parse().unwrap()
}

pub fn dev() -> EnvironmentName {
    "dev".parse().unwrap()
}

pub fn old() -> Version {
    "1.3.9-20261119090000-77ac01d".parse().unwrap()
}

pub fn new() -> Version {
    "1.4.0-20261120131502-3f2a1c9".parse().unwrap()
}

pub fn at(text: &str) -> Timestamp {
    format!("2026-11-20T{text}Z").parse().unwrap()
}

pub fn now() -> Timestamp {
    at("13:18:20.000")
}

pub const URL: &str = "http://guestbook.localhost:8080";

pub fn spec(kind: Kind) -> Spec {
    Spec {
        kind,
        runtime: Runtime::Process,
        container: None,
        compose: None,
        run: (kind != Kind::Site).then(|| Command::Line("gunicorn --bind $HOST:$PORT guestbook:app".into())),
        build: (kind == Kind::Site).then(|| Command::Line("npm ci && npm run build".into())),
        dependencies: Dependencies::Auto,
        output: (kind == Kind::Site).then(|| "dist".into()),
        test: if kind == Kind::Web { vec![Command::Line("pytest -q".into())] } else { vec![] },
        health: Health {
            path: (kind == Kind::Web).then(|| "/healthz".into()),
            status: (200, 399),
            interval: Millis::seconds(5),
            timeout: Millis::seconds(2),
            start_period: Millis::seconds(30),
            stable: Millis::seconds(1),
        },
        replicas: if kind == Kind::Web { 2 } else { 1 },
        stop: Stop { signal: "TERM".into(), grace: Millis::seconds(10) },
        backoff: Backoff { first: Millis(500), max: Millis::seconds(30) },
        volumes: BTreeMap::new(),
        env: BTreeMap::new(),
        secrets: vec!["SECRET_KEY".into()],
        limits: Limits::default(),
        route: None,
        strategy: Strategy::BlueGreen,
        rolling: None,
        canary: None,
        warm: Millis(0),
        keep: 5,
        drain: Millis::seconds(10),
    }
}

pub fn release(service: ServiceName, version: Version, kind: Kind) -> Release {
    let spec = spec(kind);
    Release {
        artifact: Digest::of(format!("{service}{version}").as_bytes()),
        id: ReleaseId::new(service, version),
        app: app(),
        environment: dev(),
        config: Release::config_digest(&spec),
        secrets: BTreeMap::new(),
        schema: None,
        spec,
        created: at("13:15:02.000"),
        origin: None,
    }
}

fn service_plan(
    service: ServiceName,
    change: Change,
    from: Option<Version>,
    to: Option<Version>,
) -> ServicePlan {
    ServicePlan {
        from: from.map(|version| ReleaseId::new(service.clone(), version)),
        to: to.map(|version| ReleaseId::new(service.clone(), version)),
        service,
        change,
        strategy: Strategy::BlueGreen,
        forecast: Forecast::none("the old instances serve until the new ones are healthy"),
        url: None,
        notes: Vec::new(),
    }
}

pub fn plan() -> Plan {
    let new_web = release(web(), new(), Kind::Web);
    let new_client = release(client(), new(), Kind::Site);
    let mut changed = service_plan(
        web(),
        Change::Update {
            reasons: vec![
                ChangeKind::Artifact,
                ChangeKind::Config { keys: vec!["run".into(), "env.LOG_LEVEL".into()] },
                ChangeKind::Secrets { names: vec!["SECRET_KEY".into()] },
            ],
        },
        Some(old()),
        Some(new()),
    );
    changed.strategy = Strategy::Restart;
    changed.forecast =
        Forecast { pause: Pause::Held, pause_ms: 900, reason: "volume `data` has one writer".into() };
    changed.url = Some(URL.into());
    changed.notes = vec!["`restart` is the default for a service with a volume".into()];
    let mut site = service_plan(client(), Change::Create, None, Some(new()));
    site.forecast = Forecast { pause: Pause::Down, pause_ms: 0, reason: "it is new".into() };
    site.url = Some(format!("{URL}/app"));
    let mut gone = service_plan("old-api".parse().unwrap(), Change::Remove, Some(old()), None);
    gone.forecast = Forecast { pause: Pause::Down, pause_ms: 0, reason: "it is taken away".into() };
    let id = new_web.id.clone();
    let before = ReleaseId::new(web(), old());
    Plan {
        format: 1,
        kind: PlanKind::Deploy,
        app: app(),
        environment: dev(),
        version: new(),
        generation: 11,
        services: vec![
            changed,
            site,
            service_plan(worker(), Change::Unchanged, Some(old()), Some(old())),
            gone,
        ],
        steps: vec![
            Step::Prepare { release: id.clone() },
            Step::Prepare { release: new_client.id.clone() },
            Step::Test { release: id.clone() },
            Step::Hold { release: before.clone() },
            Step::Stop { release: before.clone() },
            Step::Start { release: id.clone(), upto: None },
            Step::AwaitHealthy { release: id.clone(), upto: None },
            Step::Switch { from: Some(before.clone()), to: id.clone() },
            Step::ReadBack { release: id.clone() },
            Step::Retire { release: before, warm: Millis(0) },
            Step::Unroute { release: ReleaseId::new("old-api".parse().unwrap(), old()) },
            Step::Remove { release: ReleaseId::new("old-api".parse().unwrap(), old()), volumes: false },
            Step::Prune { service: web(), keep: 5 },
        ],
        releases: [new_web, new_client].into_iter().map(|release| (release.id.clone(), release)).collect(),
        hash: None,
    }
    .sealed()
}

pub fn unchanged() -> Plan {
    let mut only = service_plan(web(), Change::Unchanged, Some(new()), Some(new()));
    only.url = Some(URL.into());
    Plan { services: vec![only], steps: vec![], ..plan() }.sealed()
}

pub fn receipt() -> Receipt {
    let release = release(web(), new(), Kind::Web);
    let instance = |ordinal, pid| ReceiptInstance {
        host: "ahab".into(),
        id: InstanceId::of(&app(), &dev(), &release.id, ordinal),
        pid: Some(pid),
        digest: release.artifact,
        wanted: None,
        container: None,
        healthy: true,
    };
    Receipt {
        format: 1,
        transaction: TransactionId(12),
        kind: PlanKind::Deploy,
        at: at("13:15:06.200"),
        environment: dev(),
        service: web(),
        version: new(),
        previous_version: Some(old()),
        strategy: Strategy::Restart,
        artifact_digest: release.artifact,
        instances: vec![instance(1, 4121), instance(2, 4122)],
        traffic: [(new().to_string(), 100)].into(),
        url: Some(URL.into()),
        served: Some(ServedArtifact { path: "/healthz".into(), status: 200, version: new().to_string() }),
        requests: Requests { served: 1412, failed: 0, held: 12, p50_ms: Some(2.1), p99_ms: Some(614.2) },
        downtime: Downtime { forecast_ms: 900, measured_ms: 612 },
        bytes_shipped: 48_213,
        steps: vec![
            ReceiptStep { name: "prepare: lays out the release".into(), ms: 1204 },
            ReceiptStep { name: "test: `pytest -q`".into(), ms: 2210 },
            ReceiptStep { name: "switch".into(), ms: 4 },
        ],
        duration_ms: 4200,
        judged: Vec::new(),
        promoted: false,
        plan_hash: Digest::of(b"plan"),
        outcome: Outcome::Done,
    }
}

pub fn site_receipt() -> Receipt {
    Receipt {
        service: client(),
        previous_version: None,
        strategy: Strategy::BlueGreen,
        instances: vec![],
        url: Some(format!("{URL}/app")),
        served: None,
        requests: Requests::default(),
        downtime: Downtime::default(),
        ..receipt()
    }
}

pub fn failed_receipt() -> Receipt {
    Receipt {
        outcome: Outcome::RolledBack,
        traffic: [(old().to_string(), 100)].into(),
        instances: vec![],
        served: None,
        requests: Requests { served: 903, failed: 0, held: 0, p50_ms: Some(2.0), p99_ms: Some(9.8) },
        downtime: Downtime { forecast_ms: 900, measured_ms: 0 },
        ..receipt()
    }
}

pub fn autopsy() -> Autopsy {
    let release = release(web(), new(), Kind::Web);
    Autopsy {
        cause: "it listens on 127.0.0.1:5000, not on the port it was given (41873)".into(),
        advice: Some("listen on $HOST:$PORT, for Flask: `flask run --host $HOST --port $PORT`".into()),
        evidence: Evidence {
            instance: InstanceId::of(&app(), &dev(), &release.id, 1),
            command: "python app.py".into(),
            expected: Some("127.0.0.1:41873".into()),
            exit: None,
            restarts: 0,
            waited_ms: 30_000,
            listeners: vec![Listener { address: "127.0.0.1:5000".into(), pid: 4121 }],
            health: Some(HealthAnswer::Refused),
            log: vec![
                (Stream::Out, " * Serving Flask app 'app'".into()),
                (Stream::Err, "\u{1b}[31m\u{1b}[1mWARNING: This is a development server. Do not use it in a production deployment. Use a production WSGI server instead.\u{1b}[0m".into()),
                (Stream::Err, " * Running on http://127.0.0.1:5000 \u{1b}]0;owned\u{7}".into()),
                (Stream::Out, "ようこそ 👩‍👩‍👧 guestbook".into()),
            ],
            variables: ["HOST", "PORT", "LANDFALL_VERSION", "SECRET_KEY"].map(str::to_owned).into(),
            memory: Some(34 * 1024 * 1024),
            memory_limit: Some(64 * 1024 * 1024),
            container: false,
        },
    }
}

pub fn fault() -> Fault {
    Fault::application("`web` did not become healthy within 30.0 s")
        .help("correct it and deploy again")
        .autopsy(autopsy())
}

pub fn exited() -> Autopsy {
    let mut autopsy = autopsy();
    autopsy.cause = "it exited at once: a module is not installed (`flask_cors`)".into();
    autopsy.advice = None;
    autopsy.evidence.exit = Some(Exit { code: Some(1), signal: None, oom: false, at: at("13:15:04.000") });
    autopsy.evidence.waited_ms = 310;
    autopsy.evidence.restarts = 2;
    autopsy.evidence.listeners.clear();
    autopsy.evidence.health = None;
    autopsy.evidence.log.clear();
    autopsy
}

pub fn status() -> StatusView {
    let running = release(web(), new(), Kind::Web);
    let retiring = release(web(), old(), Kind::Web);
    let instance = |release: &Release, ordinal, state, port: u16| InstanceStatus {
        id: InstanceId::of(&app(), &dev(), &release.id, ordinal),
        release: release.id.clone(),
        ordinal,
        state,
        address: Some(format!("127.0.0.1:{port}")),
        pid: Some(u32::from(port) / 10),
        started: Some(at("13:15:03.000")),
        restarts: 0,
        last_exit: None,
        memory: Some(41 * 1024 * 1024),
        leaving: None,
        container: None,
        checks: None,
        drift: None,
    };
    let mut ill = instance(&running, 2, InstanceState::BackingOff, 41875);
    ill.restarts = 3;
    ill.last_exit = Some(Exit { code: None, signal: Some("KILL".into()), oom: true, at: at("13:18:02.000") });
    ill.checks = Some(Checks { asked: 20, failed: 7 });
    ill.pid = None;
    ill.started = None;
    ill.memory = None;
    let observed_web = ObservedService {
        active: Some(running.id.clone()),
        previous: Some(retiring.id.clone()),
        instances: vec![
            instance(&running, 1, InstanceState::Healthy, 41873),
            ill,
            instance(&retiring, 1, InstanceState::Healthy, 40011),
        ],
        releases: vec![
            ObservedRelease { release: retiring, state: ReleaseState::Retiring },
            ObservedRelease { release: running, state: ReleaseState::Active },
        ],
        boot_ms: Some(410),
        stop_ms: Some(95),
    };
    let site = release(client(), new(), Kind::Site);
    let observed_client = ObservedService {
        active: Some(site.id.clone()),
        releases: vec![ObservedRelease { release: site, state: ReleaseState::Active }],
        ..ObservedService::default()
    };
    let requests = Requests { served: 12_048, failed: 0, held: 12, p50_ms: Some(2.0), p99_ms: Some(14.0) };
    StatusView {
        app: app(),
        environment: dev(),
        observed: Observed {
            generation: 12,
            services: [
                (web(), observed_web),
                (client(), observed_client),
                (worker(), ObservedService::default()),
            ]
            .into(),
            taken: vec![],
            open: None,
            newest_moment: None,
            projects: Vec::new(),
            proxies: Vec::new(),
        },
        routes: vec![
            route(web(), URL.into(), requests),
            route(client(), format!("{URL}/app"), Requests::default()),
        ],
    }
}

fn route(service: ServiceName, url: String, requests: Requests) -> RouteView {
    RouteView {
        service,
        url,
        version: Some(new().to_string()),
        held_now: 0,
        maintenance: false,
        paused: false,
        certificate: None,
        traffic: BTreeMap::from([(new().to_string(), 100)]),
        draining: Vec::new(),
        healthy: (1, 2),
        requests,
    }
}

fn certificate(not_after: &str, problem: Option<&str>) -> CertificateStatus {
    CertificateStatus {
        host: "guestbook.example.com".into(),
        source: CertificateSource::Acme { directory: "https://acme.example/dir".into(), on_demand: false },
        issuer: Some("Let's Encrypt R11".into()),
        names: vec!["guestbook.example.com".into()],
        not_before: Some(at("00:00:00.000")),
        not_after: Some(at(not_after)),
        problem: problem.map(str::to_owned),
        next_try: None,
    }
}

/// A canary under way, and a site that a person turned off.
pub fn status_shared() -> StatusView {
    let mut status = status();
    let (web, site) = status.routes.split_at_mut(1);
    web[0].traffic = BTreeMap::from([(old().to_string(), 95), (new().to_string(), 5)]);
    web[0].draining = vec![Draining { version: "1.3.8-20261101120000".into(), under_way: 3 }];
    site[0].maintenance = true;
    web[0].certificate = Some(certificate("13:30:00.000", None));
    site[0].certificate =
        Some(certificate("13:15:00.000", Some("the server says no: too many for this domain")));
    site[0].paused = true;
    site[0].held_now = 14;
    status
}

pub fn open(switched: bool, running: bool) -> OpenTransaction {
    OpenTransaction {
        transaction: TransactionId(13),
        kind: PlanKind::Deploy,
        begun: at("13:15:20.000"),
        running,
        done: 4,
        steps: 9,
        doing: "web: health, waits until 127.0.0.1:41873 is healthy".into(),
        switched,
        lease: Some(Lease {
            token: 13,
            holder: "anna@laptop".into(),
            heartbeat: at("13:15:30.000"),
            expires: at("13:15:45.000"),
        }),
    }
}

pub fn history() -> Vec<HistoryLine> {
    let line = |number, kind, outcome, begun: &str, ended: Option<&str>, why: Option<&str>| HistoryLine {
        transaction: TransactionId(number),
        kind,
        holder: "anna@laptop".into(),
        version: new(),
        begun: at(begun),
        ended: ended.map(at),
        outcome,
        services: vec![web(), client()],
        why: why.map(str::to_owned),
    };
    vec![
        line(13, PlanKind::Deploy, None, "13:18:00.000", None, None),
        line(12, PlanKind::Rollback, Some(Outcome::Done), "13:12:00.000", Some("13:12:00.410"), None),
        line(
            9,
            PlanKind::Deploy,
            Some(Outcome::RolledBack),
            "09:12:00.000",
            Some("09:13:04.000"),
            Some(
                "`web` did not become healthy within 30.0 s: it listens on 127.0.0.1:5000, not on the port it was given",
            ),
        ),
        line(
            8,
            PlanKind::Down,
            Some(Outcome::NeedsPerson),
            "08:00:00.000",
            Some("08:00:01.000"),
            Some("the disk is full"),
        ),
    ]
}

const MANIFEST: &str = "name = \"guestbook\"\n\n[service.web]\nrun = \"gunicorn guestbook:app\"\nhelth = \"/healthz\"\nsecrets = [\"SECRET_KEY\"]\n";

pub fn diagnostics() -> Vec<Diagnostic> {
    let diagnostic = |severity, message: &str, place: &str, label: &str, help: &str| {
        let start = MANIFEST.find(place).unwrap();
        Diagnostic {
            severity,
            message: message.into(),
            file: "/home/anna/guestbook/landfall.toml".into(),
            text: Arc::from(MANIFEST),
            labels: vec![Label { start, end: start + place.len(), text: label.into() }],
            help: Some(help.into()),
        }
    };
    vec![
        diagnostic(Severity::Error, "unknown key `helth`", "helth", "no such key", "did you mean `health`?"),
        diagnostic(
            Severity::Missing,
            "secret `SECRET_KEY` of service `web` is missing",
            "\"SECRET_KEY\"",
            "missing",
            "looked for in the process environment and `.env`",
        ),
        Diagnostic {
            severity: Severity::Warning,
            message: "secrets are in `.env`, which others on this machine can read".into(),
            file: "/home/anna/guestbook/landfall.toml".into(),
            text: "".into(),
            labels: vec![],
            help: Some("`chmod 600 .env`".into()),
        },
    ]
}

pub fn interrupted() -> StatusView {
    let mut status = status();
    status.observed.open = Some(open(false, false));
    status
}

fn taken(kind: DiskKind, whose: Whose, name: &str, bytes: u64) -> DiskEntry {
    let service =
        (whose == Whose::Ours && !matches!(kind, DiskKind::Store | DiskKind::State)).then_some("web");
    DiskEntry {
        kind,
        whose,
        app: service.map(|_| "shop".parse().unwrap()),
        environment: service.map(|_| "production".parse().unwrap()),
        service: service.map(|name| name.parse().unwrap()),
        name: name.to_owned(),
        bytes,
        shared: 0,
        needed: true,
        idle_since: None,
        partial: false,
    }
}

pub fn disk() -> DiskView {
    const MIB: u64 = 1 << 20;
    let image = taken(DiskKind::Image, Whose::Ours, "landfall/shop/web:1.4.0", 41 * MIB);
    DiskView {
        filesystems: vec![Filesystem {
            path: "/var/lib/landfall".into(),
            holds: vec![Holds::State, Holds::Engine],
            total: 252 << 30,
            free: 12 << 30,
        }],
        entries: vec![
            taken(DiskKind::Store, Whose::Ours, "", 12 * MIB),
            taken(DiskKind::State, Whose::Ours, "", MIB / 2),
            DiskEntry { shared: 199 * MIB, ..image.clone() },
            DiskEntry { needed: false, bytes: 30 * MIB, ..image },
            DiskEntry { partial: true, ..taken(DiskKind::Volume, Whose::Ours, "data", 4 * MIB) },
            DiskEntry {
                needed: false,
                idle_since: "2026-11-18T08:00:00Z".parse().ok(),
                ..taken(DiskKind::Volume, Whose::Ours, "older", 9 * MIB)
            },
            taken(DiskKind::Log, Whose::Ours, "", MIB),
            taken(DiskKind::Container, Whose::Ours, "web-1", 3000),
            taken(DiskKind::SharedLayers, Whose::Both, "", 199 * MIB),
            taken(DiskKind::BuilderCache, Whose::Both, "", 900 * MIB),
            taken(DiskKind::Image, Whose::Others, "postgres:17", 400 * MIB),
            taken(DiskKind::Volume, Whose::Others, "pg", 77 * MIB),
        ],
        engine: None,
    }
}

pub fn pruned() -> Pruned {
    Pruned { removed: vec!["landfall/shop/web:1.3.9".into(), "builder's cache".into()], bytes: 94_000_000 }
}
