//! `proxy.json`: the routes as they were last put, so that a proxy that starts again serves the same.

use std::io;
use std::path::Path;

use landfall_fx::Files;
use serde::{Deserialize, Serialize};

use crate::{Error, RouteConfig};

/// The version of the file's format.
const FORMAT: u64 = 1;

/// The file, in its current format.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u64,
    routes: Vec<RouteConfig>,
}

/// What any format has.
#[derive(Deserialize)]
struct Versioned {
    format: u64,
}

/// Reads the file; no routes when there is none. One that makes no sense is moved aside, and the note says so.
///
/// # Errors
/// A newer format, or what the system says.
pub(crate) fn load(files: &dyn Files, path: &Path) -> Result<(Vec<RouteConfig>, Option<String>), Error> {
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), None)),
        Err(error) => return Err(Error::io(format!("cannot read {}", path.display()))(error)),
    };
    let versioned = serde_json::from_slice::<Versioned>(&bytes);
    if let Ok(Versioned { format }) = versioned
        && format > FORMAT
    {
        return Err(Error::NewerFormat { config: path.to_owned(), found: format, known: FORMAT });
    }
    match serde_json::from_slice::<Stored>(&bytes) {
        Ok(stored) => Ok((stored.routes, None)),
        Err(error) => {
            let aside = path.with_extension("json.bad");
            std::fs::rename(path, &aside)
                .map_err(Error::io(format!("cannot move {} aside", path.display())))?;
            let note = format!(
                "the routes in {} could not be read ({error}); the file is kept as {} and the proxy began without routes",
                path.display(),
                aside.display()
            );
            Ok((Vec::new(), Some(note)))
        }
    }
}

/// Replaces the file; it is on the disk when this returns.
///
/// # Errors
/// What the system says; the old file is then untouched.
pub(crate) fn save(files: &dyn Files, path: &Path, routes: Vec<RouteConfig>) -> io::Result<()> {
    let mut bytes =
        serde_json::to_vec_pretty(&Stored { format: FORMAT, routes }).map_err(io::Error::other)?;
    bytes.push(b'\n');
    files.replace(path, &bytes)
}

#[cfg(test)]
mod tests {
    use landfall_fx::RealFiles;

    use super::*;
    use crate::{Backend, HealthCheck, HoldLimits, Pool};

    #[test]
    fn routes_are_kept_and_bad_files_are_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.json");
        assert_eq!(load(&RealFiles, &path).unwrap(), (Vec::new(), None));
        let route = |id: &str, backend| RouteConfig {
            id: id.to_owned(),
            listen: "[::1]:80".parse().unwrap(),
            host: "a".to_owned(),
            prefix: "/".to_owned(),
            strip: true,
            hold: HoldLimits { requests: 1, bytes: 2, time_ms: 3 },
            health: Some(HealthCheck { path: None, status: (200, 299), interval_ms: 1, timeout_ms: 2 }),
            pool: Pool { label: "v".to_owned(), backend },
        };
        let routes = vec![
            route("a", Backend::Instances { addresses: vec!["127.0.0.1:1".parse().unwrap()] }),
            route("b", Backend::Files { root: "/srv".into() }),
        ];
        save(&RealFiles, &path, routes.clone()).unwrap();
        assert_eq!(load(&RealFiles, &path).unwrap(), (routes, None));
        std::fs::write(&path, "{\"format\":1,\"routes\":[{\"id\"").unwrap();
        let (none, note) = load(&RealFiles, &path).unwrap();
        assert!(none.is_empty() && note.unwrap().contains("proxy.json.bad"));
        assert!(folder.path().join("proxy.json.bad").exists() && !path.exists());
        std::fs::write(&path, "{\"format\":2,\"anything\":0}").unwrap();
        assert!(matches!(load(&RealFiles, &path), Err(Error::NewerFormat { found: 2, known: 1, .. })));
        assert!(path.exists());
    }
}
