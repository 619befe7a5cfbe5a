//! Runs a proxy: `serve CONTROL_SOCKET CONFIG_FILE [WORKERS]`.

use std::process::ExitCode;

use landfall_proxy::{Options, run};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(control), Some(config)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: serve CONTROL_SOCKET CONFIG_FILE [WORKERS]");
        return ExitCode::from(2);
    };
    let workers = arguments.next().and_then(|workers| workers.parse().ok()).unwrap_or(0);
    match run(&Options { workers, ..Options::new(control, config) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
