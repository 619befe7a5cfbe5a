//! Python: a virtual environment made in a stage of its own, which the last stage takes over whole.

use landfall_model::{Fault, Kind};

use super::last::Last;
use super::text::{Copy, Run};
use super::{APP, Work, command};
use crate::detect::requirements;

/// The version where the source asks for none.
const VERSION: &str = "3.13";

/// The virtual environment.
const VENV: &str = "/venv";

/// What pip keeps between builds.
const CACHES: [&str; 1] = ["/root/.cache/pip"];

/// Writes it.
pub(super) fn write(work: &mut Work<'_>) -> Result<(), Fault> {
    let image = format!("python:{VERSION}-slim");
    let Some(run) = work.wanted.run.filter(|_| work.wanted.kind != Kind::Site) else {
        return Err(Fault::refused("no Dockerfile can be written for this service"));
    };
    let has_requirements =
        work.detected.iter().any(|one| one.lock_files.first() == Some(&"requirements.txt"));
    if !has_requirements {
        return Err(Fault::refused(
            "no Dockerfile can be written for this service: there is no requirements.txt",
        ));
    }
    work.text.stage(&image, Some("build"));
    work.text.args(work.wanted.args.iter().copied());
    work.text.env(&[
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
        ("PIP_NO_INPUT", "1".to_owned()),
        ("PATH", format!("{VENV}/bin:$PATH")),
    ]);
    work.text.run(&Run::default(), &[&format!("python3 -m venv {VENV}")]);
    work.text.line(&format!("WORKDIR {APP}"));
    let found = requirements::read("requirements.txt", &mut |path| work.read(path))?;
    let with = Run { caches: &CACHES, secrets: work.wanted.secrets };
    let built = work.wanted.build.is_some() || found.local;
    if found.local {
        work.text.copy(&whole(None));
    } else {
        for path in found.files.keys() {
            let to = path.rsplit_once('/').map_or("./".to_owned(), |(above, _)| format!("./{above}/"));
            work.text.copy(&Copy { sources: vec![path.clone()], to, ..Copy::default() });
        }
    }
    let no_cache = if work.wanted.buildkit { "" } else { " --no-cache-dir" };
    work.text.run(&with, &[&format!("pip install{no_cache} -r requirements.txt")]);
    if let Some(build) = work.wanted.build {
        if !found.local {
            work.text.copy(&whole(None));
        }
        work.text.args(work.wanted.env.iter().copied());
        work.text.run_command(&with, build);
    }
    let venv =
        Copy { from: Some("build"), sources: vec![VENV.to_owned()], to: VENV.to_owned(), owned: false };
    let source = if built {
        Copy { from: Some("build"), owned: true, sources: vec![APP.to_owned()], to: APP.to_owned() }
    } else {
        Copy { owned: true, ..whole(None) }
    };
    work.last(&Last {
        image,
        env: vec![
            ("PATH", format!("{VENV}/bin:$PATH")),
            ("VIRTUAL_ENV", VENV.to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ],
        copies: vec![venv, source],
        command: command::words(run),
    });
    work.note(format!("Python {VERSION} with what requirements.txt names, installed by pip"));
    Ok(())
}

/// The whole source.
fn whole(from: Option<&'static str>) -> Copy {
    Copy { from, owned: false, sources: vec![".".to_owned()], to: ".".to_owned() }
}
