//! The ways to an engine, and what a person is told when one does not lead there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_docker::{Engine, ExecSpec};
use landfall_model::Blame;
use landfall_testkit::ssh::Server;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::bench::Bench;

/// Set where a test runs itself again in another environment: the address to connect to there.
const INNER: &str = "LANDFALL_TEST_INNER";

/// The socket of the test engine, when it is one of this machine.
fn socket() -> Option<PathBuf> {
    let host = std::env::var("LANDFALL_TEST_DOCKER").ok()?;
    host.strip_prefix("unix://").map(PathBuf::from)
}

/// Connects to what `INNER` names and says the fault, in a process that runs in another environment.
#[tokio::test]
async fn inner() {
    let Ok(host) = std::env::var(INNER) else { return };
    match Engine::connect(Some(&host), None).await {
        Ok(engine) => println!("CONNECTED to {} over {}", engine.about().version, engine.about().address),
        Err(fault) => println!("FAULT {} HELP {}", fault.message, fault.help.unwrap_or_default()),
    }
}

/// Runs this program's test `inner`, prepared by `change`, and gives what it prints.
fn run_inner(program: &Path, host: &str, change: impl FnOnce(Command) -> Command) -> String {
    let mut command = Command::new(program);
    command.args(["--exact", "doors::inner", "--nocapture"]);
    let output = change(command).env(INNER, host).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn no_engine_says_how_to_get_one() {
    let folder = TempDir::new().unwrap();
    let nothing = folder.path().join("docker.sock");
    let fault = Engine::connect(Some(&format!("unix://{}", nothing.display())), None).await.unwrap_err();
    assert!(fault.message.contains("no Docker engine"), "{fault}");
    assert!(fault.help.unwrap().contains("apt-get install docker.io"));
    // A socket that nobody listens on any more.
    drop(UnixListener::bind(&nothing).unwrap());
    let fault = Engine::connect(Some(&format!("unix://{}", nothing.display())), None).await.unwrap_err();
    assert!(fault.message.contains("no Docker engine") && fault.blame == Blame::Machine, "{fault}");
}

#[tokio::test]
async fn a_socket_without_permission_names_the_group() {
    let Some(socket) = socket() else {
        eprintln!("SKIPPED: no Docker engine for tests (LANDFALL_TEST_DOCKER is not set)");
        return;
    };
    // Root is let through everywhere: another user runs a copy that it may read.
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    // A folder that anybody may enter, in case the engine's own is private.
    let door = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&door).unwrap();
    fs::set_permissions(&door, fs::metadata(&socket).unwrap().permissions()).unwrap();
    let said = run_inner(&program, &format!("unix://{}", door.display()), |command| {
        let mut other = Command::new("setpriv");
        other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(command.get_program());
        other.args(command.get_args());
        other
    });
    drop(listener);
    assert!(said.contains("FAULT") && said.contains("permission denied"), "{said}");
    assert!(said.contains("usermod -aG docker"), "{said}");
}

/// Answers every connection with this, once something was asked.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn an_engine_that_is_too_old_or_none_is_told() {
    // No such engine runs here: the head of its answer is all that is looked at.
    let old = answering("HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK").await;
    let fault = Engine::connect(Some(&old), None).await.unwrap_err();
    assert!(fault.message.contains("too old") && fault.message.contains("1.40"), "{fault}");
    assert!(fault.help.unwrap().contains("20.10"));
    let other = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let fault = Engine::connect(Some(&other), None).await.unwrap_err();
    assert!(fault.message.contains("no Docker engine"), "{fault}");
    let noise = answering("SSH-2.0-OpenSSH_9.2\r\n").await;
    assert!(Engine::connect(Some(&noise), None).await.is_err());
}

#[tokio::test]
async fn an_engine_is_reached_over_tcp() {
    let (Some(bench), Some(socket)) = (Bench::set_up().await, socket()) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    uses(&bench, &Engine::connect(Some(&address), None).await.unwrap()).await;
    bench.tear_down().await;
}

/// Builds, which needs a session, and talks to a container, which needs half-closed connections, through `engine`.
async fn uses(bench: &Bench, engine: &Engine) {
    let text = format!("FROM {}\nCOPY . /app\n", crate::bench::BASE);
    let build = bench.build(&text, &[("file", &bench.name)]);
    let image = engine.build(build, &mut |_, _| ()).await.unwrap();
    let mut spec = bench.shell("a", "sleep 1000");
    spec.image = image.to_string();
    let id = engine.create(&spec).await.unwrap();
    engine.start(&id).await.unwrap();
    let command = ["cat", "/app/file", "-"].map(str::to_owned).to_vec();
    let (mut input, mut output) =
        engine.exec(&id, &ExecSpec { command, stdin: true, ..ExecSpec::default() }).await.unwrap();
    input.send(b"+typed").await.unwrap();
    input.close().await.unwrap();
    let mut said = Vec::new();
    while let Some((_, bytes)) = output.next().await.unwrap() {
        said.extend_from_slice(&bytes);
    }
    assert_eq!(String::from_utf8(said).unwrap(), format!("{}+typed", bench.name));
    assert_eq!(output.exit_code().await.unwrap(), 0);
    engine.remove(&id).await.unwrap();
}

/// The same as `uses`, in a process whose `ssh` knows the server.
#[tokio::test]
async fn inner_through_ssh() {
    let Ok(host) = std::env::var(INNER) else { return };
    if !host.starts_with("ssh://") {
        return;
    }
    let Some(bench) = Bench::set_up().await else { return };
    uses(&bench, &Engine::connect(Some(&host), None).await.unwrap()).await;
    bench.tear_down().await;
    println!("USED");
}

#[test]
fn an_engine_is_reached_through_ssh() {
    if socket().is_none() {
        eprintln!("SKIPPED: no Docker engine for tests (LANDFALL_TEST_DOCKER is not set)");
        return;
    }
    let engine = std::env::var("LANDFALL_TEST_DOCKER").unwrap();
    let Some(server) = Server::start(&engine, "") else { return };
    let path = server.path(&std::env::var("PATH").unwrap());
    let program = std::env::current_exe().unwrap();
    let output = Command::new(&program)
        .args(["--exact", "doors::inner_through_ssh", "--nocapture"])
        .env("PATH", &path)
        .env(INNER, server.host())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("USED"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

    // A host that is not known is never trusted in passing.
    server.be_known(false);
    let with_path = |mut command: Command| {
        command.env("PATH", &path);
        command
    };
    let said = run_inner(&program, &server.host(), with_path);
    assert!(
        said.contains("Host key verification failed") && said.contains("accept the host's key"),
        "{said}"
    );
    server.be_known(true);
    server.refuse_all();
    let said = run_inner(&program, &server.host(), with_path);
    assert!(said.contains("Permission denied") && said.contains("with a key alone"), "{said}");
}
