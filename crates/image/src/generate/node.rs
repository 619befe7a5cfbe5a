//! Node: what runs is installed in a stage of its own, what builds in another, and the last one takes from both.

use landfall_model::{Command, Fault, Kind};

use super::last::Last;
use super::node_manager::Project;
use super::text::{Copy, Run};
use super::work::{built, whole};
use super::{APP, Work, command, next};

/// Writes it.
pub(super) fn write(work: &mut Work<'_>) -> Result<(), Fault> {
    let version = work.node_version();
    let image = format!("node:{version}-slim");
    let project = Project::read(work)?;
    if work.wanted.kind == Kind::Site {
        return site(work, &image, project.as_ref());
    }
    let run = work.run_line()?;
    match &project {
        None => bare(work, &image, run),
        Some(project) if next::stands_alone(work, &project.package, run) => standalone(work, &image, project),
        Some(project) if project.whole => in_one(work, &image, project, run),
        Some(project) => in_stages(work, &image, project, run),
    }
    Ok(())
}

/// Makes Node be in a stage of Python's.
pub(super) fn add_to_python(work: &mut Work<'_>) {
    let version = work.node_version();
    work.note(format!(
        "the build calls Node {version}, too: it is there while the image is built, and not later"
    ));
    let line = format!("COPY --from=node:{version}-slim /usr/local /usr/local");
    work.text.line(&line);
}

/// Installs for a build in a stage of Python's.
///
/// # Errors
/// Files that cannot be used.
pub(super) fn install_in_python(work: &mut Work<'_>) -> Result<(), Fault> {
    if let Some(project) = Project::read(work)? {
        manager(work, &project);
        if !installs_itself(work.wanted.build) {
            project.install(work, true);
        }
    }
    Ok(())
}

/// A site: everything is installed, built, and the files are taken.
fn site(work: &mut Work<'_>, image: &str, project: Option<&Project>) -> Result<(), Fault> {
    work.stage(image, "build");
    let caches = prepare(work, project, true);
    if !project.is_some_and(|project| project.whole) {
        work.copy_all();
    }
    let clean = format!("rm -rf {APP}/node_modules");
    let all = work.output().is_empty();
    work.build(caches, all.then_some(clean.as_str()));
    work.files_of("build");
    Ok(())
}

/// Nothing is installed.
fn bare(work: &mut Work<'_>, image: &str, run: &Command) {
    let mut source = Copy { owned: true, ..whole() };
    if work.wanted.build.is_some() {
        work.stage(image, "build");
        work.text.line(&format!("WORKDIR {APP}"));
        work.copy_all();
        work.build(&["/root/.npm"], None);
        source = built("build");
    }
    work.last(&last(image, vec![source], command::words(run)));
}

/// What is installed and what is built go into the image one after the other.
fn in_stages(work: &mut Work<'_>, image: &str, project: &Project, run: &Command) {
    let development = work.keeps_development(project, run);
    if project.tool().is_some() {
        work.text.stage(image, Some("base"));
        manager(work, project);
    }
    let base = if project.tool().is_some() { "base" } else { image };
    work.stage(base, "dependencies");
    work.text.line(&format!("WORKDIR {APP}"));
    project.install(work, development);
    let mut source = Copy { owned: true, ..whole() };
    if work.wanted.build.is_some() {
        work.stage("dependencies", "build");
        if !development && !installs_itself(work.wanted.build) {
            project.install_development(work);
        }
        work.copy_all();
        work.build(project.caches(), Some(&format!("rm -rf {APP}/node_modules")));
        source = built("build");
    }
    let modules = Copy {
        from: Some("dependencies"),
        owned: false,
        sources: vec![format!("{APP}/node_modules")],
        to: "./node_modules".to_owned(),
    };
    work.last(&last(base, vec![modules, source], command::words(run)));
}

/// The install needs the source, so that there is nothing to keep apart.
fn in_one(work: &mut Work<'_>, image: &str, project: &Project, run: &Command) {
    let base = if project.tool().is_some() { "base" } else { image };
    if project.tool().is_some() {
        work.text.stage(image, Some("base"));
        manager(work, project);
    }
    work.stage(base, "build");
    work.text.line(&format!("WORKDIR {APP}"));
    project.install(work, true);
    work.build(project.caches(), None);
    work.last(&last(base, vec![built("build")], command::words(run)));
}

