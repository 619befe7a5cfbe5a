//! Trusting the authority, with the system's real tools on a file system of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use landfall_fx::{Clock as _, RealFiles, SystemClock, TlsDir};
use landfall_tls::{Authority, Outcome, Trust};

use crate::tools::{have, run};

/// A file system with the folders that update-ca-certificates wants, and an authority.
fn machine(folder: &Path) -> (std::path::PathBuf, Authority) {
    let root = folder.join("root");
    for path in [
        "usr/local/share/ca-certificates",
        "usr/share/ca-certificates",
        "etc/ssl/certs",
        "etc/ca-certificates/update.d",
        "tmp",
    ] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    fs::write(root.join("etc/ca-certificates.conf"), "").unwrap();
    // A list without any authority is none that the tool writes.
    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(vec!["other".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(root.join("usr/local/share/ca-certificates/other.crt"), other.pem()).unwrap();
    let authority =
        Authority::open(&TlsDir::new(&folder.join("tls")), &RealFiles, SystemClock::new().now()).unwrap();
    (root, authority)
}

#[test]
fn the_system_s_list_takes_it_and_gives_it_back() {
    if !have("update-ca-certificates") {
        return;
    }
    let folder = crate::site::folder();
    let (root, authority) = machine(folder.path());
    let clock = SystemClock::new();
    let trust = Trust { root: root.clone(), home: None, clock: &clock };
    assert_eq!(trust.is_trusted(&authority), Some(false));
    let done = trust.install(&authority);
    let Outcome::Changed(lines) = &done[0].outcome else { panic!("{done:?}") };
    assert!(lines[0].starts_with("cp ") && lines[1].starts_with("update-ca-certificates "), "{lines:?}");
    assert_eq!(trust.is_trusted(&authority), Some(true));
    let own = Path::new(lines[0].rsplit(' ').next().unwrap());
    assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(trust.install(&authority)[0].outcome, Outcome::Unchanged);
    assert!(matches!(trust.uninstall(&authority)[0].outcome, Outcome::Changed(_)));
    assert_eq!(trust.is_trusted(&authority), Some(false));
    let links = fs::read_dir(root.join("etc/ssl/certs")).unwrap().flatten();
    let left: Vec<_> =
        links.filter(|link| link.file_name().to_string_lossy().starts_with("landfall")).collect();
    assert!(!own.exists() && left.is_empty(), "{left:?}");
    assert_eq!(trust.uninstall(&authority)[0].outcome, Outcome::Unchanged);
}

#[test]
fn who_may_not_is_told_what_to_run() {
    if !have("update-ca-certificates") {
        return;
    }
    let folder = crate::site::folder();
    let (root, authority) = machine(folder.path());
    // A folder where the file is to be: nobody can write it, not even root.
    let clock = SystemClock::new();
    let trust = Trust { root: root.clone(), home: None, clock: &clock };
    let Outcome::Changed(lines) = trust.install(&authority).remove(0).outcome else { panic!() };
    let file = lines[0].rsplit(' ').next().unwrap().to_owned();
    let _ = trust.uninstall(&authority);
    fs::create_dir(&file).unwrap();
    let Outcome::Needs { why, run } = trust.install(&authority).remove(0).outcome else { panic!() };
    assert!(why.contains(&file), "{why}");
    assert_eq!(run[0], format!("sudo cp {} {file}", authority.path().display()));
    assert!(run[1].starts_with("sudo update-ca-certificates"), "{run:?}");
    // A machine of a kind that is not known.
    let elsewhere = Trust { root: folder.path().join("nothing"), home: None, clock: &clock };
    assert_eq!(elsewhere.is_trusted(&authority), None);
    assert!(matches!(elsewhere.install(&authority)[0].outcome, Outcome::Needs { .. }));
}

#[test]
fn browsers_databases_take_it_and_give_it_back() {
    if !have("certutil") {
        return;
    }
    let folder = crate::site::folder();
    let (root, authority) = machine(folder.path());
    let home = folder.path().join("home");
    for database in [".pki/nssdb", ".mozilla/firefox/abc.default"] {
        fs::create_dir_all(home.join(database)).unwrap();
        let at = format!("sql:{}", home.join(database).display());
        assert!(run(folder.path(), "certutil", &["-N", "--empty-password", "-d", &at]).0);
    }
    fs::create_dir_all(home.join(".mozilla/firefox/empty")).unwrap();
    let clock = SystemClock::new();
    let trust = Trust { root, home: Some(home.clone()), clock: &clock };
    let listed = || {
        let at = format!("sql:{}", home.join(".pki/nssdb").display());
        run(folder.path(), "certutil", &["-L", "-d", &at]).1.contains("landfall-")
    };
    let outcomes = |done: &[landfall_tls::Store]| {
        done[1..].iter().map(|store| matches!(store.outcome, Outcome::Changed(_))).collect::<Vec<_>>()
    };
    let done = trust.install(&authority);
    assert_eq!((outcomes(&done), listed()), (vec![true, true], true), "{done:?}");
    assert_eq!(trust.install(&authority)[1].outcome, Outcome::Unchanged);
    assert_eq!((outcomes(&trust.uninstall(&authority)), listed()), (vec![true, true], false));
}
