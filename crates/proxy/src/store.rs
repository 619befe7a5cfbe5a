//! `proxy.json`: the routes as they were last put, so that a proxy that starts again serves the same.

mod first;

use std::io;
use std::path::Path;

use landfall_fx::Files;
use landfall_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, RouteConfig};

/// The version of the file's format.
const FORMAT: u64 = 2;

/// The file, in its current format.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u64,
    routes: Vec<Kept>,
}

/// A route in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) config: RouteConfig,
    #[serde(default, skip_serializing_if = "Marks::is_none")]
    pub(crate) marks: Marks,
}

/// What keeps a route's requests from going on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    /// A person holds them.
    #[serde(default)]
    pub(crate) paused: bool,
    /// They are turned away.
    #[serde(default)]
    pub(crate) maintenance: bool,
    /// A hold of a release that is under way lasts until here at most, for a proxy that starts again.
    #[serde(default)]
    pub(crate) held_until: Option<Timestamp>,
}

impl Marks {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<RouteConfig> for Kept {
    fn from(config: RouteConfig) -> Self {
        Self { config, marks: Marks::default() }
    }
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
pub(crate) fn load(files: &dyn Files, path: &Path) -> Result<(Vec<Kept>, Option<String>), Error> {
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
    let routes = match versioned {
        Ok(Versioned { format: 1 }) => serde_json::from_slice::<first::Stored>(&bytes).map(Into::into),
        _ => serde_json::from_slice::<Stored>(&bytes).map(|stored| stored.routes),
    };
    match routes {
        Ok(routes) => Ok((routes, None)),
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
pub(crate) fn save(files: &dyn Files, path: &Path, routes: Vec<Kept>) -> io::Result<()> {
    let mut bytes =
        serde_json::to_vec_pretty(&Stored { format: FORMAT, routes }).map_err(io::Error::other)?;
    bytes.push(b'\n');
    files.replace(path, &bytes)
}

#[cfg(test)]
mod tests {
    use landfall_fx::RealFiles;

    use super::*;
    use crate::config::testing;
    use crate::{Backend, HealthCheck, HttpOptions};

    #[test]
    fn routes_are_kept_and_bad_files_are_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.json");
        assert_eq!(load(&RealFiles, &path).unwrap(), (Vec::new(), None));
        let mut site = testing::route("b");
        site.listen = "[::1]:80".parse().unwrap();
        site.health = Some(HealthCheck { path: None, status: (200, 299), interval_ms: 1, timeout_ms: 2 });
        site.pools[0].pool.backend = Backend::Files { root: "/srv".into() };
        site.pools[0].weight = 7;
        site.http.errors.insert(502, "/srv/502.html".into());
        let mut routes = vec![Kept::from(testing::route("a")), Kept::from(site)];
        routes[1].marks.held_until = Some(Timestamp::from_millis(1_700_000_000_123));
        routes[1].marks.paused = true;
        save(&RealFiles, &path, routes.clone()).unwrap();
        assert_eq!(load(&RealFiles, &path).unwrap(), (routes, None));
        std::fs::write(&path, "{\"format\":2,\"routes\":[{\"id\"").unwrap();
        let (none, note) = load(&RealFiles, &path).unwrap();
        assert!(none.is_empty() && note.unwrap().contains("proxy.json.bad"));
        assert!(folder.path().join("proxy.json.bad").exists() && !path.exists());
        std::fs::write(&path, "{\"format\":3,\"anything\":0}").unwrap();
        assert!(matches!(load(&RealFiles, &path), Err(Error::NewerFormat { found: 3, known: 2, .. })));
        assert!(path.exists());
    }

    #[test]
    fn what_the_format_before_kept_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.json");
        let first = r#"{"format": 1, "routes": [{
            "id": "app/dev/web", "listen": "127.0.0.1:8080", "host": "*", "prefix": "/", "strip": false,
            "hold": {"requests": 1, "bytes": 2, "time_ms": 3}, "health": null,
            "pool": {"label": "1", "backend": {"instances": {"addresses": ["127.0.0.1:9000"]}}}
        }]}"#;
        std::fs::write(&path, first).unwrap();
        let route = testing::route("app/dev/web");
        assert_eq!(route.http, HttpOptions::default());
        assert_eq!(load(&RealFiles, &path).unwrap(), (vec![route.into()], None));
    }
}
