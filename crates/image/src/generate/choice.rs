//! Which language an image is written for: by what `run` and `build` call, then by the files of the source.

use landfall_model::{Command, Fault, Kind};

use super::Work;
use super::command::programs;

/// What an image is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Python; `with_node`: the build calls Node, too.
    Python {
        with_node: bool,
    },
    Node,
    Rust,
    Go,
    /// Programs and scripts that are in the source as they run.
    Plain,
    /// Files that are served as they are.
    Static,
}

/// Programs that come with Python or its packages.
const PYTHON: [&str; 24] = [
    "python",
    "python3",
    "pip",
    "pip3",
    "uv",
    "poetry",
    "gunicorn",
    "uvicorn",
    "hypercorn",
    "daphne",
    "granian",
    "waitress-serve",
    "uwsgi",
    "flask",
    "fastapi",
    "django-admin",
    "celery",
    "rq",
    "dramatiq",
    "streamlit",
    "alembic",
    "mkdocs",
    "sphinx-build",
    "pytest",
];

/// Programs that come with Node or its packages.
const NODE: [&str; 18] = [
    "node", "nodejs", "npm", "npx", "pnpm", "pnpx", "yarn", "corepack", "next", "vite", "tsx", "ts-node",
    "tsc", "astro", "nuxt", "eleventy", "webpack", "parcel",
];

/// Programs that every image has.
const SHELL: [&str; 8] = ["sh", "bash", "/bin/sh", "/bin/bash", "sleep", "cat", "tail", "echo"];

/// Chooses.
///
/// # Errors
/// Nothing is recognized; says what was looked for and what was seen.
pub(super) fn choose(work: &Work<'_>) -> Result<Language, Fault> {
    let wanted = work.wanted;
    let built = wanted.build.map(programs).unwrap_or_default();
    let builds_with = |language| built.iter().any(|program| of_program(work, program) == Some(language));
    let (python, node) = (Language::Python { with_node: false }, Language::Node);
    let chosen = if wanted.kind == Kind::Site {
        if wanted.build.is_none() {
            return Ok(Language::Static);
        }
        match (builds_with(python), builds_with(node)) {
            (true, _) => Some(python),
            (false, true) => Some(node),
            (false, false) => by_files(work),
        }
    } else {
        let run = work.run_line()?;
        let named = programs(run);
        let first = named.iter().find_map(|program| of_program(work, program));
        first.or_else(|| by_files(work)).or_else(|| plain(work, &named))
    };
    match chosen {
        Some(Language::Python { .. }) => Ok(Language::Python { with_node: builds_with(node) }),
        Some(language) => Ok(language),
        None => Err(nothing(work)),
    }
}

/// The language that a program belongs to, by its name or by the file that it is.
fn of_program(work: &Work<'_>, program: &str) -> Option<Language> {
    let name = program.rsplit('/').next().unwrap_or(program);
    let path = program.strip_prefix("./").unwrap_or(program);
    let version = name.strip_prefix("python3.");
    if PYTHON.contains(&name) || version.is_some_and(|minor| minor.parse::<u32>().is_ok()) {
        return Some(Language::Python { with_node: false });
    }
    if NODE.contains(&name) || path.starts_with("node_modules/") {
        return Some(Language::Node);
    }
    match name {
        "cargo" => return Some(Language::Rust),
        "go" => return Some(Language::Go),
        _ => {}
    }
    if path.starts_with("target/") && work.has("Cargo.toml") {
        return Some(Language::Rust);
    }
    if !work.has(path) {
        return None;
    }
    let head = work.head(path).unwrap_or_default();
    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    let interpreter = first.strip_prefix("#!")?.split_whitespace().last()?.rsplit('/').next()?.to_owned();
    match interpreter.as_str() {
        "node" => Some(Language::Node),
        name if name.starts_with("python") => Some(Language::Python { with_node: false }),
        _ => None,
    }
}

/// The language of the files that say how a source is built.
fn by_files(work: &Work<'_>) -> Option<Language> {
    if work.python().is_some() {
        Some(Language::Python { with_node: false })
    } else if work.node().is_some() {
        Some(Language::Node)
    } else if work.has("Cargo.toml") {
        Some(Language::Rust)
    } else if work.has("go.mod") {
        Some(Language::Go)
    } else {
        None
    }
}

/// Programs that are in the source, or in every image.
fn plain(work: &Work<'_>, programs: &[String]) -> Option<Language> {
    let there = |program: &String| {
        let path = program.strip_prefix("./").unwrap_or(program);
        // The line may have changed into another folder before.
        let elsewhere = || work.files().any(|file| file.ends_with(&format!("/{path}")));
        SHELL.contains(&program.as_str()) || work.has(path) || (program.starts_with("./") && elsewhere())
    };
    programs.iter().any(there).then_some(Language::Plain)
}

/// Languages that people ask for, with a file that shows them.
const OTHERS: [(&str, &str); 10] = [
    ("Gemfile", "Ruby"),
    ("composer.json", "PHP"),
    ("pom.xml", "Java"),
    ("build.gradle", "Java"),
    ("build.gradle.kts", "Kotlin"),
    ("mix.exs", "Elixir"),
    ("deno.json", "Deno"),
    ("bun.lock", "Bun"),
    ("Pipfile", "Python by Pipenv"),
    ("environment.yml", "Python by conda"),
];

fn nothing(work: &Work<'_>) -> Fault {
    let line = |command: Option<&Command>| command.map(ToString::to_string);
    let said = match (line(work.wanted.run), line(work.wanted.build)) {
        (Some(run), _) if work.wanted.kind != Kind::Site => {
            format!("`{run}` names no program that is known or in the source")
        }
        (_, Some(build)) => format!("`{build}` names no program that is known"),
        _ => "nothing says what runs".to_owned(),
    };
    let seen = OTHERS
        .iter()
        .find(|(file, _)| work.has(file))
        .map(|(file, language)| format!("; there is a {file} ({language}), for which Landfall writes none"));
    let dotnet = || {
        let project = work.files().find(|path| path.ends_with(".csproj"))?;
        Some(format!("; there is a {project} (.NET), for which Landfall writes none"))
    };
    let seen = seen.or_else(dotnet).unwrap_or_default();
    Fault::refused(format!(
        "no Dockerfile can be written for this service: {said}, and the source has none of requirements.txt, uv.lock with \
         pyproject.toml, poetry.lock, pyproject.toml, package.json, Cargo.toml, go.mod{seen}"
    ))
    .help("put a Dockerfile into the service's folder, or name one: `build = { dockerfile = \"…\" }`")
}
