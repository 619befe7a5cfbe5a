//! Bundles: the same tree gives the same digest, what must not travel does not, what cannot is named.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use landfall_artifact::{Bundle, BundleError, Ignores, MAX_FILE, bundle, bundle_cached};
use landfall_fx::{Clock as _, SystemClock};
use landfall_model::{Fault, FaultKind};
use proptest::prelude::*;

use crate::tree::{Node, file, files, link, make, tree};

fn paths(bundle: &Bundle) -> Vec<&str> {
    bundle.index.entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn of(folder: &Path) -> Bundle {
    bundle(folder, &[]).unwrap()
}

fn any_node() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => (proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()).prop_map(|(c, x)| Node::File(c, x)),
        1 => Just(Node::Link("a".to_owned())),
        1 => Just(Node::Folder),
    ]
}

/// Trees in which no path lies below another that is no folder.
fn any_tree() -> impl Strategy<Value = BTreeMap<String, Node>> {
    proptest::collection::btree_map("[a-c]{1,2}(/[a-cä ]{1,3}){0,3}", any_node(), 0..20).prop_map(|tree| {
        let above =
            |path: &str, other: &str| other.len() > path.len() && other.starts_with(&format!("{path}/"));
        let leaves = tree.iter().filter(|(path, _)| !tree.keys().any(|other| above(path, other)));
        leaves.map(|(path, node)| (path.clone(), node.clone())).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Neither the order on the disk, nor times, nor the umask, nor the folder's own name change the digest; and what is
    /// laid out from the store is the same tree again.
    #[test]
    fn the_same_tree_gives_the_same_digest(tree in any_tree()) {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, node) in &tree {
            make(one.path(), path, node, 0o022);
        }
        for (path, node) in tree.iter().rev() {
            make(two.path(), path, node, 0o077);
            if matches!(node, Node::File(..)) {
                let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
                File::open(two.path().join(path)).unwrap().set_times(times).unwrap();
            }
        }
        let first = of(one.path());
        prop_assert_eq!(&first, &of(two.path()));
        let state = tempfile::tempdir().unwrap();
        let store = landfall_artifact::Store::open(&state.path().join("store")).unwrap();
        let mut stream =
            landfall_artifact::frames::FrameReader::new(one.path(), &first, &first.digests()).unwrap();
        landfall_artifact::frames::receive(&store, &mut stream, u64::MAX).unwrap();
        let out = state.path().join("out");
        let index = store.materialize(&first.digest, &out).unwrap();
        prop_assert_eq!(landfall_artifact::verify(&out, &index).unwrap(), first.digest);
        prop_assert_eq!(of(&out), first);
    }
}

#[test]
fn any_change_changes_the_digest() {
    let base = || vec![("a", file("one")), ("b/c", file("two")), ("l", link("a")), ("d", Node::Folder)];
    let original = of(tree(&base()).path()).digest;
    assert_eq!(of(tree(&base()).path()).digest, original);
    for (at, node) in [
        (0, ("a", file("onE"))),
        (0, ("A", file("one"))),
        (0, ("a", Node::File(b"one".to_vec(), true))),
        (0, ("a", link("b/c"))),
        (1, ("b/d", file("two"))),
        (2, ("l", link("b"))),
        (3, ("e", Node::Folder)),
        (3, ("d", file(""))),
    ] {
        let mut changed = base();
        changed[at] = node.clone();
        assert_ne!(of(tree(&changed).path()).digest, original, "{node:?}");
    }
}

/// The paths that travel of a tree.
fn check_travels(nodes: &[(&str, Node)], extra: &[&str], expected: &[&str]) {
    let folder = tree(nodes);
    let extra: Vec<String> = extra.iter().map(|line| (*line).to_owned()).collect();
    let bundle = bundle(folder.path(), &extra).unwrap();
    assert_eq!(paths(&bundle), expected, "{nodes:?} {extra:?}");
}

fn x() -> Node {
    file("x")
}

#[test]
fn what_every_tool_makes_and_secrets_do_not_travel() {
    check_travels(
        &[
            (".git/config", x()),
            (".landfall/cache", x()),
            (".env", x()),
            (".env.production", x()),
            ("sub/.env.local", x()),
            ("__pycache__/a.pyc", x()),
            ("b.pyc", x()),
            ("node_modules/m/i.js", x()),
            (".venv/bin/python", x()),
            ("venv/bin/python", x()),
            (".DS_Store", x()),
            ("sub/venv", x()),
            (".envrc", x()),
            (".hidden", x()),
            ("landfall.toml", x()),
            ("environment", x()),
        ],
        &[],
        &[".envrc", ".hidden", "environment", "sub/venv"],
    );
}

#[test]
fn ignore_files_are_followed() {
    // .gitignore without a repository, also nested, with exceptions; and .landfallignore over it.
    check_travels(
        &[
            (".gitignore", file("*.log\n/build\nsecret/\n!keep.log\n")),
            ("a.log", x()),
            ("keep.log", x()),
            ("build/x", x()),
            ("sub/build/x", x()),
            ("sub/secret/x", x()),
            ("sub/.gitignore", file("*.tmp\n")),
            ("sub/a.tmp", x()),
            ("a.tmp", x()),
        ],
        &[],
        &[".gitignore", "a.tmp", "keep.log", "sub/.gitignore", "sub/build/x"],
    );
    check_travels(
        &[
            (".gitignore", file("dist\n")),
            (".landfallignore", file("!dist\ntests/\n!node_modules\n!.env\n!.git\n")),
            ("dist/x", x()),
            ("tests/x", x()),
            ("node_modules/m", x()),
            (".env", x()),
            (".git/x", x()),
        ],
        &[],
        &[".gitignore", ".landfallignore", "dist/x", "node_modules/m"],
    );
    // What the caller adds cannot be taken back, and takes no secret back.
    check_travels(
        &[(".landfallignore", file("!data\n")), ("data/x", x()), ("a/data/x", x()), (".env", x())],
        &["/data", "!.env"],
        &[".landfallignore", "a/data/x"],
    );
    // A folder is kept when it is empty, not when all in it is ignored: running the tests changes no digest.
    check_travels(
        &[
            ("logs", Node::Folder),
            (".pytest_cache/.gitignore", file("*\n")),
            (".pytest_cache/v", x()),
            ("a", x()),
        ],
        &[],
        &["a", "logs"],
    );
}

#[test]
fn ignore_files_above_the_source_say_nothing() {
    let folder = files(&["app/a.log"]);
    fs::write(folder.path().join(".gitignore"), "*.log\n").unwrap();
    assert_eq!(paths(&of(&folder.path().join("app"))), ["a.log"]);
}

#[test]
fn links_stay_inside_or_are_named() {
    let inside =
        tree(&[("a/b", file("x")), ("a/l", link("../c")), ("c", link("a/b")), ("gone", link("made/later"))]);
    assert_eq!(of(inside.path()).index.entries.len(), 4);
    for (path, target) in [("out", "../x"), ("a/out", "../../x"), ("abs", "/etc/passwd"), ("s/t", "../u/..")]
    {
        let folder =
            tree(&[(path, link(target)), ("a/deep/er/top", link("../../..")), ("u", link("a/deep/er/top"))]);
        let error = bundle(folder.path(), &[]).unwrap_err();
        assert!(matches!(&error, BundleError::LinkOut { path: named, .. } if named == path), "{error}");
        let fault = Fault::from(error);
        assert_eq!(fault.kind, FaultKind::Usage);
        assert!(fault.message.contains(path) && fault.message.contains(target), "{}", fault.message);
        // Named in the ignore file, it is no matter any more.
        fs::write(folder.path().join(".landfallignore"), format!("/{path}\n")).unwrap();
        bundle(folder.path(), &[]).unwrap();
    }
}

#[test]
fn what_cannot_be_bundled_is_named() {
    let folder = files(&["a"]);
    let socket = UnixListener::bind(folder.path().join("s.sock")).unwrap();
    let error = bundle(folder.path(), &[]).unwrap_err().to_string();
    assert_eq!(error, "s.sock is a socket, which cannot be bundled");
    drop(socket);
    bundle(folder.path(), &["*.sock".to_owned()]).unwrap();

    let folder = files(&["a"]);
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"b\xff")), "").unwrap();
    assert!(matches!(bundle(folder.path(), &[]), Err(BundleError::NotUtf8(_))));

    let folder = files(&["a"]);
    let large = File::create(folder.path().join("large")).unwrap();
    large.set_len(MAX_FILE + 1).unwrap();
    assert!(matches!(bundle(folder.path(), &[]), Err(BundleError::FileTooLarge(name)) if name == "large"));
    for name in ["large", "b", "c"] {
        File::create(folder.path().join(name)).unwrap().set_len(MAX_FILE - 1).unwrap();
    }
    assert!(matches!(bundle(folder.path(), &[]), Err(BundleError::TooLarge)));

    assert!(matches!(bundle(&folder.path().join("none"), &[]), Err(BundleError::NotThere(_))));
    assert!(matches!(bundle(&folder.path().join("a"), &[]), Err(BundleError::NotAFolder(_))));
    assert!(matches!(bundle(folder.path(), &["[z-a]".to_owned()]), Err(BundleError::Rules(_))));
}

