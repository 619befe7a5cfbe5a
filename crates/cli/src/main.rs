//! `landfall`, one binary in four roles: the command line, the agent, the proxy, the supervisor of one instance.

mod apply;
mod arguments;
mod command;
mod confirm;
mod doctor;
mod doors;
mod elsewhere;
mod engine;
mod failure;
mod follow;
mod gather;
mod interrupt;
mod output;
mod project;
mod select;
mod session;
mod settings;
mod settle;
mod stale;
mod terminal;
mod unjudged;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A supervisor starts at once and stays small: nothing else is touched before it is known that this is none.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "shim")
        && let Some(folder) = words.next().filter(|word| !is_option(word))
        && words.next().is_none()
    {
        return landfall_shim::run(folder.as_ref());
    }
    arguments::run()
}

fn is_option(word: &OsString) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}
