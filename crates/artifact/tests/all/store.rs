//! The store: what comes out is what went in, or an error that names what is damaged.

use std::collections::HashSet;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use landfall_artifact::frames::{FrameReader, receive};
use landfall_artifact::{Bundle, Store, StoreError, bundle, verify};
use landfall_model::{Digest, Timestamp};

use crate::tree::{Node, file, link, tree};

struct World {
    source: tempfile::TempDir,
    state: tempfile::TempDir,
    store: Store,
    bundle: Bundle,
}

impl World {
    /// A store that holds a bundle of a small tree.
    fn new() -> Self {
        let large = Node::File(vec![7; 300_000], false);
        let source = tree(&[
            ("app.py", file("print(1)\n")),
            ("bin/run", Node::File(b"#!/bin/sh\n".to_vec(), true)),
            ("current", link("bin/run")),
            ("logs", Node::Folder),
            ("static/large", large),
        ]);
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&state.path().join("store")).unwrap();
        let bundle = bundle(source.path(), &[]).unwrap();
        let world = Self { source, state, store, bundle };
        world.send(&world.bundle.digests());
        world
    }

    fn send(&self, wanted: &[Digest]) {
        let mut stream = FrameReader::new(self.source.path(), &self.bundle, wanted).unwrap();
        receive(&self.store, &mut stream, 1_000_000).unwrap();
    }

    fn out(&self) -> PathBuf {
        self.state.path().join("apps/web/release")
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.state.path().join("store").join(&hex[..2]).join(&hex[2..])
    }

    fn left_over(&self) -> usize {
        fs::read_dir(self.state.path().join("store/tmp")).unwrap().count()
    }
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the files that are looked at have the system's times")]
    SystemTime::now().into()
}

#[test]
fn blobs_are_checked_on_their_way_in() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let digest = Digest::of(b"hello");
    let other = Digest::of(b"other");
    assert_eq!(store.missing(&[digest, other, digest]), [digest, other]);
    assert!(matches!(store.put(&digest, &mut &b"hellO"[..], 5), Err(StoreError::Mismatch { .. })));
    assert!(matches!(store.put(&digest, &mut &b"hell"[..], 5), Err(StoreError::Torn)));
    let sha = format!("sha256:{}", digest.hex()).parse().unwrap();
    assert!(matches!(store.put(&sha, &mut &b"hello"[..], 5), Err(StoreError::NotBlake3(_))));
    assert_eq!(store.missing(&[digest]), [digest]);
    let mut more = &b"hello, and what belongs to the next"[..];
    store.put(&digest, &mut more, 5).unwrap();
    assert_eq!(more, b", and what belongs to the next");
    store.put(&digest, &mut &b"hello"[..], 5).unwrap();
    assert_eq!(store.missing(&[digest, other]), [other]);
    let mut text = String::new();
    store.get(&digest).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    assert_eq!(fs::read_dir(state.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_release_is_laid_out_whole_with_its_modes() {
    let world = World::new();
    let index = world.store.materialize(&world.bundle.digest, &world.out()).unwrap();
    assert_eq!(verify(&world.out(), &index).unwrap(), world.bundle.digest);
    let mode = |path: &str| fs::metadata(world.out().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("app.py"), mode("bin/run"), mode("bin"), mode(".")], [0o644, 0o755, 0o755, 0o755]);
    assert_eq!(fs::read_link(world.out().join("current")).unwrap(), Path::new("bin/run"));
    assert!(world.out().join("logs").is_dir());
    // Nothing is left beside it; a second time is refused and touches nothing.
    assert_eq!(fs::read_dir(world.out().parent().unwrap()).unwrap().count(), 1);
    let again = world.store.materialize(&world.bundle.digest, &world.out());
    assert!(matches!(again, Err(StoreError::InTheWay(_))));
    assert_eq!(fs::read_dir(world.out().parent().unwrap()).unwrap().count(), 1);
    assert_eq!(verify(&world.out(), &index).unwrap(), world.bundle.digest);
    // What a run that was cut short left is in nobody's way.
    let third = world.out().with_file_name("third");
    fs::create_dir(third.with_file_name(".third.new")).unwrap();
    fs::write(third.with_file_name(".third.new").join("app.py"), "half").unwrap();
    let index = world.store.materialize(&world.bundle.digest, &third).unwrap();
    assert_eq!(verify(&third, &index).unwrap(), world.bundle.digest);
    assert!(!third.with_file_name(".third.new").exists());
    // What a release changes in its own files does not reach the store.
    fs::write(world.out().join("static/large"), "x").unwrap();
    world.store.materialize(&world.bundle.digest, &world.out().with_file_name("second")).unwrap();
}

#[test]
fn a_damaged_blob_is_named_moved_aside_and_sent_anew() {
    let world = World::new();
    for digest in world.bundle.digests() {
        let path = world.blob(&digest);
        let length = fs::metadata(&path).unwrap().len();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.set_len(length - 1).unwrap();
        file.write_all(b"\0").unwrap();
        let error = world.store.materialize(&world.bundle.digest, &world.out()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(named) if named == digest), "{error}");
        assert!(!world.out().exists());
        assert_eq!(
            fs::read_dir(world.out().parent().unwrap_or(Path::new("/"))).map_or(0, Iterator::count),
            0
        );
        assert_eq!(world.store.missing(&world.bundle.digests()), [digest]);
        let error = world.store.materialize(&world.bundle.digest, &world.out()).unwrap_err();
        assert!(matches!(error, StoreError::Missing(named) if named == digest), "{error}");
        world.send(&[digest]);
        world.store.materialize(&world.bundle.digest, &world.out()).unwrap();
        fs::remove_dir_all(world.out()).unwrap();
    }
}

