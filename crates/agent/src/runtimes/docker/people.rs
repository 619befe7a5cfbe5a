//! Who a name is inside an image: its own list of users and groups, read without starting anything.

use std::io::Read as _;

use landfall_docker::Engine;
use landfall_model::{Digest, Fault, Release, SecretsAs};

use super::{container, owner};
use crate::background::flatten;
use crate::host::LocalHost;

/// The most that is read of a list, in bytes.
const MAX_LIST: u64 = 1024 * 1024;

impl LocalHost {
    /// Who the processes of a release's container are, in numbers; looked up in the image only where something must
    /// belong to them. `None` for the image's root, and for a name that the image does not know.
    pub(super) fn who(
        &self,
        docker: &Engine,
        release: &Release,
        image: &Digest,
        said: &str,
    ) -> Result<Option<(u32, u32)>, Fault> {
        let container = container::of(release)?;
        let user = container.user.as_deref().unwrap_or(said);
        let owns = !release.spec.volumes.is_empty() || container.secrets_as == SecretsAs::Files;
        if user.is_empty() || !owns || owner::numbers(user).is_some() {
            return Ok(owner::numbers(user));
        }
        let (passwd, group) =
            self.open_image(docker, release, (image, "users"), async |opened: String| {
                let passwd = list(docker, &opened, "/etc/passwd").await?;
                Ok((passwd, list(docker, &opened, "/etc/group").await?))
            })?;
        Ok(numbers_of(user, &passwd, &group))
    }
}

/// A file of a container; nothing when it has none.
async fn list(docker: &Engine, container: &str, path: &str) -> Result<String, Fault> {
    // An image from scratch has neither list, and a user in numbers or none.
    let Ok(archive) = docker.copy_out(container, path).await else { return Ok(String::new()) };
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        let mut archive = tar::Archive::new(archive.blocking());
        if let Some(Ok(entry)) = archive.entries().ok().and_then(|mut entries| entries.next()) {
            // What is no text names nobody.
            let _ = entry.take(MAX_LIST).read_to_string(&mut text);
        }
        Ok(text)
    });
    flatten(read.await)
}

/// `app`, `app:staff`, `app:50` or `10001:staff` in numbers, by the lists of `passwd(5)` and `group(5)`.
fn numbers_of(user: &str, passwd: &str, group: &str) -> Option<(u32, u32)> {
    let (user, its_group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let field = |list: &str, name: &str, at: usize| -> Option<u32> {
        let line = list.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(at)?.parse().ok()
    };
    let uid = user.parse().ok().or_else(|| field(passwd, user, 2))?;
    let gid = match its_group {
        Some(name) => name.parse().ok().or_else(|| field(group, name, 2))?,
        None => field(passwd, user, 3).unwrap_or(uid),
    };
    Some((uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_image() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\napp:x:10001:999::/app:/bin/sh\napple:x:7:7::/:/bin/sh\n";
        let group = "root:x:0:\nstaff:x:50:app\n";
        let of = |user| numbers_of(user, passwd, group);
        assert_eq!(of("app"), Some((10001, 999)));
        assert_eq!(of("app:staff"), Some((10001, 50)));
        assert_eq!(of("app:51"), Some((10001, 51)));
        assert_eq!(of("3:staff"), Some((3, 50)));
        assert_eq!(of("root"), Some((0, 0)));
        assert_eq!((of("nobody"), of("app:nobody"), numbers_of("app", "", "")), (None, None, None));
    }
}
