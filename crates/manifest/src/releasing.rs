//! How a new release takes over: a strategy's parts with their defaults, and what of them goes together.

use landfall_model::{Canary, Compare, Judge, Kind, Millis, Prometheus, Rolling, Runtime, Sticky, Strategy};

use crate::measure;
use crate::parts;
use crate::report::{Problem, Report};
use crate::service::Draft;
use crate::suggest;
use crate::tree::{Node, Table, Value};

/// The steps of a canary unless said: the first so small that hardly anybody sees a bad release.
const STEPS: [u32; 4] = [1, 5, 25, 50];
/// How long each is watched.
const HOLD: Millis = Millis::seconds(60);
/// Requests that make a step worth judging.
const REQUESTS: u32 = 100;
/// How long they are waited for.
const PATIENCE: Millis = Millis::seconds(600);
/// Put up with: 0.1 percentage points more errors, a 99th percentile a quarter longer; one false alarm in 10,000.
const COMPARE: Compare = Compare { false_alarm: 10_000, errors: 10, slower: 25 };
/// A `rolling`'s surge unless said.
const SURGE_PERCENT: u32 = 25;

/// What each kind can be told, beside `kind`.
const KEYS: [(&str, &[&str]); 4] = [
    ("restart", &[]),
    ("rolling", &["max_unavailable", "max_surge", "warm"]),
    ("blue-green", &["warm"]),
    (
        "canary",
        &[
            "steps",
            "hold",
            "requests",
            "patience",
            "sticky",
            "errors",
            "slower",
            "false_alarm",
            "prometheus",
            "warm",
        ],
    ),
];

/// How a new release takes over, as a `Spec` carries it.
pub(crate) struct Releasing {
    pub(crate) strategy: Strategy,
    pub(crate) rolling: Option<Rolling>,
    pub(crate) canary: Option<Canary>,
    pub(crate) warm: Millis,
}

/// The strategy's word, if the manifest says one.
pub(crate) fn word(table: &Table) -> Option<&str> {
    let node = table.get("strategy")?;
    node.text().or_else(|| node.table()?.text("kind"))
}

/// Reads what is right; `restart` where there are volumes or compose replaces what runs, and `blue-green` elsewhere, unless
/// said.
pub(crate) fn read(table: &Table, kind: Kind, replicas: u32, runtime: Runtime) -> Releasing {
    let strategy = match word(table) {
        _ if kind == Kind::Site => Strategy::BlueGreen,
        _ if runtime == Runtime::Compose => Strategy::Restart,
        Some("restart") => Strategy::Restart,
        Some("rolling") => Strategy::Rolling,
        Some("canary") => Strategy::Canary,
        Some(_) => Strategy::BlueGreen,
        None if parts::volumes(table).is_empty() => Strategy::BlueGreen,
        None => Strategy::Restart,
    };
    let empty = Table::default();
    let inner = table.table("strategy").filter(|_| kind != Kind::Site).unwrap_or(&empty);
    Releasing {
        strategy,
        rolling: (strategy == Strategy::Rolling).then(|| rolling(inner, replicas)),
        canary: (strategy == Strategy::Canary).then(|| canary(inner)),
        warm: parts::length(inner, "warm").unwrap_or(Millis(0)),
    }
}

/// Parts of `replicas` become numbers: what may be missing is rounded down, what may be beyond them up.
fn rolling(table: &Table, replicas: u32) -> Rolling {
    let part = |key: &str, up: bool| {
        let node = table.get(key)?;
        let count = match &node.value {
            Value::Integer(_) => parts::number(table, key)?,
            Value::Text(text) => {
                let whole = measure::percent(text)?.saturating_mul(replicas);
                if up { whole.div_ceil(10_000) } else { whole / 10_000 }
            }
            _ => return None,
        };
        Some(count.min(replicas))
    };
    let max_unavailable = part("max_unavailable", false).unwrap_or(0);
    let surge = (replicas * SURGE_PERCENT).div_ceil(100).max(1);
    Rolling { max_unavailable, max_surge: part("max_surge", true).unwrap_or(surge) }
}

fn canary(table: &Table) -> Canary {
    let steps = table.get("steps").and_then(Node::list).map(|items| items.iter().filter_map(share).collect());
    let of = |key, default| parts::length(table, key).unwrap_or(default);
    let hold = of("hold", HOLD);
    let sticky = table.table("sticky").and_then(|sticky| {
        let cookie = sticky.text("cookie").map(|name| Sticky::Cookie { name: name.to_owned() });
        cookie.or_else(|| Some(Sticky::Header { name: sticky.text("header")?.to_lowercase() }))
    });
    Canary {
        steps: steps.unwrap_or_else(|| STEPS.to_vec()),
        hold,
        requests: parts::number(table, "requests").unwrap_or(REQUESTS),
        patience: of("patience", PATIENCE.max(hold)),
        sticky,
        judge: judge(table),
    }
}

fn judge(table: &Table) -> Judge {
    if let Some(asked) = table.table("prometheus") {
        let text = |key| asked.text(key).unwrap_or_default().to_owned();
        return Judge::Prometheus(Prometheus { url: text("url"), query: text("query") });
    }
    let percent = |key| table.text(key).and_then(measure::percent);
    Judge::Compare(Compare {
        false_alarm: parts::number(table, "false_alarm").unwrap_or(COMPARE.false_alarm),
        errors: percent("errors").unwrap_or(COMPARE.errors),
        slower: percent("slower").map_or(COMPARE.slower, |hundredths| hundredths / 100),
    })
}

