//! Go: modules downloaded before the source is there, one program, the source's other files beside it.

use landfall_model::{Command, Fault};

use super::command::{self, programs};
use super::last::Last;
use super::plain::{AUTHORITIES, DEBIAN};
use super::text::{Copy, Run, quoted};
use super::version::is_version;
use super::work::whole;
use super::{APP, Work};

/// The version where the module asks for none.
const VERSION: &str = "1.25";

/// What Go keeps between builds. It tells by content what is old, so that builds may share it.
const CACHES: [&str; 2] = ["/go/pkg/mod", "/root/.cache/go-build"];

/// Writes it.
pub(super) fn write(work: &mut Work<'_>) -> Result<(), Fault> {
    let run = work.run_line()?;
    let module = work.read("go.mod")?;
    let program = program(run, &module);
    let version = version(&module);
    let package = if work.wanted.build.is_none() { package(work, &program)? } else { String::new() };
    work.stage(&format!("golang:{version}-bookworm"), "build");
    work.text.line(&format!("WORKDIR {APP}"));
    let files: Vec<&str> = ["go.mod", "go.sum"].into_iter().filter(|file| work.has(file)).collect();
    work.copy_files(files);
    let with = Run { caches: &CACHES, secrets: work.wanted.secrets };
    work.text.run(&with, &["go mod download"]);
    work.copy_all();
    if work.wanted.build.is_some() {
        work.build(&CACHES, None);
    } else {
        let line = format!("go build -trimpath -o {} {}", quoted(&program), quoted(&package));
        work.text.run(&with, &[&line]);
        work.note(format!("`{line}` builds it: `build` in the manifest says otherwise"));
    }
    let words = match command::words(run) {
        words if words.first().is_some_and(|word| word == "go") => {
            work.note(format!("`{run}` would build again: {program} runs instead"));
            vec![format!("{APP}/{program}")]
        }
        words => words,
    };
    let authorities = Copy {
        from: Some("build"),
        owned: false,
        sources: vec![AUTHORITIES.to_owned()],
        to: AUTHORITIES.to_owned(),
    };
    let built = Copy {
        from: Some("build"),
        owned: false,
        sources: vec![format!("{APP}/{program}")],
        to: format!("./{program}"),
    };
    let copies = vec![authorities, Copy { owned: true, ..whole() }, built];
    work.last(&Last { image: DEBIAN.to_owned(), env: Vec::new(), packages: &[], copies, command: words });
    Ok(())
}

/// The program that runs, relative to the source: the path that `run` names, else one named as the module.
fn program(run: &Command, module: &str) -> String {
    let named = programs(run);
    let path = named.iter().find(|program| program.contains('/') && !program.starts_with('/'));
    if let Some(path) = path {
        return path.strip_prefix("./").unwrap_or(path).to_owned();
    }
    let module = module.lines().find_map(|line| line.trim().strip_prefix("module "));
    let name = module.and_then(|module| module.trim().rsplit('/').next()).unwrap_or("app");
    format!("bin/{name}")
}

/// The package whose `main` it is: the module's own, or the only one (or the one of the program's name) in `cmd`.
fn package(work: &Work<'_>, program: &str) -> Result<String, Fault> {
    let is_main = |text: &str| text.lines().any(|line| line.trim() == "package main");
    let at_root = |path: &&str| !path.contains('/') && path.ends_with(".go") && !path.ends_with("_test.go");
    if work.files().filter(at_root).any(|path| work.look(path).is_some_and(|text| is_main(&text))) {
        return Ok(".".to_owned());
    }
    let commands =
        work.files().filter_map(|path| path.strip_prefix("cmd/")?.split_once('/').map(|(name, _)| name));
    let mut commands: Vec<&str> = commands.collect();
    commands.dedup();
    let name = program.rsplit('/').next().unwrap_or(program);
    match commands.as_slice() {
        [only] => Ok(format!("./cmd/{only}")),
        several if several.contains(&name) => Ok(format!("./cmd/{name}")),
        _ => Err(Fault::refused("the source does not say which of its Go packages runs")
            .help("`build = \"go build -o server ./cmd/NAME\"` and `run = \"./server\"` say it")),
    }
}

fn version(module: &str) -> String {
    let asked = module.lines().find_map(|line| line.trim().strip_prefix("go "));
    let asked = asked.map(|version| version.trim().split('.').take(2).collect::<Vec<_>>().join("."));
    let minor = |text: &str| text.split('.').nth(1).and_then(|part| part.parse::<u32>().ok());
    match asked {
        Some(asked) if is_version(&asked) && minor(&asked) > minor(VERSION) => asked,
        _ => VERSION.to_owned(),
    }
}
