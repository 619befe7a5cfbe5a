//! The real `docker compose`: finding it, and what it is called with. The second generation is a plugin of `docker` or a
//! program of its own, the first only ever the latter; what is asked of them here both understand.

use std::path::Path;

use landfall_model::Fault;

/// Which of the two it is; they differ in how a configuration is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    One,
    Two,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    words: &'static [&'static str],
    pub(super) generation: Generation,
    /// As it says it.
    pub(super) version: String,
}

/// In the order in which they are tried.
const TOOLS: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];

/// Finds the tool. `version` gives what a command prints that ends well.
///
/// # Errors
/// When there is none, with what to install.
pub(super) fn find(mut version: impl FnMut(&[String]) -> Option<String>) -> Result<Tool, Fault> {
    for words in TOOLS {
        let asked: Vec<String> =
            words.iter().chain(&["version", "--short"]).map(|w| (*w).to_owned()).collect();
        let Some(said) = version(&asked) else { continue };
        let said = said.lines().last().unwrap_or_default().trim().trim_start_matches('v').to_owned();
        let generation = if said.starts_with("1.") { Generation::One } else { Generation::Two };
        return Ok(Tool { words, generation, version: said });
    }
    Err(Fault::machine("there is no docker compose on this host: neither `docker compose` nor `docker-compose` answers")
        .help("install Docker's compose plugin (`docker-compose-plugin` of Docker's packages, `docker-compose` of Debian's and Ubuntu's)"))
}

/// A project as the tool is told of it.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) tool: &'a Tool,
    /// The project's name.
    pub(super) project: &'a str,
    /// What paths in the files are relative to.
    pub(super) folder: &'a Path,
    /// The files, the later over the earlier.
    pub(super) files: Vec<&'a Path>,
    pub(super) profiles: &'a [String],
}

impl Call<'_> {
    /// The words of a command for the project.
    pub(super) fn words(&self, command: &[&str]) -> Vec<String> {
        let mut words: Vec<String> = self.tool.words.iter().map(|word| (*word).to_owned()).collect();
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        flag("--project-name", self.project.to_owned());
        flag("--project-directory", self.folder.display().to_string());
        self.files.iter().for_each(|file| flag("--file", self.folder.join(file).display().to_string()));
        self.profiles.iter().for_each(|profile| flag("--profile", profile.clone()));
        words.extend(command.iter().map(|word| (*word).to_owned()));
        words
    }

    /// The words that show the configuration with every default and variable filled in.
    pub(super) fn config(&self) -> Vec<String> {
        match self.tool.generation {
            Generation::One => self.words(&["config"]),
            Generation::Two => self.words(&["config", "--format", "json"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_generation_is_preferred() {
        let tool = find(|words| (words[0] == "docker").then(|| "v2.26.1-4\n".to_owned())).unwrap();
        assert_eq!((tool.generation, tool.version.as_str()), (Generation::Two, "2.26.1-4"));
        let old = |words: &[String]| (words[0] == "docker-compose").then(|| "1.29.2\n".to_owned());
        assert_eq!(find(old).unwrap().generation, Generation::One);
        let alone = |words: &[String]| (words[0] == "docker-compose").then(|| "2.30.0\n".to_owned());
        assert_eq!(find(alone).unwrap().generation, Generation::Two);
        let fault = find(|_| None).unwrap_err();
        assert!(fault.help.unwrap().contains("docker-compose-plugin"));
    }

    #[test]
    fn a_call_is_a_list_of_words() {
        let tool = find(|_| Some("2.26.1".to_owned())).unwrap();
        let (files, profiles) =
            (vec![Path::new("compose.yaml"), Path::new("/own/pins.json")], ["debug".to_owned()]);
        let call =
            Call { tool: &tool, project: "a_dev_web", folder: Path::new("/r"), files, profiles: &profiles };
        assert_eq!(
            call.words(&["up", "--detach"]).join(" "),
            "docker compose --project-name a_dev_web --project-directory /r --file /r/compose.yaml --file /own/pins.json --profile debug up --detach"
        );
    }
}
