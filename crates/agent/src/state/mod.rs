//! What the agent remembers, in one SQLite file: releases, instances that should run, transactions, receipts, leases.

mod instances;
mod leases;
mod ledger;
#[cfg(test)]
mod older;
mod transactions;
mod volumes;

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_fx::Random;
use landfall_model::{Blame, Fault, FaultKind, Retry};
use rusqlite::{Connection, params};

pub(crate) use instances::{InstanceRow, Stay};
pub(crate) use leases::PlaceLease;
pub(crate) use ledger::Measured;
pub(crate) use transactions::TransactionRow;

/// The version of the tables below, kept in `PRAGMA user_version`.
pub(crate) const SCHEMA_VERSION: u32 = 3;

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// One step of the schema for each version, from nothing upwards; a step is never changed once it was shipped.
const SCHEMA: [&str; SCHEMA_VERSION as usize] = ["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    CREATE TABLE environments (
        app TEXT NOT NULL, environment TEXT NOT NULL,
        generation INTEGER NOT NULL, newest_moment TEXT,
        PRIMARY KEY (app, environment)
    ) STRICT;
    CREATE TABLE services (
        app TEXT NOT NULL, environment TEXT NOT NULL, service TEXT NOT NULL,
        active TEXT, boot_ms INTEGER, stop_ms INTEGER,
        PRIMARY KEY (app, environment, service)
    ) STRICT;
    CREATE TABLE releases (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        app TEXT NOT NULL, environment TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL,
        state TEXT NOT NULL, served INTEGER NOT NULL, release TEXT NOT NULL,
        UNIQUE (app, environment, service, version)
    ) STRICT;
    CREATE TABLE instances (
        id TEXT PRIMARY KEY,
        app TEXT NOT NULL, environment TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL,
        ordinal INTEGER NOT NULL, address TEXT
    ) STRICT;
    CREATE INDEX instances_of_release ON instances (app, environment, service, version);
    CREATE TABLE transactions (
        app TEXT NOT NULL, environment TEXT NOT NULL, number INTEGER NOT NULL,
        kind TEXT NOT NULL, holder TEXT NOT NULL, version TEXT NOT NULL, services TEXT NOT NULL,
        begun TEXT NOT NULL, ended TEXT, outcome TEXT, why TEXT,
        PRIMARY KEY (app, environment, number)
    ) STRICT;
    CREATE TABLE receipts (
        app TEXT NOT NULL, environment TEXT NOT NULL, number INTEGER NOT NULL,
        service TEXT NOT NULL, version TEXT NOT NULL, receipt TEXT NOT NULL,
        PRIMARY KEY (app, environment, number, service)
    ) STRICT;
    CREATE TABLE leases (
        app TEXT NOT NULL, environment TEXT NOT NULL,
        token INTEGER NOT NULL, holder TEXT NOT NULL, heartbeat TEXT NOT NULL, expires TEXT NOT NULL,
        PRIMARY KEY (app, environment)
    ) STRICT;
", "
    ALTER TABLE instances ADD COLUMN phase TEXT;
    ALTER TABLE instances ADD COLUMN leaves TEXT;
    UPDATE instances SET phase = 'leaves', leaves = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    WHERE EXISTS (
        SELECT 1 FROM releases r
        WHERE r.app = instances.app AND r.environment = instances.environment AND r.service = instances.service
          AND r.version = instances.version AND r.state = 'retiring');
", "
    CREATE TABLE idle_volumes (
        app TEXT NOT NULL, environment TEXT NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL,
        since TEXT NOT NULL,
        PRIMARY KEY (app, environment, service, name)
    ) STRICT;
"];

/// The open database. One connection, one statement at a time: an agent has little to write.
#[derive(Debug)]
pub(crate) struct State {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl State {
    /// Opens the database, makes it if it is not there, and brings its schema up to date.
    pub(crate) fn open(path: &Path, random: &dyn Random) -> Result<Self, Fault> {
        let opening = |error: &rusqlite::Error| {
            Fault::machine(format!("the state {} cannot be opened: {error}", path.display()))
                .kind(FaultKind::Refused)
                .help("look at its permissions and at the free space; nothing was changed")
        };
        make_private(path).map_err(|e| {
            Fault::machine(format!("the state {} cannot be opened: {e}", path.display()))
                .kind(FaultKind::Refused)
                .help("look at its permissions and at the free space; nothing was changed")
        })?;
        let mut connection = Connection::open(path).map_err(|e| opening(&e))?;
        connection.busy_timeout(BUSY).map_err(|e| opening(&e))?;
        let version: u32 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| opening(&e))?;
        if version > SCHEMA_VERSION {
            return Err(newer(path, version));
        }
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
            .map_err(|e| opening(&e))?;
        // A disk that is full takes no write; an agent that has nothing to change starts all the same.
        if version < SCHEMA_VERSION {
            let step = connection.transaction().map_err(|e| opening(&e))?;
            for sql in &SCHEMA[version as usize..] {
                step.execute_batch(sql).map_err(|e| opening(&e))?;
            }
            step.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(|e| opening(&e))?;
            step.commit().map_err(|e| opening(&e))?;
        }
        let state = Self { connection: Mutex::new(connection), path: path.to_owned() };
        state.make_key(random)?;
        Ok(state)
    }

