//! Frames: a stream that is cut, bent or too long stores nothing wrong.

use std::fs;
use std::io::{self, Read};

use landfall_artifact::frames::{FrameReader, Received, receive};
use landfall_artifact::{Bundle, Store, StoreError, bundle};
use landfall_model::Digest;

use crate::tree::{file, tree};

fn source() -> (tempfile::TempDir, Bundle) {
    let folder =
        tree(&[("a", file("hello")), ("b/empty", file("")), ("b/same", file("hello")), ("c", file("x"))]);
    let bundle = bundle(folder.path(), &[]).unwrap();
    (folder, bundle)
}

fn all(folder: &tempfile::TempDir, bundle: &Bundle) -> Vec<u8> {
    let mut stream = FrameReader::new(folder.path(), bundle, &bundle.digests()).unwrap();
    let announced = stream.length();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, announced);
    bytes
}

fn store() -> (tempfile::TempDir, Store) {
    // In memory, where syncing thousands of times costs nothing.
    let state = tempfile::tempdir_in("/dev/shm").unwrap();
    let store = Store::open(state.path()).unwrap();
    (state, store)
}

/// Gives one byte at a time, with interruptions.
struct Dribble<'a>(&'a [u8], bool);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.0.len().min(1).min(buffer.len());
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn every_blob_arrives_once() {
    let (folder, bundle) = source();
    let bytes = all(&folder, &bundle);
    let (_state, store) = store();
    let index = bundle.index.to_bytes().len() as u64;
    let received = receive(&store, &mut Dribble(&bytes, false), 10_000).unwrap();
    assert_eq!(received, Received { blobs: 4, bytes: 5 + 1 + index });
    assert!(store.missing(&bundle.digests()).is_empty());
    // Nothing wanted is a stream as well.
    let mut stream = FrameReader::new(folder.path(), &bundle, &[]).unwrap();
    assert_eq!(receive(&store, &mut stream, 0).unwrap(), Received::default());
}

#[test]
fn a_torn_stream_is_told_wherever_it_is_torn() {
    let (folder, bundle) = source();
    let bytes = all(&folder, &bundle);
    for cut in 0..bytes.len() {
        let (state, store) = store();
        let error = receive(&store, &mut &bytes[..cut], 10_000).unwrap_err();
        assert!(matches!(error, StoreError::Torn), "{cut}: {error}");
        if cut % 16 != 0 {
            continue;
        }
        // What came whole is kept and right: the rest is enough.
        let missing = store.missing(&bundle.digests());
        let mut rest = FrameReader::new(folder.path(), &bundle, &missing).unwrap();
        receive(&store, &mut rest, 10_000).unwrap();
        store.materialize(&bundle.digest, &state.path().join("out")).unwrap();
    }
    let (_state, store) = store();
    let cut = bytes.len() - 1;
    receive(&store, &mut &bytes[..cut], 10_000).unwrap_err();
    assert!(store.missing(&bundle.digests()).is_empty());
}

#[test]
fn a_bent_stream_is_told_whichever_byte_is_bent() {
    let (folder, bundle) = source();
    let bytes = all(&folder, &bundle);
    let (state, store) = store();
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 0x55;
        receive(&store, &mut &bent[..], 10_000).expect_err("a bent byte passed");
    }
    assert_eq!(fs::read_dir(state.path().join("tmp")).unwrap().count(), 0);
    let longer = [&bytes[..], b"x"].concat();
    let error = receive(&store, &mut &longer[..], 10_000).unwrap_err();
    assert!(matches!(error, StoreError::NotFrames(_)), "{error}");
}

#[test]
fn more_than_the_limit_is_refused_before_it_is_read() {
    let (folder, bundle) = source();
    let bytes = all(&folder, &bundle);
    let (_state, store) = store();
    assert!(matches!(receive(&store, &mut &bytes[..], 5), Err(StoreError::TooLarge(5))));
    let mut huge = bytes[..8].to_vec();
    huge.push(1);
    huge.extend([0; 32]);
    huge.extend(u64::MAX.to_le_bytes());
    assert!(matches!(receive(&store, &mut &huge[..], u64::MAX - 1), Err(StoreError::TooLarge(_))));
    assert!(matches!(receive(&store, &mut &huge[..], u64::MAX), Err(StoreError::Torn)));
}

#[test]
fn a_failing_sender_is_told_from_a_failing_disk() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let (folder, bundle) = source();
    let bytes = all(&folder, &bundle);
    let (_state, store) = store();
    for cut in 0..bytes.len() {
        let error = receive(&store, &mut bytes[..cut].chain(Failing), 10_000).unwrap_err();
        assert!(matches!(error, StoreError::Stream(_)), "{cut}: {error}");
    }
}

#[test]
fn a_source_that_changes_while_it_is_sent_ends_the_stream() {
    for content in ["hellO", "hell", "hello!", ""] {
        let (folder, bundle) = source();
        // Both paths of the same content, so that whichever is read has changed.
        for path in ["a", "b/same"] {
            fs::write(folder.path().join(path), content).unwrap();
        }
        let mut stream = FrameReader::new(folder.path(), &bundle, &[Digest::of(b"hello")]).unwrap();
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        if content == "hello!" {
            // What is behind the announced length is not sent: the blob itself is right.
            ended.unwrap();
            continue;
        }
        assert!(ended.unwrap_err().to_string().contains("changed while it was sent"), "{content}");
        let (_state, store) = store();
        receive(&store, &mut &bytes[..], 10_000).unwrap_err();
        assert_eq!(store.missing(&[Digest::of(b"hello")]).len(), 1);
    }
    let (folder, bundle) = source();
    fs::remove_file(folder.path().join("c")).unwrap();
    let mut stream = FrameReader::new(folder.path(), &bundle, &[Digest::of(b"x")]).unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("/c"), "{error}");
}

#[test]
fn what_the_bundle_does_not_hold_cannot_be_asked_for() {
    let (folder, bundle) = source();
    let error = FrameReader::new(folder.path(), &bundle, &[Digest::of(b"other")]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
