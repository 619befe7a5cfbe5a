//! Python: a virtual environment made in a stage of its own, which the last stage takes over whole.

use landfall_model::{Dependencies, Fault, Kind};

use super::last::Last;
use super::text::{Copy, Run};
use super::work::{built, whole};
use super::{APP, Work, command, node};
use crate::detect::requirements::Found;

/// The virtual environment.
pub(super) const VENV: &str = "/venv";

/// What is to be installed.
#[derive(Debug)]
pub(super) enum Install {
    /// `uv.lock`, by uv.
    Uv { whole: bool },
    /// `poetry.lock`, by Poetry.
    Poetry,
    /// A file of requirements and those it draws in.
    Requirements { first: &'static str, found: Found },
    /// The dependencies that `pyproject.toml` names.
    Named(Vec<String>),
    /// MkDocs itself, which a site is built with that says nothing of its dependencies.
    MkDocs(Vec<String>),
    /// Nothing.
    Nothing,
}

/// Packages that are only had as source: what builds them, and what they need when they run.
const NATIVE: [(&str, &[&str], &[&str]); 3] = [
    ("psycopg2", &["gcc", "libc6-dev", "libpq-dev"], &["libpq5"]),
    ("mysqlclient", &["default-libmysqlclient-dev", "gcc", "libc6-dev", "pkg-config"], &["libmariadb3"]),
    ("uwsgi", &["gcc", "libc6-dev"], &[]),
];

/// Writes it.
pub(super) fn write(work: &mut Work<'_>, with_node: bool) -> Result<(), Fault> {
    let version = work.python_version();
    let image = format!("python:{version}-slim");
    let install = work.python_install()?;
    let is_project = matches!(install, Install::Uv { .. } | Install::Poetry | Install::Named(_));
    let is_site = work.wanted.kind == Kind::Site;
    let run = if is_site { None } else { Some(work.run_line()?) };
    let bare = matches!(install, Install::Nothing) && work.wanted.build.is_none();
    let native = work.native()?;
    let mut copies = Vec::new();
    let mut sees_source = false;
    if !bare {
        work.stage(&image, "build");
        work.text.env(&[
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
            ("PIP_NO_INPUT", "1".to_owned()),
            ("PATH", format!("{VENV}/bin:$PATH")),
            ("VIRTUAL_ENV", VENV.to_owned()),
        ]);
        work.packages(&native.build);
        if with_node {
            node::add_to_python(work);
        }
        work.text.line(&format!("WORKDIR {APP}"));
        sees_source = work.install_python(&install);
        if with_node {
            node::install_in_python(work)?;
        }
        if work.wanted.build.is_some() {
            if !sees_source {
                work.copy_all();
            }
            sees_source = true;
            let clean = format!("rm -rf {APP}/node_modules");
            work.build(&["/root/.cache/pip"], with_node.then_some(clean.as_str()));
        }
        copies.push(Copy {
            from: Some("build"),
            sources: vec![VENV.to_owned()],
            to: VENV.to_owned(),
            owned: false,
        });
    }
    let Some(run) = run else {
        work.files_of("build");
        return Ok(());
    };
    copies.push(if sees_source { built("build") } else { Copy { owned: true, ..whole() } });
    let mut env = vec![("PYTHONUNBUFFERED", "1".to_owned()), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())];
    if !bare {
        env.insert(0, ("PATH", format!("{VENV}/bin:$PATH")));
        env.insert(1, ("VIRTUAL_ENV", VENV.to_owned()));
    }
    if is_project {
        // The project itself is not installed: its source is where it runs, as it is for processes.
        let src = if work.has_folder("src") { format!("{APP}/src:") } else { String::new() };
        env.push(("PYTHONPATH", format!("{src}{APP}")));
    }
    let packages = native.run;
    work.last(&Last { image, env, packages, copies, command: command::words(run) });
    if work.wanted.dependencies == Dependencies::Auto && matches!(install, Install::Nothing) {
        work.note("Python alone: there is no file that names dependencies");
    }
    Ok(())
}

/// Packages of Debian's that a source needs.
struct Native {
    build: Vec<&'static str>,
    run: &'static [&'static str],
}

impl Work<'_> {
    /// What has to be there for packages that are built where they are installed, and for those that come from git.
    fn native(&mut self) -> Result<Native, Fault> {
        let mut native = Native { build: Vec::new(), run: &[] };
        let Some(first) = self.python().and_then(|one| one.lock_files.first().copied()) else {
            return Ok(native);
        };
        let text = self.read(first)?.to_lowercase();
        for (name, build, run) in NATIVE {
            if names_package(&text, name) {
                native.build.extend_from_slice(build);
                native.run = run;
                self.note(format!(
                    "{first} names {name}, which is compiled: {} are installed for it",
                    build.join(", ")
                ));
            }
        }
        if text.contains("git+") || text.contains("git = \"") {
            native.build.push("git");
        }
        native.build.sort_unstable();
        native.build.dedup();
        Ok(native)
    }

    /// Installs into the environment; whether the whole source was copied for it.
    fn install_python(&mut self, install: &Install) -> bool {
        let caches = match install {
            Install::Uv { .. } => ["/root/.cache/uv"],
            Install::Poetry => ["/root/.cache/pypoetry"],
            _ => ["/root/.cache/pip"],
        };
        let with = Run { caches: &caches, secrets: self.wanted.secrets };
        self.python_install_lines(install, &with)
    }
}

/// Whether a file names a package by itself: `psycopg2==2.9`, `"psycopg2>=2"`, `name = "psycopg2"`; not `psycopg2-binary`.
fn names_package(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part))
}
