//! Browsers that have a database of authorities of their own: those of NSS, Firefox and Chromium on Linux.

use std::fs;
use std::path::{Path, PathBuf};

use super::run::{Runner, find, shown};
use super::{Outcome, Root, Store};

/// Folders below which each profile has a database.
const PROFILES: [&str; 4] = [
    ".mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ".config/mozilla/firefox",
];
/// Databases that programs share: Chromium's, and that of its snap.
const SHARED: [&str; 2] = [".pki/nssdb", "snap/chromium/current/.pki/nssdb"];
/// Profiles of one folder that are looked at.
const MAX_PROFILES: usize = 100;
/// The file that makes a folder a database.
const DATABASE: &str = "cert9.db";

/// Puts the authority into every database below `home`, or takes it out.
pub(super) fn set(home: &Path, authority: &Root, wanted: bool, runner: &Runner<'_>) -> Vec<Store> {
    databases(home).iter().map(|folder| one(folder, authority, wanted, runner)).collect()
}

fn databases(home: &Path) -> Vec<PathBuf> {
    let profiles = PROFILES.iter().flat_map(|folder| {
        fs::read_dir(home.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .take(MAX_PROFILES)
            .map(|entry| entry.path())
    });
    let shared = SHARED.iter().map(|folder| home.join(folder));
    let mut found: Vec<PathBuf> =
        profiles.chain(shared).filter(|folder| folder.join(DATABASE).is_file()).collect();
    found.sort();
    found
}

fn one(folder: &Path, authority: &Root, wanted: bool, runner: &Runner<'_>) -> Store {
    let name = format!("browsers ({})", folder.display());
    let database = format!("sql:{}", folder.display());
    let file = authority.path.display().to_string();
    let words = match wanted {
        true => vec!["certutil", "-d", &database, "-A", "-t", "C,,", "-n", &authority.name, "-i", &file],
        false => vec!["certutil", "-d", &database, "-D", "-n", &authority.name],
    };
    let line = shown(&words);
    if find("certutil").is_none() {
        let why =
            "certutil is not installed: it is in the package libnss3-tools, nss-tools or nss".to_owned();
        return Store { name, outcome: Outcome::Needs { why, run: vec![line] } };
    }
    let is_there = runner.run(&["certutil", "-d", &database, "-L", "-n", &authority.name]).is_ok();
    let outcome = match is_there == wanted {
        true => Outcome::Unchanged,
        false => match runner.run(&words) {
            Ok(()) => Outcome::Changed(vec![line]),
            Err(why) => Outcome::Needs { why, run: vec![line] },
        },
    };
    Store { name, outcome }
}
