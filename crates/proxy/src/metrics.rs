//! What is counted, as Prometheus reads it (text format 0.0.4).

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::control::Control;
use crate::plane::{Live, LivePool};
use crate::state::stats::{PoolStats, Totals};
use crate::status::resident;

/// Upper bounds of the latency buckets, in microseconds and as they are shown in seconds: those that Prometheus' own
/// libraries begin with.
const BOUNDS: [(u64, &str); 11] = [
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// A connection that asks for metrics may take this long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A metric's name and meaning, and its value of something.
type Shown<T> = (&'static str, &'static str, fn(&T) -> u64);

/// One pool's counts under its labels.
struct Line {
    labels: String,
    inflight: u64,
    streams: u64,
    totals: Totals,
}

/// All of it.
pub(crate) fn render(control: &Control) -> String {
    let mut page = Page::default();
    let plane = &control.plane;
    let lines: Vec<Line> = plane.each(pools).into_iter().flatten().collect();
    requests(&mut page, &lines);
    routes(&mut page, control);
    certificates(&mut page, control);
    page.begin("connections_open", "gauge", "Connections of clients.");
    page.line("connections_open", "", plane.open_connections());
    let log = &control.log;
    page.begin("log_lines_total", "counter", "Lines of the access log that were written.");
    page.line("log_lines_total", "", log.written.load(Ordering::Relaxed));
    page.begin("log_lines_dropped_total", "counter", "Lines of the access log that could not be written.");
    page.line("log_lines_dropped_total", "", log.dropped.load(Ordering::Relaxed));
    page.begin("resident_memory_bytes", "gauge", "Memory that is resident.");
    page.line("resident_memory_bytes", "", resident().unwrap_or_default());
    page.begin("build_info", "gauge", "The build that runs; always 1.");
    let build = format!("{{version=\"{}\",build=\"{}\"}}", env!("CARGO_PKG_VERSION"), crate::build());
    page.line("build_info", &build, 1);
    page.0
}

fn requests(page: &mut Page, lines: &[Line]) {
    page.begin("requests_total", "counter", "Requests by the class of the answer's status.");
    for line in lines {
        for (class, count) in line.totals.classes.iter().enumerate() {
            page.line("requests_total", &format!("{{{},code=\"{}xx\"}}", line.labels, class + 1), *count);
        }
    }
    let counters: [Shown<Totals>; 5] = [
        (
            "requests_failed_total",
            "Requests that no backend could answer, and answers that broke off.",
            |t| t.failed,
        ),
        ("requests_held_total", "Requests that waited while a route held.", |t| t.held),
        (
            "requests_errors_total",
            "Requests that count against a release: failed ones and answers of 500 or more.",
            |t| t.errors,
        ),
        ("received_bytes_total", "Bytes of the bodies of requests.", |t| t.received),
        ("sent_bytes_total", "Bytes of the bodies of answers.", |t| t.sent),
    ];
    for (name, help, count) in counters {
        page.begin(name, "counter", help);
        for line in lines {
            page.line(name, &format!("{{{}}}", line.labels), count(&line.totals));
        }
    }
    let gauges: [Shown<Line>; 2] = [
        ("requests_in_flight", "Requests under way, streams included.", |line| line.inflight),
        ("streams_open", "Upgraded connections and answers of server-sent events.", |line| line.streams),
    ];
    for (name, help, value) in gauges {
        page.begin(name, "gauge", help);
        for line in lines {
            page.line(name, &format!("{{{}}}", line.labels), value(line));
        }
    }
    let name = "request_duration_seconds";
    page.begin(name, "histogram", "From a request's head to its answer's, time held included.");
    for Line { labels, totals, .. } in lines {
        for (bound, shown) in BOUNDS {
            let at_most = totals.latency.at_most(bound);
            page.line(&format!("{name}_bucket"), &format!("{{{labels},le=\"{shown}\"}}"), at_most);
        }
        let total = totals.latency.total();
        page.line(&format!("{name}_bucket"), &format!("{{{labels},le=\"+Inf\"}}"), total);
        let seconds = Duration::from_micros(totals.micros).as_secs_f64();
        page.line(&format!("{name}_sum"), &format!("{{{labels}}}"), seconds);
        page.line(&format!("{name}_count"), &format!("{{{labels}}}"), total);
    }
}

fn routes(page: &mut Page, control: &Control) {
    let gauges: [Shown<Live>; 4] = [
        ("route_waiting", "Requests that are being held now.", |live| live.route.held_now()),
        ("route_holding", "Whether the route holds while its pools are replaced.", |live| {
            live.route.holding().into()
        }),
        ("route_paused", "Whether a person paused the route.", |live| live.route.paused().into()),
        ("route_maintenance", "Whether the route is under maintenance.", |live| {
            live.route.in_maintenance().into()
        }),
    ];
    for (name, help, value) in gauges {
        page.begin(name, "gauge", help);
        for (id, value) in control.plane.each(|live| (live.config.id.clone(), value(live))) {
            page.line(name, &format!("{{route=\"{}\"}}", escaped(&id)), value);
        }
    }
    page.begin("backend_healthy", "gauge", "Whether a backend gets requests.");
    for (labels, healthy) in control.plane.each(backends).into_iter().flatten() {
        page.line("backend_healthy", &labels, u8::from(healthy));
    }
}

fn certificates(page: &mut Page, control: &Control) {
    let all = control.shared.certificates.status();
    let name = "certificate_expiry_timestamp_seconds";
    page.begin(name, "gauge", "When a host's certificate expires, in seconds since 1970.");
    for (status, expiry) in all.iter().filter_map(|status| Some((status, status.not_after?))) {
        page.line(name, &format!("{{host=\"{}\"}}", escaped(&status.host)), expiry.millis() / 1000);
    }
    page.begin("certificate_problem", "gauge", "Whether the last attempt at a host's certificate failed.");
    for status in &all {
        let host = escaped(&status.host);
        page.line("certificate_problem", &format!("{{host=\"{host}\"}}"), u8::from(status.problem.is_some()));
    }
}

fn pools(live: &Live) -> Vec<Line> {
    let line = |stats: &Arc<PoolStats>| Line {
        labels: format!("route=\"{}\",pool=\"{}\"", escaped(&live.config.id), escaped(&stats.label)),
        inflight: stats.inflight(),
        streams: stats.streams(),
        totals: stats.totals(),
    };
    live.route.pools().iter().map(line).collect()
}

fn backends(live: &Live) -> Vec<(String, bool)> {
    let route = escaped(&live.config.id);
    let of = |pool: &LivePool| {
        let pool_label = escaped(&pool.stats.label);
        let labels = |address: SocketAddr| {
            format!("{{route=\"{route}\",pool=\"{pool_label}\",backend=\"{address}\"}}")
        };
        let backends = pool.backends.instances().iter();
        backends.map(|backend| (labels(backend.address), backend.healthy())).collect::<Vec<_>>()
    };
    live.pools.iter().flat_map(of).collect()
}

/// A label's value, with the three characters escaped that the format wants escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The text so far.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Begins a metric; all of its lines follow.
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory does not fail.
        let _ = writeln!(self.0, "# HELP landfall_proxy_{name} {help}\n# TYPE landfall_proxy_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "landfall_proxy_{name}{labels} {value}");
    }
}

