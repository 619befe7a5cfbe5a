//! The peers with a container engine: `docker compose up -d` and a `docker rm -f && docker run` script, under the same load
//! and with the same streams. Needs an engine that `docker info` reaches.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use landfall_fx::{Clock as _, SystemClock};
use landfall_testkit::ask::ask;
use landfall_testkit::load::{Load, LoadPlan};
use landfall_testkit::sandbox::free_address;
use landfall_testkit::streams::{StreamPlan, Streams};

use super::{BETWEEN, RATE, STREAMS};
use crate::application::{RELEASE, ROLE};
use crate::report::Section;
use crate::stats::{Times, ms, spread};

/// Deploys of each peer.
const DEPLOYS: u32 = 10;
/// For a container to answer.
const LIMIT: Duration = Duration::from_secs(60);
/// Where the application listens inside.
const INSIDE: u16 = 8080;
const HOST: &str = "bench.localhost";

/// A way of deploying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `docker compose up -d` with a changed file.
    Compose,
    /// `docker rm -f` and `docker run`.
    Script,
}

/// Measures both ways; says loudly what is missing.
pub(super) fn measure(section: &mut Section) {
    if !docker(["info"]) {
        return section.skipped(
            "`docker compose up` and a `docker rm -f && docker run` script: no engine answers `docker info`",
        );
    }
    let image = Image::make();
    way(Way::Script, &image, section);
    if docker(["compose", "version"]) {
        way(Way::Compose, &image, section);
    } else {
        section.skipped("`docker compose up`: docker has no compose plugin");
    }
}

fn way(way: Way, image: &Image, section: &mut Section) {
    let name = match way {
        Way::Compose => "`docker compose up -d`",
        Way::Script => "a `docker rm -f && docker run` script",
    };
    let container =
        Container { way, image, address: free_address(), folder: tempfile::tempdir().expect("a folder") };
    container.deploy("r0");
    container.wait();
    let streams = Streams::start(StreamPlan::new(&container.address, HOST, STREAMS, STREAMS));
    let load = Load::start(LoadPlan::new(&container.address, HOST, RATE));
    let mut times = Times::default();
    for number in 1..=DEPLOYS {
        SystemClock::new().sleep(BETWEEN);
        let begun = Instant::now();
        container.deploy(&format!("r{number}"));
        times.add(begun.elapsed());
        container.wait();
    }
    SystemClock::new().sleep(BETWEEN);
    let (load, streams) = (load.stop(), streams.stop());
    section.compared(
        &format!("{DEPLOYS} deploys with {name} under {RATE} requests a second"),
        &format!("{} failed of {}, {} streams cut", load.failed, load.failed + load.served, streams.cut),
        &format!(
            "the same application in a container that ends at once; the command itself {}; longest time without an \
             answer {}; {} attempts to open a stream failed",
            spread(&times),
            ms(load.longest_gap),
            streams.refused
        ),
    );
}

/// A deployment, taken away when dropped.
struct Container<'a> {
    way: Way,
    image: &'a Image,
    address: String,
    folder: tempfile::TempDir,
}

impl Container<'_> {
    fn deploy(&self, release: &str) {
        let name = &self.image.0;
        let publish = format!("{}:{INSIDE}", self.address);
        let well = match self.way {
            Way::Script => {
                docker(["rm", "-f", name]);
                let variable = format!("{RELEASE}={release}");
                docker(["run", "-d", "--name", name, "-p", &publish, "-e", &variable, name])
            }
            Way::Compose => {
                let text = format!(
                    "services:\n  web:\n    image: {name}\n    stop_signal: SIGKILL\n    ports: [\"{publish}\"]\n    \
                     environment:\n      {RELEASE}: {release}\n"
                );
                std::fs::write(self.file(), text).expect("a file");
                docker([
                    "compose".as_ref(),
                    "-p".as_ref(),
                    name.as_ref(),
                    "-f".as_ref(),
                    self.file().as_os_str(),
                    "up".as_ref(),
                    OsStr::new("-d"),
                ])
            }
        };
        assert!(well, "{:?} deploys", self.way);
    }

    fn wait(&self) {
        let begun = Instant::now();
        while !ask(&self.address, HOST, "/healthz").is_ok_and(|answer| answer.status == 200) {
            assert!(begun.elapsed() < LIMIT, "the container does not answer");
            SystemClock::new().sleep(Duration::from_millis(5));
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("compose.yaml")
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let name = &self.image.0;
        match self.way {
            Way::Script => docker(["rm", "-f", name]),
            Way::Compose => docker([
                "compose".as_ref(),
                "-p".as_ref(),
                name.as_ref(),
                "-f".as_ref(),
                self.file().as_os_str(),
                OsStr::new("down"),
            ]),
        };
    }
}

/// An image with this program and the libraries that it needs; removed when dropped.
struct Image(String);

impl Image {
    /// # Panics
    /// When it cannot be made.
    fn make() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let program = std::env::current_exe().expect("this program has a path");
        std::fs::copy(&program, root.path().join("app")).expect("a copy of the program");
        for library in libraries(&program) {
            let inside = root.path().join(library.strip_prefix("/").expect("absolute"));
            std::fs::create_dir_all(inside.parent().expect("below the root")).expect("a folder");
            std::fs::copy(&library, inside).expect("a copy of a library");
        }
        let archive = root.path().with_extension("tar");
        let packed = quiet(Command::new("tar").arg("-C").arg(root.path()).arg("-cf").arg(&archive).arg("."));
        let image = Self(format!("landfall-bench-{}", std::process::id()));
        let start = format!("CMD [\"/app\", \"{ROLE}\"]");
        let changes = ["ENV HOST=0.0.0.0", &format!("ENV PORT={INSIDE}"), &start];
        let mut import = Command::new("docker");
        import.arg("import");
        for change in changes {
            import.args(["--change", change]);
        }
        let made = packed && quiet(import.arg(&archive).arg(&image.0));
        // It is in the engine now, or of no use.
        let _ = std::fs::remove_file(&archive);
        assert!(made, "an image can be imported");
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(["rmi", "-f", &self.0]);
    }
}

/// The libraries that a program is linked with, its loader too, as `ldd` lists them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().expect("ldd can be started");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn docker<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> bool {
    quiet(Command::new("docker").args(arguments))
}

fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
