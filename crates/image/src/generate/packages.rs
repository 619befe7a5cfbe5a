//! Debian packages that a stage needs beside its image.

use super::Work;
use super::text::Run;

impl Work<'_> {
    /// Installs packages; nothing when there are none. Their versions are those of the image's release of Debian.
    pub(super) fn packages(&mut self, names: &[&str]) {
        if names.is_empty() {
            return;
        }
        let install = format!("apt-get install --yes --no-install-recommends {}", names.join(" "));
        self.text.comment("hadolint ignore=DL3008");
        self.text.run(&Run::default(), &["apt-get update", &install, "rm -rf /var/lib/apt/lists/*"]);
    }
}
