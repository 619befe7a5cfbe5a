//! Trusting the authority, with the system's real tools on a file system of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall_fx::{Clock as _, RealFiles, SystemClock, TlsDir};
use landfall_model::Timestamp;
use landfall_tls::{Authority, Outcome, Trust};
use tempfile::TempDir;

use crate::tools::{have, run};

/// A file system with the folders that update-ca-certificates wants, and an authority.
struct Machine {
    folder: TempDir,
    root: PathBuf,
    authority: Authority,
    clock: SystemClock,
}

impl Machine {
    fn new() -> Self {
        let folder = crate::site::folder();
        let root = folder.path().join("root");
        prepare(&root);
        let (clock, dir) = (SystemClock::new(), TlsDir::new(&folder.path().join("tls")));
        let authority = Authority::open(&dir, &RealFiles, clock.now()).unwrap();
        Self { folder, root, authority, clock }
    }

    /// What trusts, with browsers of this home.
    fn trust(&self, home: Option<&Path>) -> Trust<'_> {
        Trust { root: self.root.clone(), home: home.map(Path::to_owned), clock: &self.clock }
    }

    /// Installs it, which must change something in the system's list; gives how.
    fn install(&self) -> Vec<String> {
        match self.trust(None).install(&self.authority).remove(0).outcome {
            Outcome::Changed(lines) => lines,
            other => panic!("{other:?}"),
        }
    }
}

fn prepare(root: &Path) {
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
}

#[test]
fn the_system_s_list_takes_it_and_gives_it_back() {
    if !have("update-ca-certificates") {
        return;
    }
    let machine = Machine::new();
    let (trust, authority) = (machine.trust(None), &machine.authority);
    assert_eq!(trust.is_trusted(authority), Some(false));
    let lines = machine.install();
    assert!(lines[0].starts_with("cp ") && lines[1].starts_with("update-ca-certificates "), "{lines:?}");
    assert_eq!(trust.is_trusted(authority), Some(true));
    let own = Path::new(lines[0].rsplit(' ').next().unwrap());
    assert_eq!(own.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(trust.install(authority)[0].outcome, Outcome::Unchanged);
    assert!(matches!(trust.uninstall(authority)[0].outcome, Outcome::Changed(_)));
    assert_eq!(trust.is_trusted(authority), Some(false));
    let links = fs::read_dir(machine.root.join("etc/ssl/certs")).unwrap().flatten();
    let left: Vec<_> =
        links.filter(|link| link.file_name().to_string_lossy().starts_with("landfall")).collect();
    assert!(!own.exists() && left.is_empty(), "{left:?}");
    assert_eq!(trust.uninstall(authority)[0].outcome, Outcome::Unchanged);
}

#[test]
fn one_whose_time_is_over_can_still_be_forgotten() {
    let folder = crate::site::folder();
    let dir = TlsDir::new(folder.path());
    assert!(Authority::existing(&dir).unwrap().is_none());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it was made by being looked for");
    let long_ago = Authority::open(&dir, &RealFiles, Timestamp::from_millis(1_000_000_000_000)).unwrap();
    let existing = Authority::existing(&dir).unwrap().expect("it is there");
    assert_eq!(existing.certificate(), long_ago.certificate());
    // Whoever wants one to sign with gets another.
    let now = Authority::open(&dir, &RealFiles, SystemClock::new().now()).unwrap();
    assert_ne!(now.certificate(), long_ago.certificate());
}

#[test]
fn who_may_not_is_told_what_to_run() {
    if !have("update-ca-certificates") {
        return;
    }
    let machine = Machine::new();
    let (trust, authority) = (machine.trust(None), &machine.authority);
    // A folder where the file is to be: nobody can write it, not even root.
    let file = machine.install()[0].rsplit(' ').next().unwrap().to_owned();
    let _ = trust.uninstall(authority);
    fs::create_dir(&file).unwrap();
    let Outcome::Needs { why, run } = trust.install(authority).remove(0).outcome else { panic!() };
    assert!(why.contains(&file), "{why}");
    assert_eq!(run[0], format!("sudo cp {} {file}", authority.path().display()));
    assert!(run[1].starts_with("sudo update-ca-certificates"), "{run:?}");
    // A machine of a kind that is not known.
    let nothing = machine.folder.path().join("nothing");
    let elsewhere = Trust { root: nothing, home: None, clock: &machine.clock };
    assert_eq!(elsewhere.is_trusted(authority), None);
    assert!(matches!(elsewhere.install(authority)[0].outcome, Outcome::Needs { .. }));
}

#[test]
fn browsers_databases_take_it_and_give_it_back() {
    if !have("certutil") {
        return;
    }
    let machine = Machine::new();
    let folder = machine.folder.path();
    let home = folder.join("home");
    for database in [".pki/nssdb", ".mozilla/firefox/abc.default"] {
        fs::create_dir_all(home.join(database)).unwrap();
        let at = format!("sql:{}", home.join(database).display());
        assert!(run(folder, "certutil", &["-N", "--empty-password", "-d", &at]).0);
    }
    fs::create_dir_all(home.join(".mozilla/firefox/empty")).unwrap();
    let (trust, authority) = (machine.trust(Some(&home)), &machine.authority);
    let listed = || {
        let at = format!("sql:{}", home.join(".pki/nssdb").display());
        run(folder, "certutil", &["-L", "-d", &at]).1.contains("landfall-")
    };
    let outcomes = |done: &[landfall_tls::Store]| {
        done[1..].iter().map(|store| matches!(store.outcome, Outcome::Changed(_))).collect::<Vec<_>>()
    };
    let done = trust.install(authority);
    assert_eq!((outcomes(&done), listed()), (vec![true, true], true), "{done:?}");
    assert_eq!(trust.install(authority)[1].outcome, Outcome::Unchanged);
    assert_eq!((outcomes(&trust.uninstall(authority)), listed()), (vec![true, true], false));
}
