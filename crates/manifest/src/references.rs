//! Resolves references in a service's strings: `${service.NAME.url}`, `${env.NAME}`, `${volume.NAME}`.
//!
//! Addresses and variables are known now and replaced. A volume's path is known on the host only: in values it stays a
//! part of the `Template`, in shell lines it becomes the variable that the host sets.

use std::collections::{BTreeMap, BTreeSet};

use landfall_model::{Command, Part, Route, ServiceName, SourceSpan, Template};

use crate::load::Context;
use crate::parts;
use crate::report::{Problem, Report};
use crate::scan::{NAMESPACES, Piece, Rest, pieces};
use crate::service::{self, Draft};
use crate::suggest;
use crate::tree::{Node, Table, Value};

/// The strings of a service without references but to volumes.
#[derive(Default)]
pub(crate) struct Texts {
    pub(crate) run: Option<Command>,
    pub(crate) build: Option<Command>,
    pub(crate) test: Vec<Command>,
    pub(crate) output: Option<String>,
    pub(crate) env: BTreeMap<String, Template>,
    /// The other services that it refers to, each once, with the first place that does.
    pub(crate) after: Vec<(ServiceName, SourceSpan)>,
}

/// The texts of each draft.
pub(crate) fn resolve(
    drafts: &[Draft],
    routes: &[Option<Route>],
    text: &str,
    context: &Context<'_>,
    report: &mut Report,
) -> Vec<Texts> {
    let index = drafts.iter().enumerate().map(|(index, draft)| (draft.name.as_str(), index)).collect();
    let secrets = drafts.iter().flat_map(|draft| service::secret_needs(&draft.table)).map(|need| need.name);
    let world = World { drafts, routes, index, secrets: secrets.collect(), text, context };
    let texts = drafts.iter().map(|own| {
        let volumes = parts::volumes(&own.table);
        Reader { world: &world, own, volumes, after: Vec::new(), report: &mut *report }.read()
    });
    texts.collect()
}

/// What references can name.
struct World<'a> {
    drafts: &'a [Draft],
    routes: &'a [Option<Route>],
    index: BTreeMap<&'a str, usize>,
    secrets: BTreeSet<String>,
    text: &'a str,
    context: &'a Context<'a>,
}

/// Where a string stands decides what may be in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The value of a variable.
    Value,
    /// A shell line.
    Line,
    /// A word that no shell sees.
    Word,
    /// The folder of a site.
    Folder,
}

struct Reader<'a, 'r> {
    world: &'a World<'a>,
    own: &'a Draft,
    volumes: BTreeMap<String, String>,
    after: Vec<(ServiceName, SourceSpan)>,
    report: &'r mut Report,
}

impl Reader<'_, '_> {
    fn read(mut self) -> Texts {
        let table = &self.own.table;
        let run = table.get("run").and_then(|node| self.command(node));
        let build = table.get("build").and_then(|node| {
            self.command(node.table().map_or(node, |build| build.get("run").unwrap_or(node)))
        });
        let test = match table.get("test") {
            Some(Node { value: Value::List(lines), .. }) => {
                lines.iter().filter_map(|line| self.command(line)).collect()
            }
            Some(line) => self.command(line).into_iter().collect(),
            None => Vec::new(),
        };
        let output = table.get("output").and_then(|node| Some(self.plain(node, node.text()?, Place::Folder)));
        let entries = table.table("env").into_iter().flat_map(|env: &Table| &env.entries);
        let env = entries.filter_map(|entry| Some((entry.key.clone(), self.value(&entry.node)?))).collect();
        Texts { run, build, test, output, env, after: self.after }
    }

    fn command(&mut self, node: &Node) -> Option<Command> {
        match &node.value {
            Value::Text(line) => Some(Command::Line(self.plain(node, line, Place::Line))),
            Value::List(words) => {
                let words = words.iter().filter_map(|word| Some(self.plain(word, word.text()?, Place::Word)));
                let words: Vec<String> = words.collect();
                if words.first().is_some_and(|program| program.trim().is_empty()) {
                    self.report
                        .add(Problem::error("the first word, the program, is empty").at(node.span, ""));
                }
                Some(Command::Words(words))
            }
            _ => None,
        }
    }