    fn make_key(&self, random: &dyn Random) -> Result<(), Fault> {
        if self.fingerprint_key().is_ok() {
            return Ok(());
        }
        let mut key = [0; 32];
        random
            .fill(&mut key)
            .map_err(|e| Fault::machine(format!("the kernel gives no random bytes: {e}")))?;
        self.write(|c| {
            c.execute("INSERT OR IGNORE INTO meta VALUES ('fingerprint_key', ?1)", params![key]).map(|_| ())
        })
    }

    /// The key that fingerprints of secrets are made with.
    pub(crate) fn fingerprint_key(&self) -> Result<[u8; 32], Fault> {
        self.read(|c| {
            c.query_row("SELECT value FROM meta WHERE key = 'fingerprint_key'", [], |row| row.get(0))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic in a closure below left no half-written data behind: SQLite rolls an open transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a query.
    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
        query(&self.lock()).map_err(|e| self.fault("read", &e))
    }

    /// Runs statements as one SQLite transaction, durable when it returns.
    fn write<T>(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
        let mut connection = self.lock();
        let run = || {
            let step = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let value = change(&step)?;
            step.commit()?;
            Ok(value)
        };
        run().map_err(|e: rusqlite::Error| self.fault("written", &e))
    }

    fn fault(&self, doing: &str, error: &rusqlite::Error) -> Fault {
        Fault::machine(format!("the state {} cannot be {doing}: {error}", self.path.display()))
            .help("look at the free space and the permissions of the state folder, then try again")
    }
}

/// Makes the file, or an older one private: SQLite gives what it puts beside it the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    for beside in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        match fs::set_permissions(Path::new(&name), Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    file.set_permissions(Permissions::from_mode(0o600))
}

fn newer(path: &Path, version: u32) -> Fault {
    Fault::new(
        FaultKind::Refused,
        Blame::User,
        Retry::AfterFix,
        format!(
            "the state {} is newer (schema {version}) than this landfall knows ({SCHEMA_VERSION})",
            path.display()
        ),
    )
    .help("use the newer landfall that wrote it; nothing was changed")
}

/// A stored JSON or name that does not parse: the state was damaged or written by something else.
fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}

/// Reads a column of text that has a JSON or string form.
fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(damaged)
}

/// Reads a column of text that is a string in JSON without its quotes: names, versions, moments.
fn named<T: serde::de::DeserializeOwned>(text: String) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(damaged)
}

/// The JSON form of what always has one.
fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

/// The string form of a noun that is one string in JSON (`kebab-case` enums, moments).
fn word(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(_) | Err(_) => Err(rusqlite::Error::InvalidQuery),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_fx::SystemRandom;

    #[test]
    fn a_state_keeps_its_key_and_refuses_a_newer_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let key = State::open(&path, &SystemRandom).unwrap().fingerprint_key().unwrap();
        assert_eq!(State::open(&path, &SystemRandom).unwrap().fingerprint_key().unwrap(), key);
        Connection::open(&path).unwrap().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        let fault = State::open(&path, &SystemRandom).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
        assert!(fault.message.contains("is newer (schema 4)"), "{}", fault.message);
    }

    #[test]
    fn nobody_else_may_read_the_state_or_what_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let state = State::open(&path, &SystemRandom).unwrap();
        state.release_all_leases().unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
    }

    #[test]
    fn a_state_is_opened_and_read_that_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let first = State::open(&path, &SystemRandom).unwrap();
        // Another process that writes keeps all others from it.
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let second = State::open(&path, &SystemRandom).unwrap();
        assert_eq!(second.fingerprint_key().unwrap(), first.fingerprint_key().unwrap());
    }
}
