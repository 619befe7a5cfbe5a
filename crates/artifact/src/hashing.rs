//! Content digests of streams and of many files at once.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use landfall_model::Digest;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Below this many files one thread is faster than starting others.
const FILES_WORTH_THREADS: usize = 64;

/// At most this many threads read at once: beyond, the disk is the limit.
const MAX_THREADS: usize = 8;

/// Copies at most `limit` bytes and one more to know that there are more; gives the digest and length of what was read.
///
/// # Errors
/// Any of the reader's and the writer's.
pub(crate) fn copy(from: &mut dyn Read, to: &mut dyn Write, limit: u64) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let most = usize::try_from(limit.saturating_add(1)).unwrap_or(CHUNK);
    let mut buffer = vec![0; most.min(CHUNK)];
    let mut length = 0;
    let mut from = from.take(limit.saturating_add(1));
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        length += read as u64;
    }
    Ok((Digest::Blake3(*hasher.finalize().as_bytes()), length))
}

/// Gives the digest and length of a file; reads at most `limit` bytes and one more.
///
/// # Errors
/// Any of the system's.
pub(crate) fn file(path: &Path, limit: u64) -> io::Result<(Digest, u64)> {
    copy(&mut File::open(path)?, &mut io::sink(), limit)
}

/// Gives digest and length of each file, in the same order, read by several threads.
///
/// # Errors
/// The first file, in the order given, that could not be read.
pub(crate) fn files(paths: &[PathBuf], limit: u64) -> Result<Vec<(Digest, u64)>, (usize, io::Error)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    if paths.len() < FILES_WORTH_THREADS || threads == 1 {
        let hashed = paths.iter().enumerate();
        return hashed.map(|(at, path)| file(path, limit).map_err(|error| (at, error))).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((at, path)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            paths.get(at).map(|path| (at, path))
        } {
            done.push((at, file(path, limit)));
        }
        done
    };
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("hashing does not panic")).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(at, result)| result.map_err(|error| (at, error))).collect()
}
