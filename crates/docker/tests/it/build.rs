//! Building, with both builders.

use std::time::Duration;

use landfall_docker::{Builder, ImageId};
use landfall_model::{Blame, Stream};
use secrecy::SecretString;
use tokio::time::timeout;

use crate::bench::{BASE, Bench};

/// More than any of these builds takes.
const LONG: Duration = Duration::from_secs(120);

/// A Dockerfile whose steps are in no cache of an earlier run.
fn dockerfile(bench: &Bench, rest: &str) -> String {
    format!("FROM {BASE}\nENV FRESH={}\n{rest}\n", bench.name)
}

async fn both_builders(check: impl AsyncFn(&Bench, Builder)) {
    let Some(bench) = Bench::set_up().await else { return };
    for builder in [Builder::Best, Builder::Classic] {
        check(&bench, builder).await;
    }
    bench.tear_down().await;
}

#[tokio::test]
async fn an_image_is_built_tagged_and_labelled() {
    both_builders(async |bench, builder| {
        let text = dockerfile(bench, "ARG WHO\nCOPY . /app/\nRUN cat /app/a/b.txt && echo hello $WHO >&2\nEXPOSE 8000\nUSER 1000\nCMD [\"x\"]");
        let mut build = bench.build(&text, &[("a/b.txt", "from the context\n"), ("c.txt", "c")]);
        build.builder = builder;
        build.args.insert("WHO".to_owned(), format!("{builder:?}"));
        let tag = build.tags[0].clone();
        let mut lines = Vec::new();
        let id = bench.engine.build(build, &mut |stream, line| lines.push((stream, line.to_owned()))).await.unwrap();
        let said = |stream, needle: &str| lines.iter().any(|(from, line)| *from == stream && line.contains(needle));
        assert!(said(Stream::Out, "from the context"), "{lines:#?}");
        assert!(said(Stream::Err, &format!("hello {builder:?}")), "{lines:#?}");
        let image = bench.engine.image(&tag).await.unwrap().unwrap();
        assert_eq!((&image.id, image.exposed.as_slice(), image.user.as_str()), (&id, &[8000][..], "1000"));
        assert!(bench.labels().iter().all(|(key, value)| image.labels.get(key) == Some(value)));
        // The Dockerfile was given apart: it is in no layer, whichever builder.
        let listed = run(bench, &id, "find /app | sort").await;
        assert_eq!(listed, "/app\n/app/a\n/app/a/b.txt\n/app/c.txt\n");
    })
    .await;
}

