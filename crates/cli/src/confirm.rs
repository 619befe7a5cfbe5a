//! Asking a person before something goes that nobody can bring back.

use std::io::{self, Write};

use landfall_model::Fault;

use crate::failure::Failure;
use crate::settings::Settings;

/// Shows what it is about and asks; `--yes` is the answer already.
///
/// # Errors
/// Anything but a yes.
pub(crate) fn confirm(
    settings: &Settings,
    question: &str,
    show: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    if settings.yes {
        return Ok(());
    }
    let mut err = io::stderr().lock();
    let mut answer = String::new();
    // A terminal that cannot be written to or read from gives no answer, which is a no.
    let asked = show(&mut err)
        .and_then(|()| write!(err, "{question} [y/N] "))
        .and_then(|()| err.flush())
        .and_then(|()| io::stdin().read_line(&mut answer));
    if asked.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Fault::refused("not confirmed: nothing was taken away").into())
}
