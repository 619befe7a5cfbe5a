//! A Dockerfile as far as it matters before a build: its stages, the images it refers to, the ports it names. Nothing is
//! refused: what the builder will not take, the builder says.
//!
//! Format: <https://docs.docker.com/reference/dockerfile/>.

mod lines;
mod words;

use std::collections::BTreeMap;

use lines::Instruction;
use words::{expand, flags, stripped};

/// What a Dockerfile says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Every image that is taken from elsewhere, in order: by `FROM`, `COPY --from` and mounts.
    pub references: Vec<Reference>,
    /// The ports that the last stage's `EXPOSE` names, each with its protocol taken off, without duplicates.
    pub exposes: Vec<u16>,
    /// The frontend that a `# syntax=` line asks for: an image of its own.
    pub syntax: Option<String>,
    /// The names of all build arguments.
    pub args: Vec<String>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What `AS` calls it.
    pub name: Option<String>,
    /// The image or the earlier stage it starts from, variables replaced where their values are known.
    pub from: String,
    /// Its line, from 1.
    pub line: usize,
}

/// An image that is taken from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// As it is written, variables replaced where their values are known.
    pub image: String,
    /// The line, from 1.
    pub line: usize,
}

impl Reference {
    /// Whether it may be another image tomorrow: no digest, and no tag or the tag `latest`. One whose variables are not
    /// known is taken to stand still.
    #[must_use]
    pub fn moves(&self) -> bool {
        if self.image.contains(['@', '$']) || self.image == SCRATCH {
            return false;
        }
        let name = self.image.rsplit('/').next().unwrap_or(&self.image);
        name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
    }
}

/// The image that is none.
const SCRATCH: &str = "scratch";

/// Looks through the text of a Dockerfile.
#[must_use]
pub fn scan(text: &str) -> Scanned {
    let read = lines::read(text);
    let mut scan =
        Scan { found: Scanned { syntax: read.syntax, ..Scanned::default() }, values: BTreeMap::new() };
    for instruction in &read.instructions {
        scan.take(instruction);
    }
    scan.found
}

struct Scan {
    found: Scanned,
    /// The defaults of build arguments that stand before the first stage: the only ones that `FROM` sees.
    values: BTreeMap<String, String>,
}

impl Scan {
    fn take(&mut self, instruction: &Instruction) {
        let line = instruction.line;
        match instruction.name.as_str() {
            "ARG" => self.arg(&instruction.rest),
            "FROM" => self.stage(&instruction.rest, line),
            "COPY" | "ADD" => {
                let (flags, _) = flags(&instruction.rest);
                let from = flags.iter().find_map(|flag| flag.strip_prefix("--from="));
                from.into_iter().for_each(|image| self.refer(image, line));
            }
            "RUN" => {
                let (flags, _) = flags(&instruction.rest);
                for mount in flags.iter().filter_map(|flag| flag.strip_prefix("--mount=")) {
                    let from = mount.split(',').find_map(|part| part.strip_prefix("from="));
                    from.into_iter().for_each(|image| self.refer(image, line));
                }
            }
            "EXPOSE" => {
                for word in instruction.rest.split_whitespace() {
                    let word = expand(word, &self.values);
                    let Ok(port) = word.split('/').next().unwrap_or_default().parse() else { continue };
                    if !self.found.exposes.contains(&port) {
                        self.found.exposes.push(port);
                    }
                }
            }
            _ => {}
        }
    }

    fn arg(&mut self, rest: &str) {
        for word in rest.split_whitespace() {
            let (name, value) =
                word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            if let (Some(value), true) = (value, self.found.stages.is_empty()) {
                let value = expand(stripped(value), &self.values);
                self.values.insert(name.to_owned(), value);
            }
            if !self.found.args.iter().any(|known| known == name) {
                self.found.args.push(name.to_owned());
            }
        }
    }

    fn stage(&mut self, rest: &str, line: usize) {
        let (_, rest) = flags(rest);
        let mut words = rest.split_whitespace();
        let Some(image) = words.next() else { return };
        let name = words.next().filter(|word| word.eq_ignore_ascii_case("as")).and(words.next());
        let from = expand(stripped(image), &self.values);
        self.refer(&from, line);
        self.found.exposes.clear();
        self.found.stages.push(Stage { name: name.map(str::to_owned), from, line });
    }

    /// Notes an image, unless it is an earlier stage by its name or number.
    fn refer(&mut self, image: &str, line: usize) {
        let image = expand(stripped(image), &self.values);
        let named = |stage: &Stage| stage.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&image));
        let numbered = || image.parse::<usize>().is_ok_and(|number| number < self.found.stages.len());
        if !self.found.stages.iter().any(named) && !numbered() && image != SCRATCH {
            self.found.references.push(Reference { image, line });
        }
    }
}

#[cfg(test)]
mod tests;
