//! Requests that were answered, one a line.

use std::io::{self, Write};

use landfall_model::api::AccessLine;

use crate::amount::{bytes, latency};
use crate::line::Line;
use crate::style::{Ink, Style};

/// From this width on the whole moment is shown, below it the time of day.
const WIDE: usize = 100;

/// Shows one request, whole; control characters are taken out. `names` is the number of columns kept for the service's
/// name.
///
/// # Errors
/// Any of the writer's.
pub fn access_line(out: &mut dyn Write, line: &AccessLine, names: usize, style: &Style) -> io::Result<()> {
    let moment = line.time.to_string();
    let moment = if style.width >= WIDE { moment.as_str() } else { moment.get(11..23).unwrap_or(&moment) };
    let service = line.route.rsplit('/').next().unwrap_or_default();
    let ink = match line.status {
        500.. => Ink::Bad,
        400..500 => Ink::Warn,
        _ => Ink::Good,
    };
    let mut text = Line::of(Ink::Faint, moment)
        .and(" ")
        .with(Ink::service(service), format!("{service:<names$}"))
        .and("  ")
        .with(ink, line.status.to_string())
        .and(format!("  {:>7}  {:>8}  ", latency(line.ms), bytes(line.sent)))
        .and(format!("{} {}", line.method, line.path))
        .with(Ink::Faint, format!("  {}", line.client));
    if line.held_ms > 0.0 {
        text.push(Ink::Warn, format!("  held {}", latency(line.held_ms)));
    }
    let mut text = text.trimmed().draw(style);
    text.push('\n');
    out.write_all(text.as_bytes())
}