/// Next.js' own small server.
fn standalone(work: &mut Work<'_>, image: &str, project: &Project) {
    work.note("Next.js writes a server that stands alone (`output: \"standalone\"`): it is what runs, instead of `run`");
    work.stage(image, "build");
    work.text.env(&[("NEXT_TELEMETRY_DISABLED", "1".to_owned())]);
    let caches = prepare(work, Some(project), true);
    if !project.whole {
        work.copy_all();
    }
    let mut all = caches.to_vec();
    all.push("/app/.next/cache");
    work.build(&all, None);
    let part = |from: &str, to: &str| Copy {
        from: Some("build"),
        owned: true,
        sources: vec![format!("{APP}/{from}")],
        to: to.to_owned(),
    };
    let mut copies = vec![part(".next/standalone", "./"), part(".next/static", "./.next/static")];
    if work.has_folder("public") {
        copies.push(part("public", "./public"));
    }
    let mut last = last(image, copies, vec!["node".to_owned(), "server.js".to_owned()]);
    last.env.push(("HOSTNAME", "0.0.0.0".to_owned()));
    last.env.push(("NEXT_TELEMETRY_DISABLED", "1".to_owned()));
    work.last(&last);
}

/// Makes the manager and what is installed be in this stage; gives the folders that are kept between builds.
fn prepare(work: &mut Work<'_>, project: Option<&Project>, development: bool) -> &'static [&'static str] {
    let Some(project) = project else {
        work.text.line(&format!("WORKDIR {APP}"));
        return &["/root/.npm"];
    };
    manager(work, project);
    work.text.line(&format!("WORKDIR {APP}"));
    if project.whole || !installs_itself(work.wanted.build) {
        project.install(work, development);
    } else {
        work.note(
            "`build` installs by itself, so every change of the source installs anew: leave it to Landfall",
        );
    }
    project.caches()
}

/// Brings the manager into a stage whose image has none of it, or another version.
fn manager(work: &mut Work<'_>, project: &Project) {
    let env: Vec<(&str, String)> =
        project.env().iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    work.text.env(&env);
    if let Some(tool) = project.tool() {
        let with = Run { caches: &["/root/.npm"], secrets: &[] };
        work.text.run(
            &with,
            &[&format!(
                "npm install --global{} {tool}",
                if tool.starts_with("yarn") { " --force" } else { "" }
            )],
        );
    }
}

fn last(image: &str, copies: Vec<Copy>, command: Vec<String>) -> Last {
    let env = vec![("PATH", format!("{APP}/node_modules/.bin:$PATH")), ("NODE_ENV", "production".to_owned())];
    Last { image: image.to_owned(), env, packages: &[], copies, command }
}

/// Whether a build has an install of its own, before which another would be for nothing.
fn installs_itself(build: Option<&Command>) -> bool {
    let Some(build) = build else { return false };
    let line = build.to_string();
    ["npm ci", "npm install", "npm i ", "pnpm install", "pnpm i ", "yarn install"]
        .iter()
        .any(|install| line.contains(install))
}

impl Work<'_> {
    /// Whether what is for development stays: the test gate needs it, or what runs calls it.
    fn keeps_development(&mut self, project: &Project, run: &Command) -> bool {
        if !project.can_leave_out() {
            return true;
        }
        if self.wanted.tested {
            self.note("devDependencies are in the image, for the test gate runs in it");
            return true;
        }
        let mut line = run.to_string();
        let scripts = line
            .split_whitespace()
            .filter_map(|word| project.package.script(word))
            .collect::<Vec<_>>()
            .join(" ");
        line.push(' ');
        line.push_str(&scripts);
        let calls = |name: &str| {
            let tool = if name == "typescript" { "tsc" } else { name.rsplit('/').next().unwrap_or(name) };
            line.split(|c: char| c.is_whitespace() || c == '/').any(|word| word == tool)
        };
        if let Some(name) = project.package.development().find(|name| calls(name)) {
            let note = format!("devDependencies are in the image, for what runs calls {name}");
            self.note(note);
            return true;
        }
        self.note("devDependencies are there while the image is built, and not later");
        false
    }
}
