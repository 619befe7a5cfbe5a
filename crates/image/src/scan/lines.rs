//! A Dockerfile's lines as instructions: continued lines joined, comments and here-documents left out.

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Its name in capitals.
    pub(super) name: String,
    /// What stands behind the name.
    pub(super) rest: String,
    /// Its first line, from 1.
    pub(super) line: usize,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) instructions: Vec<Instruction>,
    /// What a `# syntax=` line asks for.
    pub(super) syntax: Option<String>,
}

/// Reads a text.
pub(super) fn read(text: &str) -> Read {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut read = Read::default();
    let escape = directives(text, &mut read);
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut whole = String::new();
        let mut part = Some(line);
        while let Some(line) = part {
            let line = line.trim_end();
            let Some(begun) = line.strip_suffix(escape) else {
                whole.push_str(line);
                break;
            };
            whole.push_str(begun);
            // Comments and blank lines between the parts are passed over.
            part = lines.by_ref().map(|(_, line)| line).find(|line| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with('#')
            });
        }
        let (name, rest) = whole.split_once(char::is_whitespace).unwrap_or((&whole, ""));
        let name = name.to_ascii_uppercase();
        if matches!(name.as_str(), "RUN" | "COPY" | "ADD") {
            for end in here_documents(rest) {
                lines.by_ref().map(|(_, line)| line).find(|line| line.trim_start_matches('\t') == end);
            }
        }
        read.instructions.push(Instruction { name, rest: rest.trim().to_owned(), line: number });
    }
    read
}

/// Reads the `# name=value` lines at the very top; gives the character that continues a line.
fn directives(text: &str, read: &mut Read) -> char {
    let mut escape = '\\';
    for line in text.lines() {
        let directive = line.trim().strip_prefix('#').and_then(|line| line.split_once('='));
        let Some((name, value)) = directive.map(|(name, value)| (name.trim(), value.trim())) else { break };
        match name.to_ascii_lowercase().as_str() {
            "syntax" => read.syntax = Some(value.to_owned()),
            "escape" => escape = value.chars().next().filter(|c| *c == '`').unwrap_or(escape),
            "check" => {}
            _ => break,
        }
    }
    escape
}

/// The words that end the here-documents which a line begins.
fn here_documents(rest: &str) -> Vec<String> {
    let begun = rest.split("<<").skip(1).filter(|behind| !behind.starts_with('<'));
    let word = |behind: &str| {
        let behind = behind.strip_prefix('-').unwrap_or(behind);
        let word = behind.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '>')).next()?;
        let word = word.trim_matches(['"', '\'']);
        let is_word =
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        is_word.then(|| word.to_owned())
    };
    begun.filter_map(word).collect()
}