/// The answer to `GET /metrics`.
pub(crate) fn response(control: &Control) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(render(control).into()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The address that a Prometheus server asks, beside the control socket.
#[derive(Default)]
pub(crate) struct Metrics {
    serving: RefCell<Option<AbortHandle>>,
    /// Whether it was said that the address cannot be had.
    told: Cell<bool>,
}

impl Metrics {
    /// Opens the address if one is wanted and it is not open, closes it once another proxy serves.
    pub(crate) async fn attend(&self, control: &Rc<Control>) {
        let Some(address) = control.options.metrics else { return };
        if control.gone_since().is_some() {
            if let Some(serving) = self.serving.take() {
                serving.abort();
            }
            return;
        }
        if self.serving.borrow().is_some() {
            return;
        }
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let serving = tokio::task::spawn_local(serve(listener, Rc::clone(control)));
                *self.serving.borrow_mut() = Some(serving.abort_handle());
            }
            // A proxy whose place this one took has it for a moment more.
            Err(error) if !control.plane.has_before() && !self.told.replace(true) => {
                control.plane.note(format!("no metrics are given on {address}: {error}; it is tried again"));
            }
            Err(_) => {}
        }
    }
}

/// Answers `GET /metrics` on a TCP socket, and nothing else, until the task is dropped.
async fn serve(listener: TcpListener, control: Rc<Control>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let control = Rc::clone(&control);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let known = request.method() == Method::GET && request.uri().path() == "/metrics";
                let mut answer = if known { response(&control) } else { Response::default() };
                if !known {
                    *answer.status_mut() = StatusCode::NOT_FOUND;
                }
                std::future::ready(Ok::<_, std::convert::Infallible>(answer))
            });
            // A caller that goes away needs no answer.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}