fn share(node: &Node) -> Option<u32> {
    node.integer().and_then(|share| u32::try_from(share).ok())
}

/// Adds every problem that a strategy's single values do not have.
pub(crate) fn check(draft: &Draft, report: &mut Report) {
    if draft.kind == Some(Kind::Site) {
        return;
    }
    let word = word(&draft.table);
    if let (Some("canary"), Some(Kind::Worker)) = (word, draft.kind) {
        report.add(
            Problem::error(format!("`{}` is a worker: there are no requests to share out", draft.name))
                .at(draft.place("strategy"), "`canary` gives a new release a share of the requests")
                .help("use `rolling`, `blue-green` or `restart`"),
        );
    }
    let (Some(table), Some(word)) = (draft.table.table("strategy"), word) else { return };
    strangers(table, word, report);
    match word {
        "rolling" => batches(draft, table, report),
        "canary" => steps(table, report),
        _ => {}
    }
}

/// Refuses what another kind can be told.
fn strangers(table: &Table, word: &str, report: &mut Report) {
    let Some((_, own)) = KEYS.iter().find(|(kind, _)| *kind == word) else { return };
    for entry in table.entries.iter().filter(|entry| entry.key != "kind" && !own.contains(&&*entry.key)) {
        let homes = KEYS.iter().filter(|(_, keys)| keys.contains(&&*entry.key)).map(|(kind, _)| *kind);
        let homes: Vec<&str> = homes.collect();
        if homes.is_empty() {
            continue;
        }
        let problem = Problem::error(format!("`{}` means nothing to `{word}`", entry.key)).at(entry.at, "");
        let home = suggest::list(homes.iter().copied());
        report.add(problem.help(if word == "restart" && entry.key == "warm" {
            "with `restart` the old instances end before the new ones start; keep them with `blue-green`"
                .to_owned()
        } else {
            format!("remove it; it goes with {home}")
        }));
    }
}

fn batches(draft: &Draft, table: &Table, report: &mut Report) {
    let replicas = parts::number(&draft.table, "replicas").unwrap_or(1);
    let rolling = rolling(table, replicas);
    let Some(at) = table.entry("max_unavailable").or_else(|| table.entry("max_surge")) else { return };
    if rolling.max_unavailable == 0 && rolling.max_surge == 0 {
        report.add(
            Problem::error("no instance could ever be replaced")
                .at(at.at, format!("of {replicas} none may be missing and none be there beyond them"))
                .help("give one of `max_unavailable` and `max_surge` at least 1"),
        );
    } else if rolling.max_unavailable >= replicas && draft.is_routable() {
        report.add(
            Problem::warning("all instances may be missing at once, and requests fail meanwhile")
                .at(at.at, "")
                .help("allow fewer, or use `strategy = \"restart\"`, which holds the requests"),
        );
    }
}

fn steps(table: &Table, report: &mut Report) {
    if let Some(items) = table.get("steps").and_then(Node::list) {
        for pair in items.windows(2) {
            let [before, node] = pair else { continue };
            if let (Some(one), Some(next)) = (share(before), share(node))
                && next <= one
            {
                report.add(
                    Problem::error(format!("the steps must grow, and {next} follows {one}"))
                        .at(node.span, "")
                        .help("each step is the new release's share of the requests in percent; all follow the last"),
                );
            }
        }
    }
    let length = |key| parts::length(table, key);
    if let (Some(patience), Some(at)) = (length("patience"), table.get("patience")) {
        let hold = length("hold").unwrap_or(HOLD);
        if patience < hold {
            report.add(
                Problem::error(format!(
                    "a step is watched for {hold} and would be given up after {patience}"
                ))
                .at(at.span, "")
                .help("make `patience` at least as long as `hold`"),
            );
        }
    }
    one_of_two(table, report);
}

/// Whether a header is the same for everybody, another for each request, or written by proxies on the way.
fn tells_no_client(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    header.starts_with("x-forwarded-")
        || ["host", "forwarded", "connection", "x-request-id", "content-length"].contains(&&*header)
}

fn one_of_two(table: &Table, report: &mut Report) {
    if let Some(entry) = table.entry("sticky")
        && let Some(sticky) = entry.node.table()
        && sticky.entry("cookie").is_some() == sticky.entry("header").is_some()
    {
        report.add(Problem::error("`sticky` names a cookie or a header").at(entry.node.span, "").help(
            "write `sticky = { cookie = \"landfall_release\" }` or `sticky = { header = \"x-user-id\" }`",
        ));
    }
    if let Some(name) = table.table("sticky").and_then(|sticky| sticky.entry("header"))
        && name.node.text().is_some_and(tells_no_client)
    {
        report.add(
            Problem::error("`sticky`: this header does not tell one client from another")
                .at(name.node.span, "")
                .help("name one that stays with a client, as `x-user-id`, or use a cookie"),
        );
    }
    let Some(prometheus) = table.entry("prometheus") else { return };
    for key in ["errors", "slower", "false_alarm"] {
        if let Some(entry) = table.entry(key) {
            report.add(
                Problem::error(format!("`{key}` is a bound of the proxy's own counts"))
                    .at(entry.at, "")
                    .at(prometheus.at, "and here a query judges")
                    .help("keep one of the two"),
            );
        }
    }
}
