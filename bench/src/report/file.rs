//! The file of the report: a section for each group. A group that was not run keeps the section of its last run.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::Section;
use crate::settings::Group;

const HEAD: &str = "# Figures\nWritten by `cargo run --release -p landfall-bench [GROUP…]`. Each section says when and \
                    on what it was measured; a group that is not run keeps its section.\n";

/// Puts a section in the place of the one with its name.
///
/// # Errors
/// What the system says when the file cannot be read or written.
pub(crate) fn replace(path: &Path, section: &Section) -> io::Result<()> {
    let old = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    std::fs::write(path, merge(&old, section.name(), &section.markdown()))
}

/// The report with the text of one section in the place of its former one, sections in the order of [`Group::ALL`].
/// Sections of no group are left out.
fn merge(old: &str, name: &str, text: &str) -> String {
    let former = |wanted: &str| {
        let mut sections = old.split("\n## ").skip(1);
        sections.find_map(|section| section.strip_prefix(wanted)?.strip_prefix('\n'))
    };
    let mut merged = HEAD.to_owned();
    for group in Group::ALL.map(Group::name) {
        let text = if group == name { Some(text) } else { former(group) };
        if let Some(text) = text {
            let _ = write!(merged, "\n## {group}\n{}\n", text.trim_end());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_its_place_and_the_others_stay() {
        let first = merge("", "proxy", "fast\n");
        assert_eq!(first, format!("{HEAD}\n## proxy\nfast\n"));
        let second = merge(&first, "basics", "small\n\n| a |\n");
        assert_eq!(second, format!("{HEAD}\n## basics\nsmall\n\n| a |\n\n## proxy\nfast\n"));
        let third = merge(&second, "proxy", "faster");
        assert_eq!(third, format!("{HEAD}\n## basics\nsmall\n\n| a |\n\n## proxy\nfaster\n"));
    }

    #[test]
    fn a_name_that_begins_another_is_not_taken_for_it() {
        let old = format!("{HEAD}\n## proxy-old\nslow\n");
        assert_eq!(merge(&old, "tiny", "x"), format!("{HEAD}\n## tiny\nx\n"));
    }
}
