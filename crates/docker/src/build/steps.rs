//! What the classic builder says, to lines and to the step that it is at: pure.

use landfall_model::Stream;

use super::failure::{Failed, Tail};

/// What the classic builder colours its `RUN`'s standard error with.
const RED: &str = "\u{1b}[91m";
/// What ends a colour.
const PLAIN: &str = "\u{1b}[0m";

/// The longest line that waits for its end, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// What the builder itself says between the lines of a step.
const OWN: [&str; 2] = [" --->", "Removing intermediate container "];

/// Follows a classic build.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// What came without its line's end.
    rest: String,
    /// Whether the rest is standard error.
    red: bool,
    current: Option<Failed>,
}

impl Steps {
    /// Takes what the builder printed, and gives each whole line on.
    pub(super) fn take(&mut self, text: &str, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        let mut text = text;
        while let Some((before, after)) = text.split_once('\n') {
            self.wait(before, lines);
            let line = std::mem::take(&mut self.rest);
            self.line(line.trim_end(), lines);
            text = after;
        }
        self.wait(text, lines);
    }

    /// Puts what has no end yet to the rest, and gives on what is too long to wait for it.
    fn wait(&mut self, mut text: &str, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        while self.rest.len() + text.len() > MAX_LINE {
            let room =
                (0..=MAX_LINE - self.rest.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            self.rest.push_str(&text[..room]);
            text = &text[room..];
            let piece = std::mem::take(&mut self.rest);
            self.line(&piece, lines);
        }
        self.rest.push_str(text);
    }

    /// Gives on what never got its line's end.
    pub(super) fn end(&mut self, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.line(rest.trim_end(), lines);
        }
    }

    /// The step that the build is at.
    pub(super) fn current(&self) -> Option<&Failed> {
        self.current.as_ref()
    }

    fn line(&mut self, line: &str, lines: &mut (dyn FnMut(Stream, &str) + Send)) {
        self.red = (self.red || line.contains(RED)) && !line.starts_with(PLAIN);
        let stream = if self.red { Stream::Err } else { Stream::Out };
        if let Some(end) = line.rfind(PLAIN) {
            self.red = line[end..].contains(RED);
        }
        let line = line.replace(RED, "").replace(PLAIN, "");
        if line.is_empty() {
            return;
        }
        if let Some(step) = step(&line) {
            self.current = Some(step);
        } else if let Some(current) = &mut self.current
            && !OWN.iter().any(|words| line.starts_with(words))
        {
            current.tail.push(&line);
        }
        lines(stream, &line);
    }
}

/// `Step 2/4 : RUN make` as a step.
fn step(line: &str) -> Option<Failed> {
    let (number, instruction) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let counts =
        number.split_once('/').is_some_and(|(at, of)| at.parse::<u32>().is_ok() && of.parse::<u32>().is_ok());
    counts.then(|| Failed {
        number: Some(number.to_owned()),
        instruction: instruction.to_owned(),
        tail: Tail::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_the_step_is_followed() {
        let mut steps = Steps::default();
        let mut seen = Vec::new();
        let mut lines = |stream: Stream, line: &str| seen.push((stream, line.to_owned()));
        for text in [
            "Step 1/2 : FROM x\n",
            " ---> 0123\n",
            "Step 2/2 ",
            ": RUN make\n",
            "\u{1b}[91mbad\n",
            "\u{1b}[0m",
            "good\n",
        ] {
            steps.take(text, &mut lines);
        }
        steps.end(&mut lines);
        let of = |stream| move |seen: &&(Stream, String)| seen.0 == stream;
        assert_eq!(seen.iter().filter(of(Stream::Err)).map(|seen| &*seen.1).collect::<Vec<_>>(), ["bad"]);
        assert_eq!(seen.last().unwrap(), &(Stream::Out, "good".to_owned()));
        let current = steps.current().unwrap();
        assert_eq!((current.number.as_deref(), &*current.instruction), (Some("2/2"), "RUN make"));
    }

    #[test]
    fn a_line_without_an_end_is_given_on_in_pieces() {
        let mut steps = Steps::default();
        let mut seen = Vec::new();
        let mut lines = |_: Stream, line: &str| seen.push(line.to_owned());
        let all = "ä€x".repeat(MAX_LINE);
        for text in all.as_bytes().chunks(6 * 1000) {
            steps.take(str::from_utf8(text).unwrap(), &mut lines);
            assert!(steps.rest.len() <= MAX_LINE);
        }
        steps.take("\nshort\n", &mut lines);
        assert_eq!(seen.pop().as_deref(), Some("short"));
        assert!(seen.iter().all(|line| line.len() <= MAX_LINE), "{}", seen.len());
        assert_eq!(seen.concat(), all);
    }
}
