//! Rules: the machine, or another service, denies the application something.

use landfall_model::Evidence;

use super::{Finding, between, failed_by_itself, newest, short};

/// No space left.
pub(super) fn disk_full(evidence: &Evidence) -> Option<Finding> {
    let said = |line: &str| {
        let phrases =
            ["No space left on device", "ENOSPC", "database or disk is full", "Disk quota exceeded"];
        phrases.iter().any(|phrase| line.contains(phrase)).then_some(())
    };
    newest(evidence, said).filter(|()| failed_by_itself(evidence))?;
    Finding::new(
        "the disk is full",
        "make room (`df -h` shows where; fewer kept releases help) and deploy again",
    )
}

/// SQLite's lock is somebody else's.
pub(super) fn database_locked(evidence: &Evidence) -> Option<Finding> {
    newest(evidence, |line| line.to_lowercase().contains("database is locked").then_some(()))
        .filter(|()| failed_by_itself(evidence))?;
    Finding::new(
        "its database is locked by another process",
        "one SQLite file has one writer: use the strategy `restart`, so that two releases never run at once, or set a busy timeout",
    )
}

/// Another service does not accept connections.
pub(super) fn service_refused(evidence: &Evidence) -> Option<Finding> {
    if !failed_by_itself(evidence) {
        return None;
    }
    let line = newest(evidence, |line| {
        let refused = line.contains("ECONNREFUSED") || line.contains("onnection refused");
        refused.then(|| line.to_owned())
    })?;
    let address =
        between(&line, "ECONNREFUSED ", " ").or_else(|| line.split_once("ECONNREFUSED ").map(|(_, a)| a));
    let place = match (address, between(&line, "connection to server at \"", "\"")) {
        (Some(address), _) if address.contains(':') => format!(" on {address}"),
        (_, Some(host)) => format!(" at {host}"),
        _ => String::new(),
    };
    Finding::new(
        format!("a service that it needs does not accept connections{place}"),
        "see that the database or service runs and that its address in `env` is right; retry at the start instead of ending",
    )
}

/// A file or a port that it may not use.
pub(super) fn permission_denied(evidence: &Evidence) -> Option<Finding> {
    if !failed_by_itself(evidence) {
        return None;
    }
    let line = newest(evidence, |line| {
        let denied = [
            "Permission denied",
            "EACCES",
            "permission denied",
            "EROFS",
            "Read-only file system",
            "readonly database",
        ];
        denied.iter().any(|phrase| line.contains(phrase)).then(|| line.to_owned())
    })?;
    if line.contains("listen EACCES") || line.contains("bind") {
        return Finding::new(
            "it may not listen on the port it wants: ports below 1024 are for root",
            "let it listen on $HOST:$PORT, which it finds in its environment",
        );
    }
    let path = between(&line, "'", "'").filter(|path| path.contains('/'));
    let path = path.map_or_else(|| "a file".to_owned(), |path| format!("`{}`", short(path)));
    Finding::new(
        format!("it may not use {path}"),
        "let it write into a volume (`volumes = { data = \"/data\" }`, `${volume.data}`): a release's own folder is not for data",
    )
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;

    #[test]
    fn what_the_machine_denies() {
        Case::exited(1, "OSError: [Errno 28] No space left on device: '/data/x'").cause("the disk is full");
        Case::running("")
            .with(|evidence| {
                evidence.log = vec![(
                    landfall_model::Stream::Err,
                    "sqlite3.OperationalError: database is locked".to_owned(),
                )];
            })
            .answering(500, "")
            .cause("its database is locked by another process")
            .advice("`restart`");
        Case::exited(1, "PermissionError: [Errno 13] Permission denied: '/srv/data/guestbook.db'")
            .cause("it may not use `/srv/data/guestbook.db`")
            .advice("volume");
        Case::exited(1, "Error: listen EACCES: permission denied 0.0.0.0:80")
            .cause("it may not listen on the port it wants: ports below 1024 are for root");
    }

    #[test]
    fn services_that_refuse() {
        Case::exited(1, "Error: connect ECONNREFUSED 127.0.0.1:5432\n    at TCPConnectWrap.afterConnect")
            .cause("a service that it needs does not accept connections on 127.0.0.1:5432");
        Case::exited(1, "ConnectionRefusedError: [Errno 111] Connection refused")
            .cause("a service that it needs does not accept connections");
        let psycopg = "psycopg2.OperationalError: connection to server at \"db.local\" (10.0.0.9), port 5432 failed: Connection refused";
        Case::exited(1, psycopg).cause("a service that it needs does not accept connections at db.local");
    }

    #[test]
    fn a_warning_of_one_that_runs_is_no_cause() {
        Case::running("redis: Connection refused, going on without")
            .cause("it did not become healthy within 1 min");
    }
}
