//! What `doctor` found: a line for each thing, and below those that are not good what to do.

use std::io::{self, Write};

use landfall_model::{Finding, Grade};

use crate::amount::count;
use crate::line::Line;
use crate::page::Page;
use crate::reporter::Detail;
use crate::style::{Ink, Style};
use crate::text::width;

/// The widest column of subjects; a longer one stands out of it.
const MAX_SUBJECT: usize = 28;

/// Below this width what was seen stands below its subject.
const NARROW: usize = 60;

/// Shows what was found, and in one line what it comes to. `Quiet` leaves out what is good.
///
/// # Errors
/// Any of the writer's.
pub fn findings(out: &mut dyn Write, findings: &[Finding], detail: Detail, style: &Style) -> io::Result<()> {
    let mut page = Page::new(style);
    let subjects = findings.iter().map(|finding| width(&finding.subject)).max().unwrap_or(0).min(MAX_SUBJECT);
    for finding in findings {
        if finding.grade == Grade::Good && detail == Detail::Quiet {
            continue;
        }
        let (ink, mark) = match finding.grade {
            Grade::Good => (Ink::Good, page.sign("✓ ", "ok   ")),
            Grade::Doubtful => (Ink::Warn, page.sign("! ", "look ")),
            Grade::Bad => (Ink::Bad, page.sign("✗ ", "BAD  ")),
        };
        let mut first = Line::of(ink, mark);
        first.append(Line::of(Ink::Strong, &finding.subject).pad(subjects, false));
        let mut hanging = width(mark) + subjects + 2;
        if page.columns() < NARROW {
            page.line(std::mem::take(&mut first));
            hanging = width(mark);
        }
        let seen = if finding.grade == Grade::Good { Ink::Plain } else { ink };
        page.flow(first, hanging, Line::of(seen, &finding.seen));
        if let Some(help) = &finding.help {
            page.flow(Line::new(), hanging, Line::of(Ink::Faint, help));
        }
    }
    let of = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    let (bad, doubtful) = (of(Grade::Bad), of(Grade::Doubtful));
    page.blank();
    page.line(match (bad, doubtful) {
        (0, 0) => Line::of(Ink::Good, "all is well"),
        (0, doubtful) => Line::of(Ink::Warn, format!("{} to look at", count(doubtful, "thing"))),
        (bad, 0) => Line::of(Ink::Bad, format!("{} out of order", count(bad, "thing"))),
        (bad, doubtful) => {
            let out_of_order = format!("{} out of order", count(bad, "thing"));
            Line::of(Ink::Bad, out_of_order).with(Ink::Warn, format!(", {doubtful} to look at"))
        }
    });
    page.write(out)
}
