//! A state that an older Landfall wrote, as it was, is opened and means what it meant.

use landfall_fx::SystemRandom;
use landfall_model::{Digest, InstanceId, Outcome, Release, ReleaseState};
use rusqlite::Connection;
use serde_json::Value;

use super::{SCHEMA_VERSION, State, Stay};

fn older() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch(include_str!("version_1.sql")).unwrap();
    (folder, path)
}

/// The tables and indexes of a database, in SQL without its spaces.
fn schema(path: &std::path::Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut all =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name").unwrap();
    let all = all.query_map([], |row| row.get::<_, String>(0)).unwrap();
    all.map(|sql| {
        sql.unwrap().split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(").replace(" )", ")")
    })
    .collect()
}

#[test]
fn a_state_of_the_first_version_is_brought_up_to_date() {
    let (folder, path) = older();
    let state = State::open(&path, &SystemRandom).unwrap();
    assert_eq!(state.fingerprint_key().unwrap(), [7; 32], "all fingerprints of secrets would change");
    let version: u32 =
        Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, SCHEMA_VERSION);
    let new = folder.path().join("new.db");
    drop(State::open(&new, &SystemRandom).unwrap());
    assert_eq!(schema(&path), schema(&new), "an old state and a new one differ");
    // What was being drained then is seen off now; what serves stays.
    let rows = state.instances().unwrap();
    let leaving: Vec<u32> = state.leaving().unwrap().iter().map(|row| row.ordinal).collect();
    let stays: Vec<bool> = rows.iter().map(|row| row.stay == Stay::On).collect();
    assert_eq!((leaving, stays.iter().filter(|stays| **stays).count()), (vec![1, 2], 2));
    for row in rows.iter().filter(|row| row.stay == Stay::On) {
        assert_eq!(row.release.version().moment(), "20260101000003");
    }
    // Opened again, nothing is done again.
    drop(state);
    assert_eq!(State::open(&path, &SystemRandom).unwrap().instances().unwrap(), rows);
}

#[test]
fn releases_and_history_of_the_first_version_are_read_as_they_were() {
    let (_folder, path) = older();
    let state = State::open(&path, &SystemRandom).unwrap();
    let place = state.deployed().unwrap().remove(0);
    let known = state.releases(&place.app, &place.environment).unwrap();
    let states: Vec<ReleaseState> = known.iter().map(|known| known.state).collect();
    assert_eq!(states, [ReleaseState::Kept, ReleaseState::Retiring, ReleaseState::Active]);
    let service = state.services(&place.app, &place.environment).unwrap().remove(0).1;
    let moment = |id: Option<landfall_model::ReleaseId>| id.unwrap().version().moment().to_owned();
    assert_eq!(
        (moment(service.active), moment(service.previous), service.boot_ms, service.stop_ms),
        ("20260101000003".to_owned(), "20260101000002".to_owned(), Some(320), Some(40))
    );
    let history = state.history(&place.app, &place.environment, 9).unwrap();
    assert!(history.len() == 3 && history.iter().all(|line| line.outcome == Some(Outcome::Done)));
    for row in state.instances().unwrap() {
        let id = InstanceId::of(&row.app, &row.environment, &row.release, row.ordinal);
        assert_eq!(row.id, id, "an instance that runs would be taken for another");
    }
    let stored: String = Connection::open(&path)
        .unwrap()
        .query_row("SELECT release FROM releases WHERE state = 'active'", [], |row| row.get(0))
        .unwrap();
    let active: Release = serde_json::from_str(&stored).unwrap();
    // What was not said then is not said now: else every service would be seen as changed, and deployed anew.
    let mut said: Value = serde_json::from_str(&stored).unwrap();
    said["spec"].sort_all_objects();
    let digest = Digest::of(said["spec"].to_string().as_bytes());
    assert_eq!((active.config, Release::config_digest(&active.spec)), (digest, digest));
}
