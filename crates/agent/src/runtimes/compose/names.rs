//! Names of a compose project and of what is made for it. Pure.

use landfall_model::{Digest, Release};

/// The longest name of a part in an image's name; a longer one is cut and told apart by a digest.
const MAX_PART: usize = 60;

/// The name of the project that the test gate of a release runs in.
pub(super) fn gate(release: &Release) -> String {
    let (app, service) = (&release.app, release.service());
    format!("{app}_{}_{service}_test_{}", release.environment, release.id.version().moment())
}

/// The tag of the image of a part that a release builds; it never moves.
pub(super) fn image(release: &Release, part: &str) -> String {
    let (app, service) = (&release.app, release.service());
    format!("landfall/{app}/{}/{service}/{}:{}", release.environment, component(part), release.id.version())
}

/// A name as a component of an image's path (`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`, distribution/reference): as it is
/// where it is one, else the nearest with a digest behind it.
fn component(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separated = name.split(['-', '_', '.']).all(|word| !word.is_empty() && word.chars().all(plain));
    if separated && name.len() <= MAX_PART {
        return name.to_owned();
    }
    let near: String =
        name.chars().map(|c| c.to_ascii_lowercase()).filter(|c| plain(*c)).take(MAX_PART).collect();
    format!("{near}x{}", Digest::of(name.as_bytes()).short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::release_of;

    #[test]
    fn two_gates_never_share_a_project() {
        let mut one = release_of("1.0.0-20260101000001");
        let mut other = one.clone();
        (one.app, one.environment) = ("a-b".parse().unwrap(), "c".parse().unwrap());
        (other.app, other.environment) = ("a".parse().unwrap(), "b-c".parse().unwrap());
        assert_eq!(gate(&one), "a-b_c_web_test_20260101000001");
        assert_ne!(gate(&one), gate(&other));
    }

    #[test]
    fn images_have_valid_names() {
        let release = release_of("1.0.0-20260101000001");
        assert_eq!(image(&release, "db_1.x"), "landfall/a/dev/web/db_1.x:1.0.0-20260101000001");
        assert!(component("Web").starts_with("webx"), "{}", component("Web"));
        assert_ne!(component("a__b"), component("ab"));
        assert!(component(&"n".repeat(200)).len() < 90);
    }
}
