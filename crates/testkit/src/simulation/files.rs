//! Durable files in memory: a kill tears the write under way, a full disk takes a part of it.

use std::io;
use std::path::{Path, PathBuf};

use landfall_fx::Files;

use super::state::{Luck, State};
use super::{KILLED, World};

fn killed() -> io::Error {
    io::Error::other(KILLED)
}

impl State {
    /// Counts an effect on a file. `torn` is what a kill in its middle leaves.
    fn file_effect(
        &mut self,
        change: impl FnOnce(&mut Self) -> io::Result<()>,
        torn: impl FnOnce(&mut Self),
    ) -> io::Result<()> {
        match self.count() {
            Err(_) => Err(killed()),
            Ok(Luck::Bad) => Err(io::Error::other("input/output error by bad luck")),
            Ok(Luck::Good) => change(self),
            Ok(Luck::Last) => {
                torn(self);
                self.killed = true;
                Err(killed())
            }
        }
    }

    /// How many of `wanted` more bytes the disk takes.
    fn room(&self, wanted: usize) -> usize {
        self.full.map_or(wanted, |limit| wanted.min(limit.saturating_sub(self.used())))
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
}

impl World {
    /// Puts `bytes` into a file behind the engine's back: no effect, and no limit holds it.
    pub fn tamper(&self, path: &Path, bytes: &[u8]) {
        self.lock().files.insert(path.to_owned(), bytes.to_owned());
    }
}

impl Files for World {
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        // A torn write keeps a part that depends on where it happens: nothing, some, or all of it.
        let part = bytes.len() * (usize::try_from(state.effects).unwrap_or(0) % 4) / 3;
        state.file_effect(
            |state| {
                let room = state.room(bytes.len());
                state.files.entry(path.to_owned()).or_default().extend_from_slice(&bytes[..room]);
                if room < bytes.len() { Err(full()) } else { Ok(()) }
            },
            |state| state.files.entry(path.to_owned()).or_default().extend_from_slice(&bytes[..part]),
        )
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.lock();
        if state.killed {
            return Err(killed());
        }
        state.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let put = |state: &mut State| _ = state.files.insert(path.to_owned(), bytes.to_owned());
        self.lock().file_effect(
            |state| {
                if state.room(bytes.len()) < bytes.len() {
                    return Err(full());
                }
                put(state);
                Ok(())
            },
            put,
        )
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let cut = |state: &mut State| -> io::Result<()> {
            let file = state.files.get_mut(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            file.truncate(usize::try_from(length).map_err(io::Error::other)?);
            Ok(())
        };
        self.lock().file_effect(cut, |state| _ = cut(state))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.lock().files.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let gone = |state: &mut State| _ = state.files.remove(path);
        self.lock().file_effect(
            |state| {
                gone(state);
                Ok(())
            },
            gone,
        )
    }
}
