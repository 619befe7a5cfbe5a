//! Where a source is kept, as git knows it; images say so in a label that everybody may read.

use std::path::Path;

use landfall_model::Fault;

use super::git::run;

/// The longest address in bytes.
const MAX: usize = 2048;

/// The address of the repository that the folder `root` was cloned from (`remote.origin.url`), without a user or a
/// password; `None` without one.
///
/// # Errors
/// When git is there and cannot be started.
pub fn origin(root: &Path) -> Result<Option<String>, Fault> {
    let Some(output) = run(root, &["config", "--get", "remote.origin.url"])? else { return Ok(None) };
    let text = String::from_utf8_lossy(&output.stdout);
    let url = text.trim();
    Ok((output.status.success() && !url.is_empty() && url.len() <= MAX).then(|| public(url)))
}

/// An address without what stands before its host; the short form of ssh (`git@host:path`) names no secret.
fn public(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named() {
        for (url, shown) in [
            ("https://example.com/a/b.git", "https://example.com/a/b.git"),
            ("https://anna:token@example.com/a@b.git", "https://example.com/a@b.git"),
            ("https://token@example.com", "https://example.com"),
            ("ssh://git@example.com:22/a.git", "ssh://example.com:22/a.git"),
            ("git@example.com:a/b.git", "git@example.com:a/b.git"),
            ("/srv/git/a.git", "/srv/git/a.git"),
        ] {
            assert_eq!(public(url), shown);
        }
    }

    #[test]
    fn a_folder_of_its_own_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(origin(folder.path()).unwrap(), None);
        let git = |arguments: &[&str]| run(folder.path(), arguments).unwrap().unwrap().status.success();
        assert!(git(&["init", "-q"]));
        assert_eq!(origin(folder.path()).unwrap(), None);
        assert!(git(&["remote", "add", "origin", "https://me:secret@example.com/x.git"]));
        assert_eq!(origin(folder.path()).unwrap().as_deref(), Some("https://example.com/x.git"));
    }
}