#[test]
fn names_that_a_shell_would_read_are_names() {
    let names = ["$(touch x)", "-rf", "a b", "a\nb", "`x`", "ä", "'\""];
    let folder = files(&names);
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(paths(&of(folder.path())), sorted);
}

#[test]
fn many_files_are_read_by_several_threads_in_order() {
    let names: Vec<String> = (0..300).map(|n| format!("d{}/f{n}", n % 7)).collect();
    let folder = files(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for entry in of(folder.path()).index.entries {
        let landfall_artifact::What::File { digest, size, .. } = entry.what else { panic!("{entry:?}") };
        assert_eq!(
            (digest, size),
            (landfall_model::Digest::of(entry.path.as_bytes()), entry.path.len() as u64)
        );
    }
}

#[test]
fn a_cache_changes_nothing_but_the_time() {
    let folder = files(&["a", "b"]);
    let state = tempfile::tempdir().unwrap();
    let cache = state.path().join("sub/cache.json");
    let cached = || bundle_cached(folder.path(), &Ignores::Landfall, &[], Some(&cache)).unwrap();
    let fresh = of(folder.path());
    // The files are younger than two seconds: none is remembered.
    assert_eq!(cached(), fresh);
    assert!(!fs::read_to_string(&cache).unwrap_or_default().contains("blake3:"));
    SystemClock::new().sleep(Duration::from_millis(2100));
    assert_eq!(cached(), fresh);
    let remembered = fs::read_to_string(&cache).unwrap();
    assert!(remembered.contains("\"a\"") && remembered.contains("\"b\""), "{remembered}");
    // It is really used: what it says is believed.
    let digest = landfall_model::Digest::of(b"a").to_string();
    fs::write(&cache, remembered.replace(&digest, &landfall_model::Digest::of(b"lie").to_string())).unwrap();
    assert_ne!(cached(), fresh);
    // A file of the same length with its old time is read again all the same.
    fs::write(&cache, &remembered).unwrap();
    let before = fs::metadata(folder.path().join("a")).unwrap().modified().unwrap();
    fs::write(folder.path().join("a"), "A").unwrap();
    File::options().write(true).open(folder.path().join("a")).unwrap().set_modified(before).unwrap();
    assert_eq!(cached(), of(folder.path()));
    // One that is torn, of another format, or cannot be written is done without.
    for bad in [&remembered[..remembered.len() / 2], &remembered.replace("\"format\":1", "\"format\":9"), ""]
    {
        fs::write(&cache, bad).unwrap();
        assert_eq!(cached(), of(folder.path()));
    }
    assert_eq!(
        bundle_cached(folder.path(), &Ignores::Landfall, &[], Some(Path::new("/proc/none/c"))).unwrap(),
        of(folder.path())
    );
}
