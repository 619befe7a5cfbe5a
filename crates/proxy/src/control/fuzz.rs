//! Anything at all said to the control API, for fuzzing: bytes become calls, and whatever they say, nothing panics, what is
//! refused changes nothing, and what is kept is valid and reads back as it was.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use http::Method;
use landfall_fx::RealFiles;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Control, bind, dispatch};
use crate::Options;
use crate::access::LogCounts;
use crate::applications::Applications;
use crate::data::worker::Handle;
use crate::plane::{Plane, Shared};
use crate::run::certificates;
use crate::store::{self, Kept};

/// Calls of one input.
const CALLS: usize = 24;

/// Makes the calls that `data` says against a proxy whose files are in `folder`, which is new; gives how many were done.
///
/// # Panics
/// When one of the promises is broken; that is what it is for.
pub(crate) fn run(data: &[u8], folder: &Path) -> usize {
    let options = options(folder);
    runtime().block_on(async {
        let (kept, done) = calls(&mut Input(data), &options, folder).await;
        let stored = stored(&options);
        let again = plane(&options).0;
        again.restore(stored);
        let same = |one: &Kept, other: &Kept| {
            one.config == other.config
                && (one.marks.paused, one.marks.maintenance) == (other.marks.paused, other.marks.maintenance)
        };
        let restored = again.kept();
        assert!(kept.len() == restored.len() && kept.iter().zip(&restored).all(|(a, b)| same(a, b)));
        done
    })
}

fn runtime() -> tokio::runtime::LocalRuntime {
    let options = tokio::runtime::LocalOptions::default();
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(options).expect("a runtime")
}

fn options(folder: &Path) -> Options {
    Options::new(folder.join("proxy.sock"), folder.join("proxy.json"))
}

/// What is written down, by id.
fn stored(options: &Options) -> Vec<Kept> {
    let (mut stored, note) = store::load(&RealFiles, &options.config).expect("the file can be read");
    assert_eq!(note, None);
    stored.sort_by(|one, other| one.config.id.cmp(&other.config.id));
    stored
}

fn plane(options: &Options) -> (Plane, Arc<Shared>) {
    let handle =
        || Handle { table: Arc::default(), commands: mpsc::unbounded_channel().0, open: Arc::default() };
    let applications = Arc::new(Applications::default());
    let certificates = certificates(options, &applications).expect("nothing is wrong with the folder");
    let shared = Shared { token: "token".to_owned(), certificates: Arc::clone(&certificates) };
    let handles = vec![handle(), handle()];
    (Plane::new(handles, options.config.clone(), certificates, applications), Arc::new(shared))
}

fn control(options: &Options, folder: &Path) -> Control {
    let lock = std::fs::File::create(folder.join("proxy.lock")).expect("a lock");
    let listener = bind(&options.control).expect("a control socket");
    let (plane, shared) = plane(options);
    let counts = Arc::new(LogCounts::default());
    Control::new(options, Rc::new(plane), shared, counts, (lock, listener))
}

async fn calls(input: &mut Input<'_>, options: &Options, folder: &Path) -> (Vec<Kept>, usize) {
    let control = control(options, folder);
    let mut done = 0;
    for _ in 0..CALLS {
        if input.0.is_empty() {
            break;
        }
        let (method, path, body) = call(input, folder);
        let before = (control.plane.kept(), std::fs::read(&options.config).ok());
        let answer = dispatch(&control, &method, path, &body).await;
        let after = (control.plane.kept(), std::fs::read(&options.config).ok());
        match answer {
            Ok(json) => {
                serde_json::from_slice::<Value>(&json).expect("an answer is JSON");
                done += usize::from(before != after);
            }
            Err(refused) => assert_eq!(before, after, "{method} {path} was refused: {refused:?}"),
        }
        for kept in &after.0 {
            let mut normal = kept.config.clone();
            normal.normalize();
            assert_eq!((kept.config.check(), &normal), (Ok(()), &kept.config));
        }
        assert_eq!(stored(options), after.0, "after {method} {path}");
    }
    (control.plane.kept(), done)
}

/// The bytes that are left; zeros once there are none.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn pick<'b, T: ?Sized>(&mut self, of: &[&'b T]) -> &'b T {
        of[usize::from(self.byte()) % of.len()]
    }

    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::from(u32::MAX),
            small => u64::from(small) * u64::from(small),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.0.len());
        self.0.split_off(..length).unwrap_or_default().to_vec()
    }

    /// Mostly a good one.
    fn name(&mut self) -> String {
        if self.byte() < 8 { self.text() } else { self.pick(&["a", "b", "c", "A.Example."]).to_owned() }
    }

    fn text(&mut self) -> String {
        match self.byte() % 8 {
            0 => String::from_utf8_lossy(&self.bytes()).into_owned(),
            1 => "x".repeat(self.pick(&[&1, &1024, &1025, &70_000]).to_owned()),
            _ => self
                .pick(&["", "a", "b", "c", "*", "A.Example.", "*.example", "/", "/api/", "a b", "é"])
                .to_owned(),
        }
    }
}

