//! Which program it really is that a name stands for, found out without starting it wherever that is possible: a deploy
//! whose dependencies are there must not wait for an interpreter to say its version.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The first bytes of an executable of Linux (`elf(5)`).
const ELF: [u8; 4] = *b"\x7fELF";

/// Path, length and modification time: another build of the program has others.
///
/// # Errors
/// The system's.
pub(super) fn identity(program: &Path) -> io::Result<String> {
    let real = program.canonicalize()?;
    let facts = fs::metadata(&real)?;
    Ok(format!("{} {} {}.{}", real.display(), facts.len(), facts.mtime(), facts.mtime_nsec()))
}

/// Whether it is a program of its own and not a script that picks one.
pub(super) fn is_binary(program: &Path) -> bool {
    let mut head = [0; 4];
    File::open(program).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == ELF
}

/// Runs a program for the one line that it prints; `None` when it fails or prints nothing.
pub(super) fn ask(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    env: &BTreeMap<String, String>,
) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(env)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// The program that a script of a version manager starts, asked for with `arguments`; a binary is itself.
pub(super) fn behind(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    env: &BTreeMap<String, String>,
) -> Option<PathBuf> {
    if is_binary(program) {
        return Some(program.to_owned());
    }
    ask(program, arguments, folder, env).map(PathBuf::from).filter(|path| path.is_file())
}
