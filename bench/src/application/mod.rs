//! The application that is deployed in the bench: `landfall-bench application`, this very program.
//!
//! It answers `/` after a latency of its own, `/healthz`, `/socket` with a websocket that greets and echoes, and `/events`
//! with server-sent events. It ends at once at SIGTERM, whatever is under way: whoever stops it too early loses requests
//! and cuts streams. Requests on `/` are tallied in a file, so that what each release answered is known from its own side.

mod flaws;
mod http;
mod stream;
mod tally;

use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use landfall_fx::{Clock as _, SystemClock};

pub(crate) use flaws::Flaws;
pub(crate) use tally::tallied;

use http::{Head, Reader};
use tally::Tally;

/// The first argument that makes this program the application.
pub(crate) const ROLE: &str = "application";

/// The variable with the release's name, which the application answers with.
pub(crate) const RELEASE: &str = "RELEASE";
/// The variable with the folder of the tallies; without it nothing is tallied.
pub(crate) const TALLIES: &str = "TALLIES";
/// The variable with what is wrong with the release and how slow it is, see [`Flaws`].
pub(crate) const FLAWS: &str = "FLAWS";

/// What a connection's thread needs.
struct Application {
    release: String,
    flaws: Flaws,
    tally: Option<Tally>,
    clock: SystemClock,
}

/// Serves on `HOST` and `PORT` until it is killed.
pub(crate) fn run() -> ExitCode {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let release = variable(RELEASE);
    let tally = std::env::var_os(TALLIES).map(|folder| Tally::open(folder.as_ref(), &release));
    let (flaws, tally) = match (variable(FLAWS).parse(), tally.transpose()) {
        (Ok(flaws), Ok(tally)) => (flaws, tally),
        (Err(wrong), _) => {
            eprintln!("{FLAWS}: {wrong}");
            return ExitCode::from(2);
        }
        (_, Err(error)) => {
            eprintln!("{TALLIES}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let application = Arc::new(Application { release, flaws, tally, clock: SystemClock::new() });
    let listener = match TcpListener::bind(format!("{}:{}", variable("HOST"), variable("PORT"))) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("HOST and PORT: {error}");
            return ExitCode::FAILURE;
        }
    };
    for connection in listener.incoming() {
        let Ok(connection) = connection else {
            application.clock.sleep(Duration::from_millis(10));
            continue;
        };
        let application = Arc::clone(&application);
        // A client that goes away is none of our business.
        let serve = move || drop(application.serve(connection));
        if std::thread::Builder::new().stack_size(256 * 1024).spawn(serve).is_err() {
            eprintln!("no thread for a connection");
        }
    }
    ExitCode::SUCCESS
}

impl Application {
    fn serve(&self, mut connection: TcpStream) -> std::io::Result<()> {
        connection.set_nodelay(true)?;
        let mut reader = Reader::default();
        while let Some(head) = reader.head(&mut connection)? {
            match head.path() {
                "/healthz" => http::answer(&mut connection, 200, "healthy", &head)?,
                "/socket" => return stream::socket(&mut connection, &head, &self.release),
                "/events" => return stream::events(&mut connection, &self.release, &self.clock),
                _ => self.ordinary(&mut connection, &head)?,
            }
            if head.closes() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn ordinary(&self, connection: &mut TcpStream, head: &Head) -> std::io::Result<()> {
        let (latency, fails) = self.flaws.draw();
        if !latency.is_zero() {
            self.clock.sleep(latency);
        }
        if let Some(tally) = &self.tally {
            tally.add()?;
        }
        if fails {
            return http::answer(connection, 500, &format!("{} failed", self.release), head);
        }
        http::answer(connection, 200, &self.release, head)
    }
}
