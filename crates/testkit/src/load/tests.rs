//! The load against a small server that can stall, refuse and break.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use landfall_fx::{Clock as _, SystemClock};

use super::*;

/// A server that holds each request for `stall` milliseconds when it is above zero, and counts its connections.
struct Server {
    address: String,
    stall: Arc<AtomicU64>,
    status: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

fn server() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counters = [0, 200, 0].map(|value| Arc::new(AtomicU64::new(value)));
    let [stall, status, connections] = counters.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::Relaxed);
                let (stall, status) = (Arc::clone(&stall), Arc::clone(&status));
                let service = service_fn(move |_request| {
                    let (stall, status) = (Arc::clone(&stall), Arc::clone(&status));
                    async move {
                        while stall.load(Ordering::Relaxed) > 0 {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                        }
                        let status = u16::try_from(status.load(Ordering::Relaxed)).unwrap();
                        let answer = http::Response::builder().status(status);
                        Ok::<_, Infallible>(
                            answer.body(Full::new(Bytes::from_static(b"hello\nyou"))).unwrap(),
                        )
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
    });
    let [stall, status, connections] = counters;
    Server { address, stall, status, connections }
}

fn pass(millis: u64) {
    SystemClock::new().sleep(Duration::from_millis(millis));
}

#[test]
fn a_healthy_server_loses_nothing_and_sees_both_kinds_of_connection() {
    let server = server();
    let load = Load::start(LoadPlan::new(&server.address, "x.localhost", 200));
    pass(500);
    let report = load.stop().lost_nothing();
    // As many as were due while it lasted, however long that was.
    let due = report.lasted.as_secs_f64() * 200.0;
    let served = report.served as f64;
    assert!(due * 0.6 <= served && served <= due + 5.0, "{report}");
    assert_eq!(report.answers.get("hello"), Some(&report.served), "{report}");
    let connections = server.connections.load(Ordering::Relaxed);
    assert!(connections > report.served / 2 && connections < report.served, "{connections}: {report}");
}

#[test]
fn a_stall_is_seen_by_every_request_that_was_due_in_it() {
    let server = server();
    let load = Load::start(LoadPlan::new(&server.address, "x.localhost", 200));
    pass(200);
    server.stall.store(1, Ordering::Relaxed);
    pass(400);
    server.stall.store(0, Ordering::Relaxed);
    pass(200);
    let report = load.stop().lost_nothing();
    assert!(report.longest_gap >= Duration::from_millis(350), "{report}");
    assert!(report.longest_wait() >= Duration::from_millis(350), "{report}");
    // About half of the requests were due while it stalled: they count, they are not left out.
    let waited = |share: &u32| report.quantile(f64::from(*share) / 100.0) >= Duration::from_millis(50);
    let share = (1..=100).filter(waited).count() as f64 / 100.0;
    assert!(share * report.served as f64 >= 60.0, "{report}");
    assert!(report.served >= 120, "{report}");
}

#[test]
fn errors_and_refusals_are_counted_with_their_reasons() {
    let server = server();
    server.status.store(502, Ordering::Relaxed);
    let load = Load::start(LoadPlan::new(&server.address, "x.localhost", 100));
    pass(200);
    let report = load.stop();
    assert!(report.served == 0 && report.failed > 5, "{report}");
    assert_eq!(report.failures[0].reason, "status 502: hello");

    let nobody = crate::sandbox::free_address();
    let load = Load::start(LoadPlan::new(&nobody, "x.localhost", 100));
    pass(100);
    let report = load.stop();
    assert!(report.failed > 3 && report.failures[0].reason.starts_with("connect:"), "{report}");
}

#[test]
fn an_answer_that_never_comes_fails_at_its_limit_and_a_load_ends_at_its_own() {
    let server = server();
    server.stall.store(1, Ordering::Relaxed);
    let mut plan = LoadPlan::new(&server.address, "x.localhost", 50);
    plan.timeout = Duration::from_millis(100);
    plan.limit = Duration::from_millis(300);
    let load = Load::start(plan);
    pass(600);
    let report = load.stop();
    assert!(report.failed > 0 && report.failed <= 17, "{report}");
    assert!(report.failures[0].reason.starts_with("no answer within"), "{report}");
}
