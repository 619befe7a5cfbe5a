//! Rust: built with what Cargo.lock holds; the last image has the source's other files and the program where it was built.

use landfall_model::{Command, Fault};
use toml::Table;

use super::command::{self, programs};
use super::last::Last;
use super::plain::{AUTHORITIES, DEBIAN};
use super::text::{Copy, Run};
use super::version::is_version;
use super::work::{unusable, whole};
use super::{APP, Work};

/// The version where the source asks for none.
const VERSION: &str = "1.95";

/// What Cargo keeps between builds: what it downloads. What it builds is not kept, for it tells by times what is old.
const CACHES: [&str; 2] = ["/usr/local/cargo/git", "/usr/local/cargo/registry"];

/// Where programs lie that are built for use.
const RELEASE: &str = "target/release";

/// Writes it.
pub(super) fn write(work: &mut Work<'_>) -> Result<(), Fault> {
    let run = work.run_line()?;
    let manifest = work.read("Cargo.toml")?;
    let manifest: Table =
        manifest.parse().map_err(|error: toml::de::Error| unusable("Cargo.toml", error.message()))?;
    let program = program(work, run, &manifest)?;
    let version = version(work, &manifest);
    let lock = work.look("Cargo.lock");
    let locked = if lock.is_some() { " --locked" } else { "" };
    let cargo = format!("cargo build --release{locked}");
    let openssl = lock.is_some_and(|lock| lock.contains("name = \"openssl-sys\""));
    work.stage(&format!("rust:{version}-slim-bookworm"), "build");
    if openssl {
        work.note("Cargo.lock names openssl-sys: libssl-dev and pkg-config build it, libssl3 runs it");
        work.packages(&["libssl-dev", "pkg-config"]);
    }
    work.text.line(&format!("WORKDIR {APP}"));
    // A build that is Cargo's alone can be done in two steps.
    let own = work.wanted.build.map(ToString::to_string);
    let in_steps =
        own.as_deref().is_none_or(|line| line.starts_with("cargo build") && !line.contains(['&', ';', '|']));
    let cargo = own.clone().filter(|_| in_steps).unwrap_or(cargo);
    if in_steps && is_simple(work, &manifest) {
        dependencies(work, &cargo);
    }
    work.copy_all();
    if in_steps {
        // Times decide what Cargo builds again, and those of the context may be older than the dependencies.
        work.text.args(work.wanted.env.iter().copied());
        let with = Run { caches: &CACHES, secrets: work.wanted.secrets };
        work.text.run(&with, &["find . -name '*.rs' -not -path './target/*' -exec touch {} +", &cargo]);
        if own.is_none() {
            work.note(format!("`{cargo}` builds it: `build` in the manifest says otherwise"));
        }
    } else {
        work.build(&CACHES, None);
    }
    let words = match command::words(run) {
        words if words.first().is_some_and(|word| word == "cargo") => {
            let arguments = words.iter().skip_while(|word| *word != "--").skip(1).cloned();
            let words: Vec<String> = [format!("{APP}/{program}")].into_iter().chain(arguments).collect();
            work.note(format!("`{run}` would build again: {program} runs instead"));
            words
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
    let packages: &[&str] = if openssl { &["libssl3"] } else { &[] };
    let copies = vec![authorities, Copy { owned: true, ..whole() }, built];
    work.last(&Last { image: DEBIAN.to_owned(), env: Vec::new(), packages, copies, command: words });
    Ok(())
}

/// Builds what the project depends on, with a program of no content in the place of its own.
fn dependencies(work: &mut Work<'_>, cargo: &str) {
    let files = ["Cargo.lock", "Cargo.toml", "rust-toolchain", "rust-toolchain.toml"];
    let files: Vec<&str> = files.into_iter().filter(|file| work.has(file)).collect();
    work.copy_files(files);
    let with = Run { caches: &CACHES, secrets: work.wanted.secrets };
    work.text.run(&with, &["mkdir src", "echo 'fn main() {}' > src/main.rs", cargo, "rm -r src"]);
}

/// Whether the project is one program in the usual place, whose dependencies can be built without it.
fn is_simple(work: &Work<'_>, manifest: &Table) -> bool {
    let has_paths = ["dependencies", "build-dependencies"].iter().any(|kind| {
        let named = manifest.get(*kind).and_then(toml::Value::as_table);
        named.is_some_and(|named| named.values().any(|value| value.get("path").is_some()))
    });
    let others = ["workspace", "lib", "bin", "patch", "bench", "example", "test"];
    work.has("src/main.rs")
        && !work.has("src/lib.rs")
        && !work.has("build.rs")
        && !work.has_folder("src/bin")
        && !work.has_folder(".cargo")
        && !has_paths
        && others.iter().all(|key| !manifest.contains_key(*key))
}

/// The program that runs, relative to the source: the path that `run` names, else the package's own.
fn program(work: &Work<'_>, run: &Command, manifest: &Table) -> Result<String, Fault> {
    let named = programs(run);
    let path = named.iter().find(|program| program.contains('/') && !program.starts_with('/'));
    let path = path.map(|program| program.strip_prefix("./").unwrap_or(program));
    // A script of the source's starts something else.
    if let Some(path) = path.filter(|path| !work.has(path)) {
        return Ok(path.to_owned());
    }
    let line = run.to_string();
    let words: Vec<&str> = line.split_whitespace().collect();
    let chosen = words.windows(2).find(|pair| pair[0] == "--bin").map(|pair| pair[1]);
    let first = |key: &str| manifest.get(key)?.as_array()?.first()?.get("name")?.as_str();
    let package = || manifest.get("package")?.get("name")?.as_str();
    let name = chosen.or_else(|| first("bin")).or_else(package);
    let name = name.filter(|name| work.has("src/main.rs") || chosen.is_some() || first("bin") == Some(*name));
    name.map(|name| format!("{RELEASE}/{name}")).ok_or_else(|| {
        Fault::refused("Cargo.toml does not say which program runs")
            .help("`run = \"./target/release/NAME\"` names it")
    })
}

fn version(work: &mut Work<'_>, manifest: &Table) -> String {
    let pinned = work.look("rust-toolchain.toml").and_then(|text| {
        let document: Table = text.parse().ok()?;
        Some(document.get("toolchain")?.get("channel")?.as_str()?.to_owned())
    });
    let pinned = pinned.or_else(|| work.look("rust-toolchain").map(|text| text.trim().to_owned()));
    let least =
        manifest.get("package").and_then(|package| package.get("rust-version")?.as_str().map(str::to_owned));
    if let Some(version) = pinned.filter(|text| is_version(text)) {
        work.note(format!("Rust {version}: rust-toolchain asks for it"));
        return version;
    }
    let minor = |text: &str| text.split('.').nth(1).and_then(|part| part.parse::<u32>().ok());
    match least {
        Some(least) if is_version(&least) && minor(&least) > minor(VERSION) => least,
        _ => VERSION.to_owned(),
    }
}
