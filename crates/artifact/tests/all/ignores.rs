//! Bundles by Docker's rules: what a builder would see, and the engine's own word on it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use landfall_artifact::{BundleError, Ignores, bundle_cached};
use landfall_model::Fault;

use crate::tree::{Node, file, files, link, tree};

fn docker(dockerfile: Option<&str>, rules: Option<&str>) -> Ignores {
    Ignores::Docker { dockerfile: dockerfile.map(str::to_owned), rules: rules.map(str::to_owned) }
}

fn bundled(folder: &Path, ignores: &Ignores) -> Vec<String> {
    let bundle = bundle_cached(folder, ignores, &["/conf/secrets".to_owned()], None).unwrap();
    bundle.index.entries.into_iter().map(|entry| entry.path).collect()
}

#[test]
fn gits_rules_are_not_dockers() {
    let folder = tree(&[
        (".gitignore", file("dist\n")),
        (".landfallignore", file("Dockerfile\n")),
        ("Dockerfile", file("FROM scratch\n")),
        ("dist/app.js", file("")),
        ("node_modules/a/b.js", file("")),
        ("a.pyc", file("")),
    ]);
    let seen = bundled(folder.path(), &docker(Some("Dockerfile"), None));
    assert_eq!(
        seen,
        [".gitignore", ".landfallignore", "Dockerfile", "a.pyc", "dist/app.js", "node_modules/a/b.js"]
    );
    assert_eq!(bundled(folder.path(), &Ignores::Landfall), [".gitignore", ".landfallignore"]);
}

#[test]
fn what_holds_secrets_or_history_never_travels() {
    let folder = tree(&[
        (".dockerignore", file("!.git\n!.env\n!landfall.toml\n!conf\n")),
        (".git/config", file("")),
        ("sub/.git/config", file("")),
        (".env", file("")),
        ("sub/.env.production", file("")),
        (".landfall/x", file("")),
        ("conf/secrets", file("")),
        ("landfall.toml", file("")),
        ("sub/landfall.toml", file("")),
    ]);
    let seen = bundled(folder.path(), &docker(Some("Dockerfile"), None));
    assert_eq!(seen, [".dockerignore", "conf", "sub/landfall.toml"]);
}

#[test]
fn the_builder_gets_its_own_files_whatever_the_rules_say() {
    let folder = files(&["Dockerfile", "deploy/web.Dockerfile", "deploy/other", "a"]);
    fs::write(folder.path().join(".dockerignore"), "*\n").unwrap();
    let seen = |dockerfile| bundled(folder.path(), &docker(dockerfile, None));
    assert_eq!(seen(None), [".dockerignore"]);
    assert_eq!(seen(Some("Dockerfile")), [".dockerignore", "Dockerfile"]);
    assert_eq!(seen(Some("deploy/web.Dockerfile")), [".dockerignore", "deploy/web.Dockerfile"]);
    // The rules beside the Dockerfile go before those of the source.
    fs::write(folder.path().join("deploy/web.Dockerfile.dockerignore"), "**/*ocker*\n").unwrap();
    let expected =
        [".dockerignore", "a", "deploy/other", "deploy/web.Dockerfile", "deploy/web.Dockerfile.dockerignore"];
    assert_eq!(seen(Some("deploy/web.Dockerfile")), expected);
    // Those that are given go before both.
    assert_eq!(bundled(folder.path(), &docker(None, Some("*\n!a\n"))), [".dockerignore", "a"]);
}

#[test]
fn folders_are_kept_that_are_let_in() {
    let folder = tree(&[
        (".dockerignore", file("logs/*\ntmp\ndeep/**\n!deep/a/keep\n")),
        ("logs/a.log", file("")),
        ("tmp/a", file("")),
        ("empty", Node::Folder),
        ("deep/a/keep", file("")),
        ("deep/b/c", file("")),
    ]);
    let seen = bundled(folder.path(), &docker(None, None));
    assert_eq!(seen, [".dockerignore", "deep/a/keep", "empty", "logs"]);
}

