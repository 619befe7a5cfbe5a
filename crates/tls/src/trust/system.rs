//! The system's own list of authorities, which curl, wget, git, Python, Go and most others read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::run::{Runner, below, find, shown};
use super::{Outcome, Root, Store, holds};

/// A way in which systems keep authorities of their own.
struct Way {
    /// Where one's own authorities are put.
    folder: &'static str,
    /// What their files end in.
    extension: &'static str,
    /// What makes the list of all.
    command: &'static [&'static str],
    /// What that command is told besides when one is taken out.
    removal: &'static [&'static str],
    /// How that command is told of another root of the file system: options and what each is for.
    elsewhere: &'static [(&'static str, &'static str)],
    /// The list.
    bundle: &'static str,
}

/// The keychain of macOS that all users' programs read.
const KEYCHAIN: &str = "/Library/Keychains/System.keychain";

/// The places that Debian's update-ca-certificates(8) works on.
const DEBIAN: [(&str, &str); 5] = [
    ("--certsconf", "/etc/ca-certificates.conf"),
    ("--certsdir", "/usr/share/ca-certificates"),
    ("--localcertsdir", "/usr/local/share/ca-certificates"),
    ("--etccertsdir", "/etc/ssl/certs"),
    ("--hooksdir", "/etc/ca-certificates/update.d"),
];

/// The ways that are known; the first whose folder is there and whose command is installed is this machine's.
const WAYS: [Way; 4] = [
    // Debian, Ubuntu, Alpine: update-ca-certificates(8).
    Way {
        folder: "/usr/local/share/ca-certificates",
        extension: "crt",
        command: &["update-ca-certificates"],
        // Else a link to the file that is gone stays in /etc/ssl/certs.
        removal: &["--fresh"],
        elsewhere: &DEBIAN,
        bundle: "/etc/ssl/certs/ca-certificates.crt",
    },
    // Fedora, Red Hat, Amazon Linux: update-ca-trust(8).
    Way {
        folder: "/etc/pki/ca-trust/source/anchors",
        extension: "pem",
        command: &["update-ca-trust", "extract"],
        removal: &[],
        elsewhere: &[],
        bundle: "/etc/pki/tls/certs/ca-bundle.crt",
    },
    // Arch: trust(1) of p11-kit.
    Way {
        folder: "/etc/ca-certificates/trust-source/anchors",
        extension: "crt",
        command: &["trust", "extract-compat"],
        removal: &[],
        elsewhere: &[],
        bundle: "/etc/ssl/certs/ca-certificates.crt",
    },
    // openSUSE.
    Way {
        folder: "/etc/pki/trust/anchors",
        extension: "pem",
        command: &["update-ca-certificates"],
        removal: &[],
        elsewhere: &[],
        bundle: "/etc/ssl/ca-bundle.pem",
    },
];

fn way(root: &Path) -> Option<&'static Way> {
    WAYS.iter().find(|way| below(root, way.folder).is_dir() && find(way.command[0]).is_some())
}

fn file(root: &Path, way: &Way, authority: &Root) -> PathBuf {
    below(root, way.folder).join(format!("{}.{}", authority.name, way.extension))
}

/// Whether the list has the authority.
pub(super) fn has(root: &Path, authority: &Root, runner: &Runner<'_>) -> Option<bool> {
    if std::env::consts::OS == "macos" {
        let path = authority.path.display().to_string();
        return Some(runner.run(&["security", "verify-cert", "-q", "-c", &path]).is_ok());
    }
    way(root).map(|way| holds(&below(root, way.bundle), &authority.der))
}

/// Puts the authority into the list, or takes it out.
pub(super) fn set(root: &Path, authority: &Root, wanted: bool, runner: &Runner<'_>) -> Store {
    if std::env::consts::OS == "macos" {
        return keychain(authority, wanted, runner);
    }
    let Some(way) = way(root) else {
        return Store {
            name: "the system's list".to_owned(),
            outcome: Outcome::Needs {
                why: "this system keeps its list of authorities in a way that Landfall does not know, or the package \
                      `ca-certificates` is missing"
                    .to_owned(),
                run: Vec::new(),
            },
        };
    };
    let file = file(root, way, authority);
    let name = format!("the system's list ({})", below(root, way.folder).display());
    if holds(&below(root, way.bundle), &authority.der) == wanted && file.exists() == wanted {
        return Store { name, outcome: Outcome::Unchanged };
    }
    let place =
        |(option, path): &(&str, &str)| [(*option).to_owned(), below(root, path).display().to_string()];
    let elsewhere: Vec<String> = match root == Path::new("/") {
        true => Vec::new(),
        false => way.elsewhere.iter().flat_map(place).collect(),
    };
    let removal = if wanted { &[] } else { way.removal };
    let update = way.command.iter().chain(removal).copied();
    let update: Vec<&str> = update.chain(elsewhere.iter().map(String::as_str)).collect();
    let (from, to) = (authority.path.display().to_string(), file.display().to_string());
    let change = if wanted { vec!["cp", from.as_str(), to.as_str()] } else { vec!["rm", "-f", to.as_str()] };
    let changed = if wanted { write(&file, &authority.pem) } else { remove(&file) };
    let done = changed.map_err(|error| format!("{to}: {error}")).and_then(|()| runner.run(&update));
    let lines = vec![shown(&change), shown(&update)];
    let done = done.and_then(|()| match holds(&below(root, way.bundle), &authority.der) == wanted {
        true => Ok(()),
        false => Err(format!("`{}` ran, and {} is as it was", lines[1], below(root, way.bundle).display())),
    });
    let outcome = match done {
        Ok(()) => Outcome::Changed(lines),
        Err(why) => Outcome::Needs { why, run: lines.iter().map(|line| format!("sudo {line}")).collect() },
    };
    Store { name, outcome }
}

/// Every program must be able to read it, whatever the umask.
fn write(file: &Path, pem: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(file, pem)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o644))
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// macOS: security(1).
fn keychain(authority: &Root, wanted: bool, runner: &Runner<'_>) -> Store {
    let name = format!("the system's keychain ({KEYCHAIN})");
    let path = authority.path.display().to_string();
    let is_there = runner.run(&["security", "verify-cert", "-q", "-c", &path]).is_ok();
    if is_there == wanted {
        return Store { name, outcome: Outcome::Unchanged };
    }
    let words = match wanted {
        true => vec!["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", KEYCHAIN, &path],
        false => vec!["security", "remove-trusted-cert", "-d", &path],
    };
    let line = shown(&words);
    let outcome = match runner.run(&words) {
        Ok(()) => Outcome::Changed(vec![line]),
        Err(why) => Outcome::Needs { why, run: vec![format!("sudo {line}")] },
    };
    Store { name, outcome }
}
