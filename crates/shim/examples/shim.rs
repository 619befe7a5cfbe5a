//! `shim shim DIR`: what `landfall shim DIR` does, as a program small enough for the tests of this crate.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(word), Some(folder)) if word == "shim" => landfall_shim::run(&PathBuf::from(folder)),
        _ => ExitCode::FAILURE,
    }
}
