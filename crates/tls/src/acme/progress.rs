//! What is kept of an order on the disk, so that a proxy that starts goes on with it: the order, the answers to its
//! challenges, failures in a row, and when the server wants the certificate to be renewed.

use std::io;

use landfall_fx::{Files, TlsDir};
use serde::{Deserialize, Serialize};

use crate::folder;
use crate::renewal::{Failures, Window};

/// The version of the file.
const FORMAT: u32 = 1;

/// Where a host stands with an ACME server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    format: u32,
    /// The order under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<Pending>,
    /// What went wrong since the last certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failures: Option<Failures>,
    /// When the server wants it to be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<Window>,
}

/// An order that the server knows of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Its address.
    pub(crate) url: String,
    /// The key that the certificate will be for, PEM.
    pub(crate) key: String,
    /// What the server may ask for over HTTP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) texts: Vec<Text>,
}

/// The answer to a challenge over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) token: String,
    pub(crate) text: String,
}

impl Default for Progress {
    fn default() -> Self {
        Self { format: FORMAT, order: None, failures: None, window: None }
    }
}

impl Progress {
    /// What is kept; nothing when there is no file, or one that this version cannot read: the order is then made anew.
    pub(crate) fn load(folder: &TlsDir, directory: &str, host: &str) -> Self {
        let bytes = folder::read(&folder.acme_progress(directory, host)).ok();
        let progress: Option<Self> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        progress.filter(|progress| progress.format == FORMAT).unwrap_or_default()
    }

    /// Writes it down.
    ///
    /// # Errors
    /// Any of the system's.
    pub(crate) fn save(
        &self,
        files: &dyn Files,
        folder: &TlsDir,
        directory: &str,
        host: &str,
    ) -> io::Result<()> {
        let path = folder.acme_progress(directory, host);
        if *self == Self::default() {
            return files.remove(&path);
        }
        folder::private(path.parent().unwrap_or(&path))?;
        files.replace(&path, &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use landfall_fx::RealFiles;

    use super::*;

    const DIRECTORY: &str = "https://acme.example/directory";

    fn written(text: &str) -> Progress {
        let folder = tempfile::tempdir().unwrap();
        let layout = TlsDir::new(folder.path());
        let path = layout.acme_progress(DIRECTORY, "a.example");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        Progress::load(&layout, DIRECTORY, "a.example")
    }

    #[test]
    fn what_the_first_format_wrote_is_read() {
        let progress = written(
            r#"{"format":1,"order":{"url":"https://acme.example/order/1","key":"PEM",
               "texts":[{"token":"t","text":"t.k"}]},
               "failures":{"count":2,"problem":"it was down","next":"2026-11-20T13:15:02.120Z"},
               "window":{"start":"2026-11-20T00:00:00Z","end":"2026-11-21T00:00:00Z","ask":"2026-11-19T00:00:00Z"}}"#,
        );
        assert_eq!(progress.order.unwrap().texts[0].text, "t.k");
        assert_eq!(progress.failures.unwrap().count, 2);
        assert!(progress.window.is_some());
    }

    #[test]
    fn what_cannot_be_read_is_begun_anew_and_nothing_is_no_file() {
        for text in ["", "{", r#"{"format":2}"#, r#"{"format":1,"order":7}"#] {
            assert_eq!(written(text), Progress::default(), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let layout = TlsDir::new(folder.path());
        let url = "https://acme.example/order/1".to_owned();
        let order = Some(Pending { url, key: "PEM".to_owned(), texts: Vec::new() });
        let progress = Progress { order, ..Progress::default() };
        progress.save(&RealFiles, &layout, DIRECTORY, "a.example").unwrap();
        assert_eq!(Progress::load(&layout, DIRECTORY, "a.example"), progress);
        Progress::default().save(&RealFiles, &layout, DIRECTORY, "a.example").unwrap();
        assert!(!layout.acme_progress(DIRECTORY, "a.example").exists());
    }
}
