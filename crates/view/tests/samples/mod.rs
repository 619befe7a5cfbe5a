//! Nouns to show: one application, deployed, failed, interrupted. Shared by the tests and `examples/show.rs`.
#![allow(dead_code, unreachable_pub, reason = "each user of this module needs a part of it")]
#![allow(clippy::unwrap_used, reason = "they are constants")]

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_model::api::{AccessLine, Draining, HistoryLine, LogLine, RouteView, StatusView};
use landfall_model::*;

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
    };
    let mut ill = instance(&running, 2, InstanceState::BackingOff, 41875);
    ill.restarts = 3;
    ill.last_exit = Some(Exit { code: None, signal: Some("KILL".into()), oom: true, at: at("13:18:02.000") });
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
        traffic: BTreeMap::from([(new().to_string(), 100)]),
        draining: Vec::new(),
        healthy: (1, 2),
        requests,
    }
}

/// A canary under way, and a site that a person turned off.
pub fn status_shared() -> StatusView {
    let mut status = status();
    let (web, site) = status.routes.split_at_mut(1);
    web[0].traffic = BTreeMap::from([(old().to_string(), 95), (new().to_string(), 5)]);
    web[0].draining = vec![Draining { version: "1.3.8-20261101120000".into(), under_way: 3 }];
    site[0].maintenance = true;
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

pub fn log_lines() -> Vec<LogLine> {
    let line = |service: ServiceName, moment: &str, stream, text: &str| LogLine {
        at: at(moment),
        instance: InstanceId::of(&app(), &dev(), &ReleaseId::new(service.clone(), new()), 1),
        service,
        version: new(),
        stream,
        line: text.into(),
    };
    vec![
        line(web(), "13:15:03.120", Stream::Out, "Listening at: http://127.0.0.1:41873"),
        line(worker(), "13:15:03.400", Stream::Err, "retrying \u{1b}[2J\u{1b}[31mnow\u{1b}[0m\r"),
        line(client(), "13:15:04.000", Stream::Out, ""),
        line(web(), "13:15:04.001", Stream::Out, "日本語\tand a tab"),
    ]
}

pub fn findings() -> Vec<Finding> {
    vec![
        Finding::good("state folder", "/home/anna/.local/state/landfall, mode 0700"),
        Finding::doubtful(
            "disk",
            "812 MiB free for /home/anna",
            "make room: `landfall down` for what is not needed",
        ),
        Finding::bad(
            "0.0.0.0:443",
            "the address is in use: nginx (pid 412) listens there",
            "free it, or give `listen` another address",
        ),
        Finding::bad(
            "guestbook/dev/web",
            "1 of 2 instances are healthy",
            "`landfall logs dev web` shows what they print",
        ),
    ]
}

pub fn access_lines() -> Vec<AccessLine> {
    let line = |status, path: &str, ms, held_ms| AccessLine {
        time: at("13:15:03.120"),
        id: "7f3a".into(),
        client: "10.0.0.9".into(),
        method: "GET".into(),
        host: "guestbook.localhost".into(),
        path: path.into(),
        status,
        received: 0,
        sent: 41_000,
        ms,
        held_ms,
        route: "guestbook/dev/web".into(),
        pool: new().to_string(),
        backend: Some("127.0.0.1:41873".into()),
        protocol: "HTTP/1.1".into(),
        tls: None,
        agent: None,
        referer: None,
    };
    vec![
        line(200, "/", 2.125, 0.0),
        line(404, "/\u{1b}[2Jmissing", 0.4, 0.0),
        line(503, "/slow?q=1", 31_204.0, 30_001.0),
    ]
}

/// The events of a transaction: begun, some steps, what `last` adds.
pub fn events(last: Vec<Event>) -> Vec<Stamped> {
    let step = |service: ServiceName, verb: &str, title: &str| StepLine {
        service,
        verb: verb.into(),
        title: title.into(),
    };
    let mut events = vec![
        Event::Begun {
            transaction: TransactionId(12),
            app: app(),
            environment: dev(),
            kind: PlanKind::Deploy,
            steps: vec![
                step(web(), "prepare", "lays out the release and prepares its dependencies"),
                step(client(), "prepare", "runs `npm ci && npm run build`"),
                step(web(), "start", "starts 2 instances"),
                step(web(), "health", "waits until 127.0.0.1:41873 and 127.0.0.1:41875 are healthy"),
                step(web(), "switch", "sends all requests to 1.4.0-20261120131502-3f2a1c9 at once"),
                step(web(), "read back", "reads back what runs and who gets the traffic"),
            ],
            resumed: false,
        },
        Event::StepBegun { index: 0 },
        Event::Output { index: 0, stream: Stream::Out, line: "Collecting flask".into() },
        Event::StepDone { index: 0, ms: 1204, note: Some("dependencies reused".into()) },
        Event::StepBegun { index: 1 },
    ];
    events.extend((1..=8).map(|number| Event::Output {
        index: 1,
        stream: Stream::Out,
        line: format!("added \u{1b}[32m{number}\u{1b}[0m packages"),
    }));
    events.extend(last);
    let stamp = |(index, event)| Stamped {
        seq: index as u64 + 1,
        at: at("13:15:02.000").plus(std::time::Duration::from_millis(index as u64 * 200)),
        event,
    };
    events.into_iter().enumerate().map(stamp).collect()
}

/// A canary's step that is watched, once with too few requests and once nearly over.
pub fn canary() -> Vec<Event> {
    let answers = |version, requests, errors, p99_us| Answers { version, requests, errors, p99_us };
    let watched = |new, old, left_ms| Event::Watched {
        index: 4,
        watch: Box::new(Watch { percent: 5, new, old, wanted: 100, left_ms, patience_ms: 540_000 }),
    };
    let mut events = vec![Event::StepDone { index: 1, ms: 900, note: None }, Event::StepBegun { index: 4 }];
    events.push(watched(answers(new(), 3, 0, None), answers(old(), 61, 0, Some(16_900)), 60_000));
    // A look each 200 ms.
    for look in 1..60_u64 {
        let (fresh, known) =
            (answers(new(), 3 + look, 0, Some(17_000)), answers(old(), 61 + look * 20, 1, Some(16_900)));
        events.push(watched(fresh, known, 60_000 - look * 800));
    }
    events.push(watched(answers(new(), 63, 2, Some(18_412)), answers(old(), 1_204, 1, Some(16_950)), 11_400));
    events
}

pub fn good_end() -> Vec<Event> {
    let mut events = vec![Event::StepDone { index: 1, ms: 61_000, note: None }];
    for index in 2..6 {
        events.push(Event::StepBegun { index });
        let note = (index == 3).then(|| "answered 200 on 127.0.0.1:41873".to_owned());
        events.push(Event::StepDone { index, ms: 4 + index as u64 * 100, note });
    }
    events.push(Event::Ended {
        outcome: Outcome::Done,
        receipts: vec![receipt(), site_receipt()],
        fault: None,
    });
    events
}

pub fn bad_end() -> Vec<Event> {
    vec![
        Event::StepDone { index: 1, ms: 900, note: None },
        Event::StepBegun { index: 2 },
        Event::StepDone { index: 2, ms: 12, note: None },
        Event::StepBegun { index: 3 },
        Event::Output { index: 3, stream: Stream::Err, line: "OSError: no such port".into() },
        Event::StepFailed { index: 3, ms: 30_000, fault: fault() },
        Event::UndoBegun,
        Event::StepUndone { index: 2, ms: 104 },
        Event::StepUndone { index: 0, ms: 3 },
        Event::Ended { outcome: Outcome::RolledBack, receipts: vec![failed_receipt()], fault: Some(fault()) },
    ]
}

pub fn interrupted() -> StatusView {
    let mut status = status();
    status.observed.open = Some(open(false, false));
    status
}
