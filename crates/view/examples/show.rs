//! Prints every view of sample nouns, to be looked at: `cargo run -p landfall-view --example show [WIDTH]`; with `live`
//! as second argument it plays a deploy as a terminal sees it.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use landfall_view::{Detail, Kind, Style};

#[path = "../tests/samples/mod.rs"]
mod samples;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let width = arguments.next().and_then(|width| width.parse().ok()).unwrap_or(80);
    let out = &mut io::stdout();
    let style = Style { color: out.is_terminal(), width, unicode: true };
    if arguments.next().is_some() {
        return play(style);
    }
    let now = samples::now();
    landfall_view::plan(out, &samples::plan(), &style)?;
    println!("\n---");
    landfall_view::plan(out, &samples::unchanged(), &style)?;
    println!("\n---");
    landfall_view::receipt(out, &[samples::receipt(), samples::failed_receipt()], &style)?;
    println!("\n---");
    let mut status = samples::status();
    landfall_view::status(out, &status, None, now, &style)?;
    status.observed.open = Some(samples::open(false, false));
    status.observed.services.clear();
    landfall_view::status(out, &status, None, now, &style)?;
    println!("\n---");
    landfall_view::open_transaction(out, &samples::dev(), &samples::open(true, false), now, &style)?;
    landfall_view::open_transaction(out, &samples::dev(), &samples::open(true, true), now, &style)?;
    println!("\n---");
    landfall_view::history(out, &samples::history(), now, &style)?;
    println!("\n---");
    landfall_view::fault(out, &samples::fault(), &style)?;
    println!("\n---");
    landfall_view::autopsy(out, &samples::exited(), &style)?;
    println!("\n---");
    landfall_view::diagnostics(out, &samples::diagnostics(), &style)?;
    println!("\n---");
    for line in samples::log_lines() {
        landfall_view::log_line(out, &line, 6, &style)?;
    }
    println!("\n---");
    let found = ["Flask in requirements.txt: service `web`".to_owned()];
    landfall_view::proposal(out, Path::new("landfall.toml"), &found, &style)?;
    for end in [samples::good_end(), samples::bad_end()] {
        println!("\n---");
        let mut reporter =
            landfall_view::reporter(Kind::Plain, Detail::Normal, Box::new(io::stdout()), style);
        for event in samples::events(end) {
            reporter.event(&event)?;
        }
        reporter.finish()?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a person watches")]
fn play(style: Style) -> io::Result<()> {
    for end in [samples::good_end(), samples::bad_end()] {
        let mut reporter =
            landfall_view::reporter(Kind::Terminal, Detail::Normal, Box::new(io::stdout()), style);
        for event in samples::events(end) {
            reporter.event(&event)?;
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        reporter.finish()?;
    }
    Ok(())
}
