//! What instances print, service by service in its colour.

use std::io::{self, Write};

use landfall_model::Stream;
use landfall_model::api::LogLine;

use crate::line::Line;
use crate::page::sign;
use crate::style::{Ink, Style};

/// From this width on the whole moment is shown, below it the time of day.
const WIDE: usize = 100;

/// Shows one line of an instance's output, whole; its control characters are taken out. `names` is the number of columns
/// kept for the service's name.
///
/// # Errors
/// Any of the writer's.
pub fn log_line(out: &mut dyn Write, line: &LogLine, names: usize, style: &Style) -> io::Result<()> {
    let moment = line.at.to_string();
    let moment = if style.width >= WIDE { moment.as_str() } else { moment.get(11..23).unwrap_or(&moment) };
    let service = line.service.as_str();
    let rule = match line.stream {
        Stream::Out => (Ink::Faint, sign(style, " │ ", " | ")),
        Stream::Err => (Ink::Bad, sign(style, " ┃ ", " ! ")),
    };
    let head = Line::of(Ink::Faint, moment)
        .and(" ")
        .with(Ink::service(service), format!("{service:<names$}"))
        .and(" ")
        .with(Ink::Faint, line.instance.as_str().get(..4).unwrap_or_default())
        .with(rule.0, rule.1);
    let mut text = head.and(&line.line).trimmed().draw(style);
    text.push('\n');
    out.write_all(text.as_bytes())
}
