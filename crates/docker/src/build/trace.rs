//! What BuildKit says of its progress, to lines, and to the step that failed: pure.

use std::collections::HashMap;

use landfall_model::{Millis, Stream};

use super::failure::{Failed, Tail};
use super::session::{StatusResponse, Vertex, VertexLog};

/// What a person need not see: how the Dockerfile and the context get to the builder.
const INTERNAL: &str = "[internal]";

/// The longest line that waits for its end.
const MAX_LINE: usize = 16 * 1024;

/// Follows a build.
#[derive(Debug, Default)]
pub(super) struct Trace {
    steps: HashMap<String, Step>,
    failed: Option<String>,
}

/// A step that was heard of.
#[derive(Debug)]
struct Step {
    /// In the order in which they were first heard of, from 1: many run at once, and lines say whose they are.
    number: usize,
    name: String,
    /// What it has printed without a line's end, of either stream.
    rest: [Vec<u8>; 2],
    tail: Tail,
    told: Told,
}

/// What was said of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Told {
    Nothing,
    Begun,
    Over,
}

impl Trace {
    /// Takes how the build stands, and gives on what is new.
    pub(super) fn take(&mut self, status: &StatusResponse, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        for vertex in &status.vertexes {
            self.vertex(vertex, lines);
        }
        for log in &status.logs {
            self.log(log, lines);
        }
    }

    /// Gives on what never got its line's end.
    pub(super) fn end(&mut self, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        for step in self.steps.values_mut() {
            for stream in [Stream::Out, Stream::Err] {
                let rest = std::mem::take(&mut step.rest[stream as usize]);
                if !rest.is_empty() {
                    step.line(stream, &rest, lines);
                }
            }
        }
    }

    /// The step that failed first.
    pub(super) fn failed(&self) -> Option<Failed> {
        let step = self.steps.get(self.failed.as_ref()?)?;
        let (number, instruction) = split(&step.name);
        Some(Failed {
            number: number.map(str::to_owned),
            instruction: instruction.to_owned(),
            tail: step.tail.clone(),
        })
    }

    fn vertex(&mut self, vertex: &Vertex, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        let number = self.steps.values().filter(|step| step.told != Told::Nothing).count() + 1;
        let step = self.steps.entry(vertex.digest.clone()).or_insert_with(|| Step::new(&vertex.name));
        let shown = !vertex.name.starts_with(INTERNAL) && !vertex.name.is_empty();
        if step.told == Told::Nothing && shown && (vertex.started.is_some() || vertex.cached) {
            step.number = number;
            step.told = Told::Begun;
            lines(Stream::Out, &format!("#{number} {}", vertex.name));
        }
        if step.told == Told::Begun && (vertex.cached || vertex.completed.is_some()) {
            step.told = Told::Over;
            let how = match (vertex.started, vertex.completed) {
                _ if vertex.cached => "CACHED".to_owned(),
                _ if !vertex.error.is_empty() => format!("ERROR: {}", vertex.error),
                (Some(started), Some(completed)) => format!("DONE {}", Millis(completed.since(started))),
                _ => "DONE".to_owned(),
            };
            lines(Stream::Out, &format!("#{} {how}", step.number));
        }
        // What was not begun because another step failed is told with an error too.
        if self.failed.is_none()
            && shown
            && !vertex.error.is_empty()
            && !vertex.error.contains("context canceled")
        {
            self.failed = Some(vertex.digest.clone());
        }
    }

    fn log(&mut self, log: &VertexLog, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        let Some(step) = self.steps.get_mut(&log.vertex) else { return };
        let stream = if log.stream == 2 { Stream::Err } else { Stream::Out };
        for byte in &log.msg {
            let rest = &mut step.rest[stream as usize];
            if *byte != b'\n' && rest.len() < MAX_LINE {
                rest.push(*byte);
                continue;
            }
            let line = std::mem::take(rest);
            step.line(stream, &line, lines);
            if *byte != b'\n' {
                step.rest[stream as usize].push(*byte);
            }
        }
    }
}

impl Step {
    fn new(name: &str) -> Self {
        Self {
            number: 0,
            name: name.to_owned(),
            rest: [Vec::new(), Vec::new()],
            tail: Tail::default(),
            told: Told::Nothing,
        }
    }

    fn line(&mut self, stream: Stream, line: &[u8], lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        let text = String::from_utf8_lossy(line);
        // Of a progress bar that overwrites itself, the last state.
        let text = text.trim_end().rsplit('\r').next().unwrap_or_default();
        self.tail.push(text);
        lines(stream, &format!("#{} {text}", self.number));
    }
}

/// `[build 2/4] RUN make` as its number and its instruction.
fn split(name: &str) -> (Option<&str>, &str) {
    let parts = name.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match parts {
        Some((number, instruction)) if number.contains('/') => (Some(number.trim()), instruction),
        _ => (None, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::session::Moment;

    fn vertex(digest: &str, name: &str) -> Vertex {
        Vertex {
            digest: digest.into(),
            name: name.into(),
            started: Some(Moment::default()),
            ..Vertex::default()
        }
    }

    fn log(digest: &str, stream: i64, msg: &str) -> VertexLog {
        VertexLog { vertex: digest.into(), stream, msg: msg.into() }
    }

    #[test]
    fn steps_and_their_lines_are_told_by_number() {
        let mut trace = Trace::default();
        let mut seen = Vec::new();
        let mut lines = |stream: Stream, line: &str| seen.push(format!("{stream:?} {line}"));
        let completed = Some(Moment { seconds: 2, nanos: 500_000_000 });
        trace.take(
            &StatusResponse {
                vertexes: vec![
                    vertex("i", "[internal] load build context"),
                    Vertex { cached: true, ..vertex("a", "[1/3] FROM x") },
                    vertex("b", "[2/3] RUN make"),
                ],
                logs: vec![log("b", 1, "half"), log("b", 2, "bad\n"), log("b", 1, " done\r100%\nrest")],
            },
            &mut lines,
        );
        trace.take(
            &StatusResponse {
                vertexes: vec![Vertex { completed, ..vertex("b", "[2/3] RUN make") }],
                logs: vec![],
            },
            &mut lines,
        );
        trace.end(&mut lines);
        let expected = [
            "Out #1 [1/3] FROM x",
            "Out #1 CACHED",
            "Out #2 [2/3] RUN make",
            "Err #2 bad",
            "Out #2 100%",
            "Out #2 DONE 2.5 s",
            "Out #2 rest",
        ];
        assert_eq!(seen, expected);
        assert_eq!(trace.failed(), None);
    }

    #[test]
    fn the_step_that_failed_first_is_the_one() {
        let mut trace = Trace::default();
        let error = "executor failed running [/bin/sh -c make]: exit code: 2".to_owned();
        let status = StatusResponse {
            vertexes: vec![
                Vertex { error: "context canceled".into(), ..vertex("c", "[a 1/2] RUN other") },
                Vertex { error, ..vertex("b", "[build 2/3] RUN make") },
            ],
            logs: vec![log("b", 2, "no rule\n")],
        };
        trace.take(&status, &mut |_, _| ());
        let failed = trace.failed().unwrap();
        assert_eq!((failed.number.as_deref(), &*failed.instruction), (Some("build 2/3"), "RUN make"));
    }
}
