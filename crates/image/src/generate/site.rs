//! Sites: an image that holds nothing but the files that are served. No container is started from it: they are taken out.

use super::text::Copy;
use super::{APP, Work};

/// The image that is none.
const SCRATCH: &str = "scratch";

impl Work<'_> {
    /// The folder that is served, relative to the source; empty for the source itself.
    pub(super) fn output(&self) -> &str {
        let output = self.wanted.output.unwrap_or(".").trim_end_matches('/');
        let output = output.strip_prefix("./").unwrap_or(output);
        if output == "." { "" } else { output }
    }

    /// Writes the last stage of a site that was built in a stage before.
    pub(super) fn files_of(&mut self, stage: &'static str) {
        let from = format!("{APP}/{}", self.output());
        let from = from.trim_end_matches('/').to_owned();
        self.text.stage(SCRATCH, None);
        self.text.copy(&Copy { from: Some(stage), owned: false, sources: vec![from], to: "/".to_owned() });
    }
}

/// Writes a site that needs no build.
pub(super) fn write_plain(work: &mut Work<'_>) {
    let output = work.output();
    let from = if output.is_empty() { "." } else { output }.to_owned();
    work.note(format!("the files of `{from}` as they are: nothing is built"));
    work.text.stage(SCRATCH, None);
    work.text.copy(&Copy { from: None, owned: false, sources: vec![from], to: "/".to_owned() });
}
