//! Problems under the user's own lines, drawn by miette.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use landfall_model::{Diagnostic, Severity};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, ThemeCharacters,
    ThemeStyles,
};

use crate::amount::count;
use crate::line::Line;
use crate::page::Page;
use crate::style::{Ink, Style};
use crate::text::{clean, clean_in_place};

/// The problems that are drawn; of more only the number is told.
const MAX_DRAWN: usize = 50;

/// The narrowest drawing.
const MIN_COLUMNS: usize = 40;

/// Draws each problem under the user's own line with its hint, then how many there are and where.
///
/// # Errors
/// Any of the writer's.
pub fn diagnostics(out: &mut dyn Write, diagnostics: &[Diagnostic], style: &Style) -> io::Result<()> {
    let characters = if style.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() };
    let styles = if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme { characters, styles })
        .with_width(style.columns().max(MIN_COLUMNS))
        .with_context_lines(1)
        .with_links(false);
    let mut page = Page::new(style);
    for diagnostic in diagnostics.iter().take(MAX_DRAWN) {
        let mut drawn = String::new();
        if handler.render_report(&mut drawn, &Drawn::new(diagnostic)).is_err() {
            drawn = format!("{}\n", clean(&diagnostic.message));
        }
        page.drawn(drawn.trim_start_matches('\n'));
        page.blank();
    }
    if !diagnostics.is_empty() {
        let (ink, text) = tally(diagnostics);
        page.flow(Line::new(), 0, Line::of(ink, text));
    }
    page.write(out)
}

/// "3 problems in landfall.toml (2 errors, 1 warning)".
fn tally(diagnostics: &[Diagnostic]) -> (Ink, String) {
    let of = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let warnings = of(Severity::Warning);
    let noun = if warnings == diagnostics.len() { "warning" } else { "problem" };
    let mut text = count(diagnostics.len(), noun);
    let mut files: Vec<&Path> = diagnostics.iter().map(|diagnostic| diagnostic.file.as_path()).collect();
    files.sort_unstable();
    files.dedup();
    if let [file] = files.as_slice() {
        text.push_str(&format!(" in {}", short(file)));
    }
    if noun == "problem" && warnings > 0 {
        text.push_str(&format!(
            ", {} of them {}",
            warnings,
            if warnings == 1 { "a warning" } else { "warnings" }
        ));
    }
    if diagnostics.len() > MAX_DRAWN {
        text.push_str(&format!("; only the first {MAX_DRAWN} are shown"));
    }
    (if noun == "warning" { Ink::Warn } else { Ink::Bad }, text)
}

/// The file's name: the folder is where the user stands, or was named by them.
fn short(file: &Path) -> String {
    file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// A diagnostic as miette draws it, cleaned, with labels inside the text.
#[derive(Debug)]
struct Drawn {
    severity: miette::Severity,
    message: String,
    help: Option<String>,
    source: NamedSource<String>,
    labels: Vec<LabeledSpan>,
}

impl Drawn {
    fn new(diagnostic: &Diagnostic) -> Self {
        let text = clean_in_place(&diagnostic.text).into_owned();
        let boundary =
            |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let label = |(index, label): (usize, &landfall_model::Label)| {
            let start = boundary(label.start);
            let length = boundary(label.end).saturating_sub(start);
            let words = clean(&label.text).into_owned();
            let words = (!words.is_empty()).then_some(words);
            if index == 0 {
                LabeledSpan::new_primary_with_span(words, (start, length))
            } else {
                LabeledSpan::new_with_span(words, (start, length))
            }
        };
        let labels = diagnostic.labels.iter().enumerate().map(label).collect();
        let lines = |text: &str| text.lines().map(clean).collect::<Vec<_>>().join("\n");
        Self {
            severity: match diagnostic.severity {
                Severity::Warning => miette::Severity::Warning,
                Severity::Missing | Severity::Error => miette::Severity::Error,
            },
            message: lines(&diagnostic.message),
            help: diagnostic.help.as_deref().map(lines),
            labels,
            source: NamedSource::new(clean(&short(&diagnostic.file)), text),
        }
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn {}

impl miette::Diagnostic for Drawn {
    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.labels.is_empty()).then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