#[test]
fn what_runs_is_read_back() {
    let world = World::new();
    let expect = |change: &dyn Fn(&Path), path: &str| {
        let index = world.store.materialize(&world.bundle.digest, &world.out()).unwrap();
        change(&world.out());
        let named = verify(&world.out(), &index).map_err(|mismatch| mismatch.path);
        fs::remove_dir_all(world.out()).unwrap();
        assert_eq!(named, Err(path.to_owned()));
    };
    expect(&|root| fs::write(root.join("app.py"), "print(2)\n").unwrap(), "app.py");
    expect(&|root| fs::write(root.join("app.py"), "").unwrap(), "app.py");
    expect(&|root| fs::remove_file(root.join("app.py")).unwrap(), "app.py");
    expect(
        &|root| fs::set_permissions(root.join("app.py"), Permissions::from_mode(0o755)).unwrap(),
        "app.py",
    );
    expect(&|root| fs::remove_dir(root.join("logs")).unwrap(), "logs");
    let relink = |root: &Path| {
        fs::remove_file(root.join("current")).unwrap();
        symlink("app.py", root.join("current")).unwrap();
    };
    expect(&relink, "current");
    // A folder that became a link to one with the same files is not what was laid out.
    let swap = |root: &Path| {
        fs::rename(root.join("bin"), root.join("other")).unwrap();
        symlink("other", root.join("bin")).unwrap();
    };
    expect(&swap, "bin");
    // What a build adds is no difference.
    let index = world.store.materialize(&world.bundle.digest, &world.out()).unwrap();
    fs::write(world.out().join("logs/made"), "x").unwrap();
    assert_eq!(verify(&world.out(), &index).unwrap(), world.bundle.digest);
}

