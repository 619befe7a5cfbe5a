//! A certificate for `localhost` of an authority made for this run, the same for every proxy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files in PEM form, removed when dropped.
pub(crate) struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    /// Makes one with ECDSA on P-256, as public authorities issue them. `None` without `openssl`.
    pub(crate) fn make() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let openssl = |line: &str| {
            let mut command = Command::new("openssl");
            command.args(line.split(' ')).current_dir(folder.path());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj";
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write("names", "subjectAltName=DNS:localhost\n");
        let made = openssl(&format!(
            "req -x509 -days 2 {curve} /CN=bench -keyout authority.key -out authority.pem"
        )) && openssl(&format!("req -new {curve} /CN=localhost -keyout key.pem -out request.pem"))
            && openssl(
                "x509 -req -in request.pem -days 2 -CA authority.pem -CAkey authority.key -CAcreateserial \
                 -extfile names -out certificate.pem",
            );
        if !made {
            return None;
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("just made");
        write("both.pem", &(read("certificate.pem") + &read("key.pem")));
        Some(Self { folder })
    }

    /// The certificate.
    pub(crate) fn chain(&self) -> PathBuf {
        self.file("certificate.pem")
    }

    /// Its key.
    pub(crate) fn key(&self) -> PathBuf {
        self.file("key.pem")
    }

    /// Both in one file, as one of the peers wants them.
    pub(crate) fn both(&self) -> PathBuf {
        self.file("both.pem")
    }

    fn file(&self, name: &str) -> PathBuf {
        let path: &Path = self.folder.path();
        path.join(name)
    }
}
