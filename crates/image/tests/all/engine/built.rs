//! An engine through Docker's own command line: builds from our context, starts, asks, takes everything away again.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use landfall_image::{Entry, What, context};
use landfall_model::Timestamp;

use crate::samples::Sample;

/// How long a container may take until it answers: the machine is shared.
const BOOT: Duration = Duration::from_secs(60);

/// The Dockerfile's name in the context.
const DOCKERFILE: &str = ".landfall.Dockerfile";

/// Tells images of one run of the tests apart.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A real engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    host: String,
    /// Files that are no text, all of them programs.
    programs: BTreeMap<String, Vec<u8>>,
    secret: Option<(String, String)>,
}

impl Engine {
    pub(crate) fn at(host: String) -> Self {
        Self { host, programs: BTreeMap::new(), secret: None }
    }

    /// The same with a program in every source.
    pub(crate) fn with(mut self, path: &str, content: Vec<u8>) -> Self {
        self.programs.insert(path.to_owned(), content);
        self
    }

    /// The same with a secret for every build.
    pub(crate) fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.secret = Some((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, if it has an image.
    pub(crate) fn having(self, image: &str) -> Option<Self> {
        let there = self.docker().args(["image", "inspect", image]).output().unwrap();
        there.status.success().then_some(self)
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", &self.host).stdin(Stdio::null());
        command
    }

    /// Builds what is written for a sample, with more files beside its own.
    #[track_caller]
    pub(crate) fn build(&self, sample: &Sample, more: &[(&str, &str)]) -> Built {
        let text = sample.written().unwrap().text;
        let mut files = BTreeMap::from([(DOCKERFILE.to_owned(), text.clone().into_bytes())]);
        for (path, text) in sample.files.iter().chain(more) {
            files.insert((*path).to_owned(), text.as_bytes().to_vec());
        }
        files.extend(self.programs.clone());
        let entries = files.iter().map(|(path, bytes)| {
            let executable = self.programs.contains_key(path);
            Ok(Entry {
                path: path.clone(),
                modified: Timestamp::from_millis(1_700_000_000_000),
                what: What::File { size: bytes.len() as u64, executable, content: &bytes[..] },
            })
        });
        let mut archive = Vec::new();
        context(entries).read_to_end(&mut archive).unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tag = format!("landfall-image-test:{}-{number}", std::process::id());
        let mut command = self.docker();
        command.env("DOCKER_BUILDKIT", if sample.buildkit { "1" } else { "0" });
        command.args(["build", "--file", DOCKERFILE, "--tag", &tag]);
        let trusted = "/etc/ssl/certs/ca-certificates.crt";
        let values =
            [("NAME", "example.org"), ("NODE_EXTRA_CA_CERTS", trusted), ("REQUESTS_CA_BUNDLE", trusted)];
        for (name, value) in
            values.iter().filter(|(name, _)| sample.args.contains(name) || sample.env.contains(name))
        {
            command.args(["--build-arg", &format!("{name}={value}")]);
        }
        if let Some((name, value)) = &self.secret {
            command.args(["--secret", &format!("id={name},env=SECRET_OF_TEST")]).env("SECRET_OF_TEST", value);
        }
        let child =
            command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut input = child.stdin.take().unwrap();
        std::thread::spawn(move || input.write_all(&archive));
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}:\n{text}\n{}", sample.name, String::from_utf8_lossy(&said));
        Built { engine: self.clone(), tag }
    }
}

/// An image; removed in the end.
#[derive(Debug)]
pub(crate) struct Built {
    engine: Engine,
    tag: String,
}

impl Built {
    /// Starts a container as an agent would, with an init that hands signals on.
    pub(crate) fn start(&self) -> Running<'_> {
        let id = said(self.engine.docker().args(["run", "--detach", "--init", &self.tag]));
        Running { image: self, id }
    }

    /// The digests of its layers.
    pub(crate) fn layers(&self) -> Vec<String> {
        let format = "{{range .RootFS.Layers}}{{println .}}{{end}}";
        let layers = said(self.engine.docker().args(["image", "inspect", "--format", format, &self.tag]));
        layers.lines().map(str::to_owned).collect()
    }

    /// What it says of how it was made.
    pub(crate) fn history(&self) -> String {
        said(self.engine.docker().args(["history", "--no-trunc", &self.tag]))
    }

    /// All its files, but for the engine's own.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let id = said(self.engine.docker().args(["create", &self.tag, "none"]));
        let output = self.engine.docker().args(["cp", &format!("{id}:/"), "-"]).output().unwrap();
        said(self.engine.docker().args(["rm", &id]));
        let mut archive = tar::Archive::new(&output.stdout[..]);
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string().trim_start_matches('/').to_owned();
            let own =
                ["dev/", "etc/", "proc/", "sys/", ".dockerenv"].iter().any(|start| path.starts_with(start));
            if entry.header().entry_type().is_file() && !own {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                found.insert(path, text);
            }
        }
        found
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let _ = self.engine.docker().args(["image", "rm", "--force", &self.tag]).output();
    }
}

/// A container; removed in the end.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    image: &'a Built,
    id: String,
}

impl Running<'_> {
    /// The body that it answers with, once it does.
    #[track_caller]
    pub(crate) fn ask(&self) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = said(self.docker().args(["inspect", "--format", format, &self.id]));
        let began = Instant::now();
        loop {
            match get(&format!("{address}:8080")) {
                Ok(answer) if !answer.is_empty() => return answer,
                _ if began.elapsed() > BOOT => panic!("no answer from {address}: {}", self.log()),
                _ => std::thread::park_timeout(Duration::from_millis(100)),
            }
        }
    }

    /// What a shell line in it prints.
    #[track_caller]
    pub(crate) fn exec(&self, line: &str) -> String {
        said(self.docker().args(["exec", &self.id, "sh", "-c", line]))
    }

    /// Its output.
    pub(crate) fn log(&self) -> String {
        let output = self.docker().args(["logs", &self.id]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Stops it and gives its exit code: 137 where it had to be killed after 20 s.
    pub(crate) fn stop(&self) -> i32 {
        said(self.docker().args(["stop", "--time", "20", &self.id]));
        said(self.docker().args(["inspect", "--format", "{{.State.ExitCode}}", &self.id])).parse().unwrap()
    }

    fn docker(&self) -> Command {
        self.image.engine.docker()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.docker().args(["rm", "--force", &self.id]).output();
    }
}

fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: test\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// What a command prints, without the end of its last line.
#[track_caller]
fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(
        status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8_lossy(&stdout).trim_end().to_owned()
}