#[test]
fn collecting_keeps_what_is_needed_and_what_is_young() {
    let world = World::new();
    let hour = Duration::from_secs(3600);
    let later = now().plus(2 * hour);
    let other = Digest::of(b"nobody's");
    world.store.put(&other, &mut &b"nobody's"[..], 8).unwrap();
    fs::write(world.state.path().join("store/tmp/half"), "12345").unwrap();
    let keep = [world.bundle.digest];
    // Young ones stay, whoever needs them.
    assert_eq!(world.store.collect(&[], &HashSet::new(), now(), hour).unwrap(), 0);
    assert_eq!(world.store.collect(&keep, &HashSet::new(), later, hour).unwrap(), 8 + 5);
    assert_eq!((world.store.missing(&[other]).len(), world.left_over()), (1, 0));
    assert!(world.store.missing(&world.bundle.digests()).is_empty());
    world.store.materialize(&world.bundle.digest, &world.out()).unwrap();
    // Asking for a blob makes it young again.
    let long_ago = SystemTime::UNIX_EPOCH + hour;
    for digest in world.bundle.digests() {
        fs::File::open(world.blob(&digest)).unwrap().set_modified(long_ago).unwrap();
    }
    assert!(world.store.missing(&world.bundle.digests()).is_empty());
    assert_eq!(world.store.collect(&[], &HashSet::new(), now(), hour).unwrap(), 0);
    // A bundle that cannot be read might need anything: nothing is removed.
    assert!(world.store.collect(&[other], &HashSet::new(), later, hour).is_err());
    assert!(world.store.missing(&world.bundle.digests()).is_empty());
    assert!(world.store.collect(&[], &HashSet::new(), now().plus(2 * hour), hour).unwrap() > 300_000);
    assert_eq!(world.store.missing(&world.bundle.digests()).len(), world.bundle.digests().len());
}

#[test]
fn a_batch_stores_each_blob_once_and_only_when_it_is_committed() {
    let world = World::new();
    let mut batch = world.store.batch();
    let (digest, new) = batch.add_bytes(b"layer").unwrap();
    assert!(new);
    assert_eq!(batch.add_bytes(b"layer").unwrap(), (digest, false));
    assert_eq!(world.store.missing(&[digest]), [digest]);
    batch.commit().unwrap();
    assert_eq!(world.store.read(&digest, 5).unwrap(), b"layer");
    assert_eq!(world.store.batch().add_bytes(b"layer").unwrap(), (digest, false));
    drop(batch);
    let mut dropped = world.store.batch();
    let (other, _) = dropped.add_bytes(b"never").unwrap();
    drop(dropped);
    assert!(matches!(world.store.read(&other, 5), Err(StoreError::Missing(_))));
    fs::write(world.blob(&digest), "later").unwrap();
    assert!(matches!(world.store.read(&digest, 5), Err(StoreError::Damaged(_))));
    assert!(matches!(world.store.read(&digest, 5), Err(StoreError::Missing(_))));
    let also = HashSet::from([world.bundle.digest]);
    let much_later = now().plus(Duration::from_secs(7200));
    assert!(world.store.collect(&[], &also, much_later, Duration::from_secs(3600)).unwrap() > 0);
    assert!(world.store.missing(&[world.bundle.digest]).is_empty());
}

#[test]
fn several_write_the_same_at_once() {
    let state = tempfile::tempdir().unwrap();
    let content = vec![42; 200_000];
    let digest = Digest::of(&content);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = Store::open(state.path()).unwrap();
                store.put(&digest, &mut &content[..], 200_000).unwrap();
                let mut read = Vec::new();
                store.get(&digest).unwrap().read_to_end(&mut read).unwrap();
                assert_eq!(read, content);
            });
        }
    });
}

#[test]
fn an_index_that_leads_out_is_not_laid_out() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(&state.path().join("store")).unwrap();
    let evil = br#"{"format":1,"entries":[{"path":"../evil","folder":{}}]}"#;
    let digest = Digest::of(evil);
    store.put(&digest, &mut &evil[..], evil.len() as u64).unwrap();
    let error = store.materialize(&digest, &state.path().join("out/release")).unwrap_err();
    assert!(matches!(error, StoreError::Index(..)), "{error}");
    assert!(!state.path().join("out/evil").exists());
}