#[test]
fn rules_that_cannot_be_used_are_named() {
    let folder = files(&["a"]);
    fs::write(folder.path().join(".dockerignore"), "ok\n[\n").unwrap();
    let error = bundle_cached(folder.path(), &docker(None, None), &[], None).unwrap_err();
    assert!(matches!(error, BundleError::Docker(_)));
    let fault = Fault::from(error);
    assert!(fault.message.starts_with("line 2 of .dockerignore"), "{}", fault.message);
    fs::remove_file(folder.path().join(".dockerignore")).unwrap();
    fs::create_dir(folder.path().join(".dockerignore")).unwrap();
    let error = bundle_cached(folder.path(), &docker(None, None), &[], None).unwrap_err();
    assert!(matches!(error, BundleError::Io { .. }), "{error}");
}

#[test]
fn a_tag_tells_rules_apart() {
    let all = [
        Ignores::Landfall,
        docker(None, None),
        docker(Some("Dockerfile"), None),
        docker(None, Some("a")),
        docker(None, Some("b")),
    ];
    assert_eq!(all.iter().map(Ignores::tag).collect::<BTreeSet<_>>().len(), all.len());
}

/// Rules over one tree, judged by the engine.
const RULES: [&str; 24] = [
    "",
    "a",
    "*",
    "**",
    "*.md\n!README.md",
    "**/*.md\n!a/**/x.md",
    "*/x.md",
    "a/*",
    "a/**",
    "a/**/x.md",
    "*\n!a/b",
    "*\n!a/b/*.txt",
    "**\n!**/*.txt",
    "a\n!**/x.md",
    "*/b\n!a",
    "!a\na/b",
    "a/b\n!a/b/x.md\na/b/x*",
    "/a/b/\n./README.md",
    "[a-b]\n![b-c]",
    "?\n!c",
    "\\[odd\\]*\n#a\n # b",
    "Dockerfile\n.dockerignore",
    "**b",
    "README.md/\nempty\nd ir",
];

#[test]
fn the_engine_sees_the_same() {
    let Ok(engine) = std::env::var("LANDFALL_TEST_DOCKER") else {
        eprintln!(
            "SKIPPED: .dockerignore beside the engine's own reading of it (LANDFALL_TEST_DOCKER is not set)"
        );
        return;
    };
    for rules in RULES {
        let folder = tree(&[
            ("Dockerfile", file("FROM scratch\nCOPY . /\n")),
            (".dockerignore", file(rules)),
            ("README.md", file("")),
            ("a/x.md", file("")),
            ("a/b/x.md", file("")),
            ("a/b/x.txt", file("")),
            ("a/b/c/x.txt", file("")),
            ("b/a/x.txt", file("")),
            ("c", file("")),
            ("d ir/.hidden", file("")),
            ("[odd]name", file("")),
            ("#a", file("")),
            ("empty", Node::Folder),
            ("link", link("a/b")),
        ]);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let seen = bundled(folder.path(), &docker(Some("Dockerfile"), None));
        // The builder's own files are always sent, and only copied where the rules let them in.
        let ignore = landfall_image::Ignore::parse(rules).unwrap();
        let ours: BTreeSet<String> = seen.into_iter().filter(|path| !ignore.excludes(path)).collect();
        assert_eq!(ours, of_engine(&engine, folder.path()), "{rules:?}");
    }
}

/// What the engine copies of a folder: files and links, and folders with nothing in them.
fn of_engine(engine: &str, folder: &Path) -> BTreeSet<String> {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new("docker")
        .args(["build", "--quiet", "--output"])
        .arg(format!("type=local,dest={}", out.path().display()))
        .arg(folder)
        .env("DOCKER_HOST", engine)
        .env("DOCKER_BUILDKIT", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = BTreeSet::new();
    let mut ahead = vec![out.path().to_owned()];
    while let Some(here) = ahead.pop() {
        let entries: Vec<_> = here.read_dir().unwrap().map(Result::unwrap).collect();
        let inside = here.strip_prefix(out.path()).unwrap().to_str().unwrap().to_owned();
        if entries.is_empty() && !inside.is_empty() {
            found.insert(inside);
        }
        for entry in entries {
            if entry.file_type().unwrap().is_dir() {
                ahead.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(out.path()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}
