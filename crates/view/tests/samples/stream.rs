//! Samples of what comes line by line: output, requests, findings, events.

use landfall_model::api::{AccessLine, LogLine};
use landfall_model::*;

use super::{app, at, client, dev, failed_receipt, fault, new, old, receipt, site_receipt, web, worker};

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
