//! What goes in and out of containers: logs, commands, files; and waiting for them.

use std::io::Read as _;
use std::time::Duration;

use landfall_docker::{ExecSpec, LogOptions, Logs, Output};
use landfall_model::Stream;
use tokio::time::timeout;

use crate::bench::Bench;

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(60);

async fn texts(mut logs: Logs) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(line) = timeout(LONG, logs.next()).await.unwrap().unwrap() {
        texts.push(format!("{:?} {}", line.stream, line.text));
    }
    texts
}

async fn drain(output: &mut Output) -> (String, String) {
    let mut seen = (Vec::new(), Vec::new());
    while let Some((stream, bytes)) = timeout(LONG, output.next()).await.unwrap().unwrap() {
        if stream == Stream::Out { &mut seen.0 } else { &mut seen.1 }.extend_from_slice(&bytes);
    }
    (String::from_utf8(seen.0).unwrap(), String::from_utf8(seen.1).unwrap())
}

fn words(line: &str) -> Vec<String> {
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn logs_are_read_by_line_tail_and_time_and_followed_to_the_end() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let line =
        "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf 'x%.0s' $(seq 40000); echo; echo; printf half";
    let id = engine.create(&bench.shell("a", line)).await.unwrap();
    engine.start(&id).await.unwrap();
    let all =
        texts(engine.logs(&id, &LogOptions { follow: true, ..LogOptions::default() }).await.unwrap()).await;
    assert_eq!(all[..2], ["Out one", "Err two"]);
    let long: usize = all.iter().map(|line| line.matches('x').count()).sum();
    assert_eq!(long, 40_000);
    assert_eq!(engine.wait(&id).await.unwrap(), 0);
    // An engine may end a followed log before a last line that has no end: it is only sure to be there afterwards.
    let all = texts(engine.logs(&id, &LogOptions::default()).await.unwrap()).await;
    assert_eq!(all[all.len() - 2..], ["Out ", "Out half"]);

    let last = engine.logs(&id, &LogOptions { tail: Some(1), ..LogOptions::default() }).await.unwrap();
    assert_eq!(texts(last).await, ["Out half"]);
    let mut first = engine.logs(&id, &LogOptions::default()).await.unwrap();
    let one = first.next().await.unwrap().unwrap();
    let since = Some(one.at.plus(Duration::from_millis(10)));
    let later = texts(engine.logs(&id, &LogOptions { since, ..LogOptions::default() }).await.unwrap()).await;
    assert_eq!(later[0], "Err two");
    assert!(engine.logs("lf-nobody", &LogOptions::default()).await.is_err());
    bench.tear_down().await;
}

#[tokio::test]
async fn a_command_is_given_input_and_gives_output_and_its_code() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let id = engine.create(&bench.shell("a", "sleep 1000")).await.unwrap();
    let early = engine.exec(&id, &ExecSpec { command: words("true"), ..ExecSpec::default() }).await;
    assert!(early.err().unwrap().message.contains("not running"));
    engine.start(&id).await.unwrap();

    let mut spec =
        ExecSpec { command: words("cat; echo $KEY >&2; id -u; exit 5"), stdin: true, ..ExecSpec::default() };
    spec.environment.insert("KEY".to_owned(), "value".to_owned());
    spec.user = Some("1234".to_owned());
    let (mut input, mut output) = engine.exec(&id, &spec).await.unwrap();
    input.send(b"typed\n").await.unwrap();
    input.close().await.unwrap();
    assert_eq!(drain(&mut output).await, ("typed\n1234\n".to_owned(), "value\n".to_owned()));
    assert_eq!(output.exit_code().await.unwrap(), 5);

    let missing = ExecSpec { command: vec!["/nope".to_owned()], ..ExecSpec::default() };
    let (_input, mut output) = engine.exec(&id, &missing).await.unwrap();
    drain(&mut output).await;
    assert!([126, 127].contains(&output.exit_code().await.unwrap()));

    let waiting = ExecSpec { command: words("kill -9 $$"), ..ExecSpec::default() };
    let (_input, mut output) = engine.exec(&id, &waiting).await.unwrap();
    drain(&mut output).await;
    assert_eq!(output.exit_code().await.unwrap(), 137);
    bench.tear_down().await;
}