    fn value(&mut self, node: &Node) -> Option<Template> {
        match &node.value {
            Value::Text(text) => Some(Template::new(self.parts(node, text, Place::Value))),
            Value::Integer(number) => Some(Template::text(number.as_ref()?.to_string())),
            Value::Flag(flag) => Some(Template::text(flag.to_string())),
            _ => None,
        }
    }

    fn plain(&mut self, node: &Node, text: &str, place: Place) -> String {
        let parts = self.parts(node, text, place);
        let text = |part| match part {
            Part::Text(text) => text,
            Part::Volume(name) => format!("${{{}}}", variable_of(&name)),
        };
        parts.into_iter().map(text).collect()
    }

    /// The string's parts: no two texts beside each other, at least one part.
    fn parts(&mut self, node: &Node, text: &str, place: Place) -> Vec<Part> {
        let rest = if matches!(place, Place::Value | Place::Folder) { Rest::Mistake } else { Rest::Shell };
        let mut parts: Vec<Part> = Vec::new();
        let mut plain = String::new();
        for piece in pieces(text, rest) {
            let resolved = match piece {
                Piece::Text(text) => Ok(Part::Text(text.to_owned())),
                Piece::Open => Err(Problem::error("`${` without a `}`")
                    .at(node.span, "")
                    .help("close it, or write `$${` for a literal `${`")),
                Piece::Reference { inner, nth } => {
                    let span = self.place_of(node, inner, nth);
                    self.reference(inner, span, place)
                }
            };
            match resolved {
                Ok(Part::Text(text)) => plain.push_str(&text),
                Ok(Part::Volume(name)) => {
                    // A template is stored as text, in which `$${` would be read as a literal.
                    if place == Place::Value && plain.ends_with('$') {
                        let problem = Problem::error("a `$` stands right before a volume's path");
                        self.report.add(problem.at(node.span, "").help("put something between them"));
                    }
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Volume(name));
                }
                Err(problem) => self.report.add(problem),
            }
        }
        if !plain.is_empty() || parts.is_empty() {
            parts.push(Part::Text(plain));
        }
        parts
    }

    fn reference(&mut self, inner: &str, span: SourceSpan, place: Place) -> Result<Part, Problem> {
        let (namespace, rest) = inner.split_once('.').unwrap_or((inner, ""));
        match namespace {
            "env" if !rest.is_empty() => self.variable(rest, span, place).map(Part::Text),
            "service" => self.service(rest, span, place).map(Part::Text),
            "volume" => self.volume(rest, span, place),
            _ => Err(unknown(inner, namespace, rest, span)),
        }
    }

    fn variable(&self, name: &str, span: SourceSpan, place: Place) -> Result<String, Problem> {
        if self.world.secrets.contains(name) {
            return Err(Problem::error(format!(
                "`{name}` is a secret, and what stands here is written down in plans"
            ))
            .at(span, "")
            .help(format!("name it in `secrets` and read ${name} in the application")));
        }
        let Some(value) = (self.world.context.variable)(name) else {
            return Err(Problem::missing(format!("the environment variable `{name}` is not set"))
                .at(span, "taken from the environment of this command")
                .help(format!("set it, as in `{name}=… landfall deploy`")));
        };
        if value.contains('\0') || (place == Place::Line && !value.chars().all(is_harmless)) {
            return Err(Problem::error(format!("the value of `{name}` holds what the shell would act on"))
                .at(span, "this is part of a shell line")
                .help(format!(
                    "write `env = {{ {name} = \"${{env.{name}}}\" }}` and \"${name}\" in the line"
                )));
        }
        Ok(value)
    }

    fn service(&mut self, rest: &str, span: SourceSpan, place: Place) -> Result<String, Problem> {
        let (name, what) = rest.rsplit_once('.').unwrap_or((rest, ""));
        let Some(&index) = self.world.index.get(name) else {
            let known = self.world.index.keys().copied();
            return Err(Problem::error(format!("there is no service `{name}`"))
                .at(span, "")
                .maybe_help(suggest::help(name, known)));
        };
        if !matches!(what, "url" | "host") {
            let help = format!("write `${{service.{name}.url}}` or `${{service.{name}.host}}`");
            return Err(Problem::error(format!("a service has no `{what}`")).at(span, "").help(help));
        }
        if place == Place::Folder {
            return Err(Problem::error("an address is no part of a folder's name").at(span, ""));
        }
        let other = &self.world.drafts[index];
        if name != self.own.name.as_str() && self.after.iter().all(|(after, _)| *after != other.name) {
            self.after.push((other.name.clone(), span));
        }
        match &self.world.routes[index] {
            Some(route) if what == "url" => Ok(route.url()),
            Some(route) => Ok(host_of(&route.url())),
            // What is wrong with the other service has been said there.
            None if other.kind.is_none() || other.is_routable() => Ok(String::new()),
            None => Err(Problem::error(format!("`{name}` has no address"))
                .at(span, "")
                .at(other.at, "it is a worker, to which no requests come")),
        }
    }

    fn volume(&self, name: &str, span: SourceSpan, place: Place) -> Result<Part, Problem> {
        if !self.volumes.contains_key(name) {
            let problem = Problem::error(format!("`{}` has no volume `{name}`", self.own.name)).at(span, "");
            let known = self.volumes.keys().map(String::as_str);
            let add = || format!("add `volumes = {{ {name} = \"/{name}\" }}`");
            return Err(problem.help(suggest::help(name, known).unwrap_or_else(add)));
        }
        let variable = variable_of(name);
        match place {
            Place::Value | Place::Line => Ok(Part::Volume(name.to_owned())),
            Place::Word => Err(Problem::error(
                "a volume's path is known on the host only, and no shell fills it in here",
            )
            .at(span, "")
            .help(format!("write a shell line, or let the program read ${variable}"))),
            Place::Folder => Err(Problem::error("a volume is no part of an artifact").at(span, "")),
        }
    }

    /// Where a reference stands in the text; the whole string when it is written with escapes.
    fn place_of(&self, node: &Node, inner: &str, nth: usize) -> SourceSpan {
        let raw = self.world.text.get(node.span.start..node.span.end).unwrap_or_default();
        let written = format!("${{{inner}}}");
        // An escaped one (`$${…}`) looks alike and does not count.
        let real = raw.match_indices(&written).filter(|(at, _)| !raw[..*at].ends_with('$'));
        real.map(|(at, _)| node.span.start + at)
            .nth(nth)
            .map_or(node.span, |start| SourceSpan { start, end: start + written.len() })
    }
}

/// The variable in which the host gives a volume's path.
fn variable_of(volume: &str) -> String {
    format!("LANDFALL_VOLUME_{}", volume.to_uppercase().replace('-', "_"))
}

/// Characters that no shell acts on, quoted or not.
fn is_harmless(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c)
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let port = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    authority[..port.unwrap_or(authority.len())].to_owned()
}

fn unknown(inner: &str, namespace: &str, rest: &str, span: SourceSpan) -> Problem {
    let problem = Problem::error(format!("`${{{inner}}}` refers to nothing")).at(span, "");
    let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if rest.is_empty() && !inner.is_empty() && inner.chars().all(upper) {
        return problem
            .help(format!("write `${{env.{inner}}}`, or `$${{{inner}}}` if it is to stay as it is"));
    }
    problem.help(match suggest::nearest(namespace, NAMESPACES) {
        Some(nearest) if !rest.is_empty() && nearest != namespace => format!("did you mean `${{{nearest}.{rest}}}`?"),
        _ => "there are `${service.NAME.url}`, `${env.NAME}` and `${volume.NAME}`; a literal `${` is written `$${`"
            .to_owned(),
    })
}
