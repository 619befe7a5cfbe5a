//! Programs and scripts that lie in the source as they run, on a small Debian.

use landfall_model::Fault;

use super::last::Last;
use super::text::Copy;
use super::work::{built, whole};
use super::{APP, Work, command};

/// The image that programs run on.
pub(super) const DEBIAN: &str = "debian:bookworm-slim";

/// Certificates of the authorities that everybody trusts, as every program looks for them.
pub(super) const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Writes it.
pub(super) fn write(work: &mut Work<'_>) -> Result<(), Fault> {
    let run = work.run_line()?;
    // A program that calls others over HTTPS needs to know whom to trust, and the image alone does not say.
    work.stage(DEBIAN, "build");
    work.packages(&["ca-certificates"]);
    let source = if work.wanted.build.is_some() {
        work.text.line(&format!("WORKDIR {APP}"));
        work.copy_all();
        work.build(&[], None);
        built("build")
    } else {
        Copy { owned: true, ..whole() }
    };
    let authorities = Copy {
        from: Some("build"),
        owned: false,
        sources: vec![AUTHORITIES.to_owned()],
        to: AUTHORITIES.to_owned(),
    };
    work.last(&Last {
        image: DEBIAN.to_owned(),
        env: Vec::new(),
        packages: &[],
        copies: vec![authorities, source],
        command: command::words(run),
    });
    work.note(format!(
        "the source as it is, on {DEBIAN}: its programs must be for Linux with glibc, or static"
    ));
    Ok(())
}
