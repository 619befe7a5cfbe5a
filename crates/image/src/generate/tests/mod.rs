//! Sources and the Dockerfiles that are written for them.

mod python;

use std::collections::BTreeMap;

use landfall_model::{Command, Dependencies, Fault, Kind};

use super::{Wanted, Written, generate};

/// Files by path.
fn files(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

/// A web service with nothing but a port, for BuildKit.
fn wanted() -> Wanted<'static> {
    Wanted {
        kind: Kind::Web,
        run: None,
        build: None,
        output: None,
        dependencies: Dependencies::Auto,
        tested: false,
        port: 8080,
        buildkit: true,
        args: Vec::new(),
        env: Vec::new(),
        secrets: &[],
    }
}

/// What is written for files and a run line.
fn written(
    these: &[(&str, &str)],
    run: &str,
    change: impl FnOnce(&mut Wanted<'_>),
) -> Result<Written, Fault> {
    let run = Command::Line(run.to_owned());
    let mut wanted = Wanted { run: Some(&run), ..wanted() };
    change(&mut wanted);
    generate(&files(these), &wanted)
}