#[tokio::test]
async fn only_what_changed_is_built_again() {
    both_builders(async |bench, builder| {
        let text =
            dockerfile(bench, "COPY first /first\nRUN echo slow-step\nCOPY second /second\nRUN cat /second");
        let mut seen = Vec::new();
        for second in ["1111", "2222"] {
            let mut build = bench.build(&text, &[("first", "same"), ("second", second)]);
            build.builder = builder;
            let mut lines = String::new();
            let built = bench.engine.build(build, &mut |_, line| lines.push_str(&format!("{line}\n"))).await;
            built.unwrap();
            seen.push(lines);
        }
        // The same size, the same length: only the content tells the files apart.
        assert!(seen[0].contains("1111") && seen[1].contains("2222"), "{seen:#?}");
        assert!(seen[1].contains("CACHED") || seen[1].contains("Using cache"), "{seen:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_failing_step_is_told_and_nothing_is_left() {
    both_builders(async |bench, builder| {
        let text = dockerfile(bench, "RUN true\nRUN echo the reason; exit 3\nRUN echo never");
        let mut build = bench.build(&text, &[]);
        build.builder = builder;
        let tag = build.tags[0].clone();
        let fault = bench.engine.build(build, &mut |_, _| ()).await.unwrap_err();
        assert_eq!(fault.blame, Blame::Application);
        // The classic builder counts ENV and the labels as steps too.
        assert!(
            fault.message.contains("step 3/4") || fault.message.contains("step 4/6"),
            "{}",
            fault.message
        );
        for needle in ["RUN echo the reason; exit 3", "exit code 3", "the reason"] {
            assert!(fault.message.contains(needle), "{needle}: {}", fault.message);
        }
        assert!(!fault.message.contains("intermediate"), "{}", fault.message);
        assert_eq!(bench.engine.image(&tag).await.unwrap(), None);
        assert!(bench.engine.images(&bench.filter()).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_path_that_is_not_there_is_told_as_that_and_as_nobodys_image() {
    both_builders(async |bench, builder| {
        for (rest, help) in [
            ("COPY requirments.txt .".to_owned(), "the sources have no such path"),
            (format!("FROM {BASE}\nCOPY --from=0 /app/dist /srv"), "the step there"),
            ("RUN no-such-program-anywhere".to_owned(), "correct the Dockerfile"),
        ] {
            let mut build = bench.build(&dockerfile(bench, &rest), &[("requirements.txt", "flask")]);
            build.builder = builder;
            let fault = bench.engine.build(build, &mut |_, _| ()).await.unwrap_err();
            let told = fault.help.as_deref().unwrap_or_default();
            assert!(told.contains(help), "{builder:?} {rest}: {fault:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_build_ends_at_once() {
    both_builders(async |bench, builder| {
        // Long enough that waiting for it would be noticed.
        let mark = format!("300.{}", std::process::id());
        let text = dockerfile(bench, &format!("RUN echo begun {builder:?} && sleep {mark}"));
        let mut build = bench.build(&text, &[]);
        build.builder = builder;
        let (begun, mut waiting) = tokio::sync::mpsc::unbounded_channel();
        let mut lines = move |_: Stream, line: &str| {
            if line.contains("begun") && !line.contains("RUN") {
                let _ = begun.send(());
            }
        };
        let building = async {
            tokio::select! {
                ended = bench.engine.build(build, &mut lines) => panic!("it ended: {ended:?}"),
                _ = waiting.recv() => {}
            }
        };
        timeout(LONG, building).await.expect("the step begins");
        let gone = async {
            while sleeping(&mark) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.expect("the step's process is ended");
        assert!(bench.engine.images(&bench.filter()).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_seen_by_its_step_alone() {
    let Some(bench) = Bench::set_up().await else { return };
    let text =
        dockerfile(&bench, "RUN --mount=type=secret,id=TOKEN test \"$(cat /run/secrets/TOKEN)\" = hush-hush");
    let mut build = bench.build(&text, &[]);
    build.secrets.insert("TOKEN".to_owned(), SecretString::from("hush-hush"));
    let mut lines = String::new();
    let id = bench.engine.build(build, &mut |_, line| lines.push_str(line)).await.unwrap();
    let files = run(&bench, &id, "ls -R /run/secrets; grep -rl hush-hush /run /etc /tmp /var || true").await;
    assert!(!files.contains("TOKEN") && !files.contains("hush"), "{files}");

    let mut classic = bench.build(&dockerfile(&bench, "RUN true"), &[]);
    classic.builder = Builder::Classic;
    classic.secrets.insert("TOKEN".to_owned(), SecretString::from("hush-hush"));
    let fault = bench.engine.build(classic, &mut |_, _| ()).await.unwrap_err();
    assert!(fault.message.contains("BuildKit") && fault.help.is_some(), "{fault}");
    bench.tear_down().await;
}

#[tokio::test]
async fn a_stage_is_chosen_and_a_wrong_one_is_told() {
    both_builders(async |bench, builder| {
        let text = format!("FROM {BASE} AS one\nLABEL which=one\nFROM {BASE} AS two\nLABEL which=two");
        let mut build = bench.build(&text, &[]);
        (build.builder, build.target) = (builder, Some("one".to_owned()));
        let id = bench.engine.build(build, &mut |_, _| ()).await.unwrap();
        let image = bench.engine.image(id.as_str()).await.unwrap().unwrap();
        assert_eq!(image.labels.get("which").map(String::as_str), Some("one"));
        let mut build = bench.build(&text, &[]);
        (build.builder, build.target) = (builder, Some("three".to_owned()));
        let fault = bench.engine.build(build, &mut |_, _| ()).await.unwrap_err();
        assert!(fault.message.contains("three"), "{fault}");
    })
    .await;
}

#[tokio::test]
async fn a_base_image_that_is_not_to_be_had_is_told() {
    both_builders(async |bench, builder| {
        // Nothing listens there.
        let mut build = bench.build("FROM 127.0.0.1:9/nobody/nothing:1\nRUN true", &[]);
        build.builder = builder;
        let fault = bench.engine.build(build, &mut |_, _| ()).await.unwrap_err();
        assert!(fault.message.contains("127.0.0.1:9"), "{fault}");
        assert!(fault.help.as_deref().unwrap_or_default().contains("cannot be reached"), "{fault:?}");
    })
    .await;
}

/// Whether a process `sleep MARK` runs: the engine's containers are processes of this machine.
fn sleeping(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let wanted = format!("sleep\0{mark}\0");
    let mut commands = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.any(|command| command == wanted.as_bytes())
}

/// What a shell line prints in a container of the image.
async fn run(bench: &Bench, image: &ImageId, line: &str) -> String {
    let mut build = bench.build(&format!("FROM {image}\nUSER 0\nRUN ({line}) > /said 2>&1"), &[]);
    build.builder = Builder::Classic;
    build.tags.clear();
    build.dockerfile.push_str("\nRUN sed 's/^/said: /' /said");
    let mut said = String::new();
    let mut lines = |_: Stream, text: &str| {
        if let Some(text) = text.strip_prefix("said: ") {
            said.push_str(&format!("{text}\n"));
        }
    };
    bench.engine.build(build, &mut lines).await.unwrap();
    said
}