fn call(input: &mut Input<'_>, folder: &Path) -> (Method, &'static str, Vec<u8>) {
    const CALLS: [&str; 15] = [
        "/v1/remove",
        "/v1/hold",
        "/v1/streams",
        "/v1/release",
        "/v1/pause",
        "/v1/unpause",
        "/v1/maintenance",
        "/v1/drained",
        "/v1/busy",
        "/v1/meter/start",
        "/v1/meter",
        "/v1/samples",
        "/v1/shutdown",
        "/v1/none",
        "",
    ];
    let (method, path, body) = match input.byte() % 8 {
        0..=3 => (Method::PUT, "/v1/routes", route(input, folder)),
        4..=6 => {
            let path = input.pick(&CALLS);
            let body = json!({
                "id": input.name(), "label": input.name(), "wait_ms": input.number() % 3, "on": input.byte().is_multiple_of(2),
                "address": "127.0.0.1:1",
            });
            (Method::POST, path, body)
        }
        _ => (Method::GET, input.pick(&["/v1/status", "/v1/report", "/v1/routes"]), Value::Null),
    };
    let mut body = body.to_string().into_bytes();
    match input.byte() {
        // Something else altogether, or the same with a byte that is not what it was.
        0..=15 => body = input.bytes(),
        16..=31 => {
            let at = usize::from(input.byte()) % body.len();
            body[at] = input.byte();
        }
        _ => {}
    }
    (method, path, body)
}

/// An address of loopback that no other process uses.
fn own(port: u16) -> String {
    let process = u8::try_from(std::process::id() % 200).unwrap_or(0) + 10;
    SocketAddr::from(([127, 78, process, 1], port)).to_string()
}

/// A route, mostly one that makes sense. What it listens on are addresses of loopback, of nobody, and none at all.
fn route(input: &mut Input<'_>, folder: &Path) -> Value {
    let (one, two) = (own(18_181), own(18_182));
    let good = folder.join("proxy.json").display().to_string();
    let count = if input.byte() < 16 { input.byte() % 10 } else { 1 + input.byte() % 3 };
    let pools: Vec<Value> = (0..count)
        .map(|number| {
            let backend = match input.byte() % 8 {
                0 => json!({ "files": { "root": input.pick(&["/", "/none", "none"]) } }),
                1 => json!({ "instances": { "addresses": [input.pick(&["x", ""])] } }),
                _ => json!({ "instances": { "addresses": [input.pick(&[&*one, &two, "127.0.0.1:1"])] } }),
            };
            let label = if input.byte() < 16 { input.text() } else { number.to_string() };
            json!({ "pool": { "label": label, "backend": backend }, "weight": input.number() % (1 << 33) })
        })
        .collect();
    let sticky = match input.byte() % 3 {
        0 => json!({ "cookie": { "name": input.name() } }),
        1 => json!({ "header": { "name": input.name() } }),
        _ => Value::Null,
    };
    let page = |input: &mut Input<'_>| input.pick(&[&*good, "/", "/none", "none"]).to_owned();
    let errors = match input.byte() % 8 {
        0 => json!({ input.number().to_string(): page(input) }),
        1 => json!({ "503": page(input) }),
        _ => json!({}),
    };
    json!({
        "id": input.name(),
        "listen": if input.byte() < 16 { input.pick(&["127.0.0.1:0", "203.0.113.1:80", "x"]) } else { input.pick(&[&*one, &two]) },
        "host": input.name(),
        "prefix": if input.byte() < 16 { input.text() } else { input.pick(&["/", "/api/", "docs"]).to_owned() },
        "strip": input.byte().is_multiple_of(2),
        "hold": { "requests": input.number() % 1000, "bytes": input.number(), "time_ms": input.number() },
        "health": Value::Null,
        "pools": pools,
        "sticky": sticky,
        "http": {
            "protocol": input.pick(&["http1", "h2c", "http1", "h2c", "http1", "h3"]),
            "answer_ms": input.number(),
            "errors": errors,
            "trusted": [input.pick(&["10.0.0.0/8", "::/0", "10.0.0.1", "::1", "10.0.0.0/33"])],
            "proxy_protocol": input.byte() < 32,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs of the property; `fuzz/` runs as many as one likes.
    const INPUTS: u64 = 250;

    /// Found by the fuzzer: a time like this one, from now on, is in no calendar.
    #[test]
    fn a_hold_without_an_end_is_written_down_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        runtime().block_on(async {
            let control = control(&options, folder.path());
            let route = json!({
                "id": "a", "listen": own(18_183), "host": "*", "prefix": "/", "strip": false, "health": null,
                "hold": { "requests": 1, "bytes": 1, "time_ms": u64::MAX },
                "pools": [{
                    "pool": { "label": "1", "backend": { "instances": { "addresses": ["127.0.0.1:1"] } } },
                    "weight": 1,
                }],
            });
            let put = dispatch(&control, &Method::PUT, "/v1/routes", route.to_string().as_bytes()).await;
            assert!(put.is_ok(), "{put:?}");
            let hold = json!({ "id": "a", "wait_ms": 0 }).to_string();
            dispatch(&control, &Method::POST, "/v1/hold", hold.as_bytes()).await.unwrap();
            let kept = control.plane.kept();
            assert!(kept[0].marks.held_until.is_some());
            assert_eq!(stored(&options), kept);
        });
    }

    #[test]
    fn whatever_is_said_nothing_is_half_done() {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut done = 0;
        for seed in 1..=INPUTS {
            // Marsaglia's xorshift64*: the same inputs each time.
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let input: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
            })
            .take(1200)
            .collect();
            let own = folder.path().join(seed.to_string());
            std::fs::create_dir(&own).unwrap();
            done += run(&input, &own);
        }
        assert!(done > 500, "most calls are refused: {done} changed something");
    }
}