#[tokio::test]
async fn a_terminal_has_a_size_that_changes() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let id = engine.create(&bench.shell("a", "sleep 1000")).await.unwrap();
    engine.start(&id).await.unwrap();
    let spec = ExecSpec {
        command: words("test -t 0 && echo terminal; read x; stty size"),
        terminal: Some((24, 80)),
        stdin: true,
        ..ExecSpec::default()
    };
    let (mut input, mut output) = engine.exec(&id, &spec).await.unwrap();
    let (_, first) = timeout(LONG, output.next()).await.unwrap().unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("terminal"));
    input.resize(31, 99).await.unwrap();
    input.send(b"\n").await.unwrap();
    let (rest, _) = drain(&mut output).await;
    assert!(rest.contains("31 99"), "{rest}");
    assert_eq!(output.exit_code().await.unwrap(), 0);

    let spec = ExecSpec { command: words("echo begun; sleep 1000"), ..ExecSpec::default() };
    let (_, mut output) = engine.exec(&id, &spec).await.unwrap();
    timeout(LONG, output.next()).await.unwrap().unwrap().unwrap();
    // As root on the engine's own machine; nobody else may.
    if rustix::process::getuid().is_root() && engine.about().is_local() {
        assert!(output.kill().await.unwrap());
        assert_eq!(output.exit_code().await.unwrap(), 137);
        assert!(!output.kill().await.unwrap());
    }
    bench.tear_down().await;
}

#[tokio::test]
async fn a_one_off_run_is_attached_to_before_it_starts() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let mut spec = bench.shell("a", "cat; echo done >&2; exit 3");
    spec.stdin = true;
    let id = engine.create(&spec).await.unwrap();
    let (mut input, mut output) = engine.attach(&id).await.unwrap();
    engine.start(&id).await.unwrap();
    input.send(b"typed").await.unwrap();
    input.close().await.unwrap();
    assert_eq!(drain(&mut output).await, ("typed".to_owned(), "done\n".to_owned()));
    assert_eq!(output.exit_code().await.unwrap(), 3);
    bench.tear_down().await;
}

#[tokio::test]
async fn files_are_copied_out_of_a_container_that_never_ran() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let text = "FROM scratch\nCOPY . /\n";
    let build = bench.build(text, &[("site/index.html", "<p>hello"), ("site/a/b.txt", "b")]);
    let image = engine.build(build, &mut |_, _| ()).await.unwrap();
    let mut spec = bench.shell("a", "");
    (spec.image, spec.command) = (image.to_string(), Some(vec!["/none".to_owned()]));
    let id = engine.create(&spec).await.unwrap();
    let reader = engine.copy_out(&id, "/site/.").await.unwrap().blocking();
    let files = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Archive::new(reader);
        let mut files = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.push((entry.path().unwrap().to_string_lossy().into_owned(), text));
        }
        files
    });
    let files = files.await.unwrap();
    assert!(files.contains(&("./index.html".to_owned(), "<p>hello".to_owned())), "{files:?}");
    assert!(files.contains(&("./a/b.txt".to_owned(), "b".to_owned())), "{files:?}");
    let fault = engine.copy_out(&id, "/nope").await.err().unwrap();
    assert!(fault.message.contains("/nope"), "{fault}");
    // Its command is not there: that is the application's.
    let fault = engine.start(&id).await.unwrap_err();
    assert!(fault.help.as_deref().unwrap_or_default().contains("CMD"), "{fault:?}");
    bench.tear_down().await;
}

#[tokio::test]
async fn what_a_container_uses_and_what_happens_to_it_is_told() {
    let Some(bench) = Bench::set_up().await else { return };
    let engine = &bench.engine;
    let mut events = engine.events(&bench.filter(), None).await.unwrap();
    let mut spec = bench.shell("a", "head -c 30m /dev/zero | tail");
    spec.command = Some(words("x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 1000; echo $x"));
    let id = engine.create(&spec).await.unwrap();
    engine.start(&id).await.unwrap();
    let used = async {
        loop {
            let usage = engine.usage(&id).await.unwrap();
            if usage.memory > 20_000_000 {
                return usage;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let usage = timeout(LONG, used).await.expect("the memory it holds is seen");
    assert!(usage.pids >= 1 && usage.cpu_nanos > 0, "{usage:?}");
    engine.kill(&id, "SIGKILL").await.unwrap();
    assert_eq!(engine.wait(&id).await.unwrap(), 137);
    let mut seen = Vec::new();
    while !seen.contains(&"die".to_owned()) {
        let event = timeout(LONG, events.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((event.kind.as_str(), event.id.as_str()), ("container", id.as_str()));
        if event.action == "die" {
            assert_eq!(event.attributes["exitCode"], "137");
        }
        seen.push(event.action);
    }
    assert_eq!(seen[..2], ["create", "start"]);
    bench.tear_down().await;
}
