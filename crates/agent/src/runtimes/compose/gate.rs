//! The test gate of a project: the new image of one part in a throwaway container, in a project and a network of its own,
//! with the part's variables and none of its data; removed whatever happens.

use std::path::Path;

use landfall_fx::host::{Note, Task};
use landfall_model::{Command, Fault, Release};

use super::overlay::{self, GATE};
use super::pinned::Pinned;
use super::prepare::write;
use super::project::Project;
use super::tool::Call;
use super::up::OVERLAY;
use super::{config, names};
use crate::host::LocalHost;
use crate::runtimes::process::environment::Variables;

/// The gate's own compose file.
const FILE: &str = "landfall.gate.yaml";

impl LocalHost {
    /// Runs the tests of a release in a container of its image.
    pub(super) fn test_project(&self, release: &Release, task: &dyn Task) -> Result<Note, Fault> {
        let pinned = self.pinned_before(release)?;
        let project = Project::open(self, release)?;
        let tested = pinned.tested.as_ref().and_then(|name| Some((name, pinned.parts.get(name)?)));
        let (name, part) = tested.ok_or_else(|| {
            Fault::usage(format!("which service of {} is tested is not said", project.files()))
                .help("add `compose = { service = \"NAME\" }`")
        })?;
        let variables = project.gate_file(&pinned, name, &part.id)?;
        let file = project.own.join(FILE);
        let gate = names::gate(release);
        let call = Call {
            tool: &project.tool,
            project: &gate,
            folder: &project.own,
            files: vec![&file],
            profiles: &[],
        };
        self.clear_project(release, &gate, true)?;
        let tested = release.spec.test.iter().try_for_each(|command| {
            let (program, arguments) = split(command);
            let mut words = vec!["run", "--rm", "-T", "--no-deps", "--entrypoint", program, GATE];
            words.extend(arguments);
            project.perform(call.words(&words), &variables, task).map_err(|fault| Fault {
                message: format!("the test gate `{command}` failed: {}", fault.message),
                ..fault
            })
        });
        let cleared = self.clear_project(release, &gate, true);
        tested.and(cleared).map(|()| Some(format!("in an image of `{name}`")))
    }
}

impl Project<'_> {
    /// Writes the gate's compose file, and gives the variables that its values come from.
    fn gate_file(&self, pinned: &Pinned, name: &str, image: &str) -> Result<Variables, Fault> {
        let over = self.write_overlay(pinned, None)?;
        let config = config::read(&self.ask(&self.call(&[&over]).config())?)?;
        let part = config
            .parts
            .get(name)
            .ok_or_else(|| Fault::machine(format!("`{name}` is not in {} any more", self.files())))?;
        let is_source =
            |source: &str| Path::new(source).starts_with(&self.folder) && Path::new(source).exists();
        let labels = self.host.project_labels(self.release);
        write(&self.own.join(FILE), &overlay::gate(image, part, &labels, &is_source))?;
        let values = part.variables.values().enumerate();
        Ok(values.map(|(number, value)| (overlay::variable(number), value.clone())).collect())
    }

    /// The overlay's path, for whoever needs it with the gate.
    pub(super) fn overlay(&self) -> std::path::PathBuf {
        self.own.join(OVERLAY)
    }
}

/// The program of a command and its arguments.
fn split(command: &Command) -> (&str, Vec<&str>) {
    match command {
        Command::Line(line) => ("sh", vec!["-c", line]),
        Command::Words(words) => {
            let mut words = words.iter().map(String::as_str);
            (words.next().unwrap_or_default(), words.collect())
        }
    }
}
