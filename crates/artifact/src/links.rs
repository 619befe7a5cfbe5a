//! Where a symbolic link leads, worked out in the tree of an index alone: the file system is not asked, so that the
//! sender and the receiver of a bundle come to the same answer.

use std::collections::HashMap;

/// How many links are followed before a path is taken to lead nowhere, as Linux counts them (`path_resolution(7)`).
const MAX_HOPS: usize = 40;

/// Whether `target`, held by the link at `link`, never goes above the root of the tree, `links` (path to target)
/// followed on the way. A link that leads nowhere, or in a circle, stays inside.
pub(crate) fn stays_inside(link: &str, target: &str, links: &HashMap<&str, &str>) -> bool {
    let mut here: Vec<&str> = link.split('/').collect();
    here.pop();
    // What is still to be walked, the next part last.
    let mut ahead: Vec<&str> = target.split('/').rev().collect();
    if target.starts_with('/') {
        return false;
    }
    let mut hops = 0;
    while let Some(part) = ahead.pop() {
        match part {
            "" | "." => {}
            ".." => {
                if here.pop().is_none() {
                    return false;
                }
            }
            name => {
                here.push(name);
                let Some(next) = links.get(here.join("/").as_str()) else { continue };
                hops += 1;
                if hops > MAX_HOPS {
                    return true;
                }
                if next.starts_with('/') {
                    return false;
                }
                here.pop();
                ahead.extend(next.split('/').rev());
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let links =
            HashMap::from([("a/b/c/top", "../../.."), ("loop", "loop"), ("abs", "/etc"), ("s", "a/b")]);
        for (link, target, inside) in [
            ("x", "y", true),
            ("x", "a/../y", true),
            ("x", "..", false),
            ("a/x", "..", true),
            ("a/x", "../..", false),
            ("x", "/etc/passwd", false),
            ("x", "loop/..", true),
            ("x", "a/b/c/top", true),
            ("x", "a/b/c/top/..", false),
            ("x", "abs/passwd", false),
            ("x", "s/../..", true),
            ("x", "s/../../..", false),
            ("x", "", true),
        ] {
            assert_eq!(stays_inside(link, target, &links), inside, "{link} -> {target}");
        }
    }
}
