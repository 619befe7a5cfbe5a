//! The forms of what containers are told.

use crate::shape::{Flaw, Form};

/// A reference to an image, with a tag or a digest.
pub(crate) static IMAGE: Form = Form {
    pattern: r"^[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?$",
    expected: "an image with its tag or digest",
    check: image,
};
/// A registry, and the folder in it.
pub(crate) static REGISTRY: Form = Form {
    pattern: r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._/-]+)?$",
    expected: "a registry's host, and a folder in it",
    check: registry,
};
/// A build argument.
pub(crate) static ARGUMENT: Form =
    Form { pattern: "^[A-Za-z_][A-Za-z0-9_]*$", expected: "the name of a build argument", check: argument };
/// A stage of a Dockerfile.
pub(crate) static STAGE: Form =
    Form { pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$", expected: "the name of a stage", check: stage };
/// The name of a compose project (compose-spec, "name").
pub(crate) static PROJECT: Form = Form {
    pattern: "^[a-z0-9][a-z0-9_-]{0,127}$",
    expected: "at most 128 of a to z, 0 to 9, `_` and `-`, a letter or digit first",
    check: project,
};
/// A platform.
pub(crate) static PLATFORM: Form = Form {
    pattern: "^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$",
    expected: "an operating system and an architecture",
    check: platform,
};
/// A Docker engine.
pub(crate) static ENGINE: Form =
    Form { pattern: "^(unix|tcp|ssh)://.+$", expected: "an engine as DOCKER_HOST names it", check: engine };
/// A capability.
pub(crate) static CAPABILITY: Form =
    Form { pattern: "^[A-Z][A-Z_]*$", expected: "a capability", check: capability };
/// A user of a container.
pub(crate) static USER: Form = Form {
    pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
    expected: "a user, and perhaps a group",
    check: user,
};

/// Processors.
pub(crate) static CPUS: Form =
    Form { pattern: r"^[0-9]+(\.[0-9]{1,3})?$", expected: "a number of processors", check: processors };

/// The longest reference in bytes.
const MAX_REFERENCE: usize = 512;

fn image(text: &str) -> Result<(), Flaw> {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let first = name.chars().next().unwrap_or(' ');
    let good = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
    if !(first.is_ascii_lowercase() || first.is_ascii_digit())
        || !name.chars().all(good)
        || name.len() > MAX_REFERENCE
    {
        return Err(Flaw::new(format!("`{text}` is not an image"))
            .help("write it as \"postgres:17\" or \"registry.example.com/team/app:1.4.0\""));
    }
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Ok(());
        }
        return Err(Flaw::new(format!("`{digest}` is not the digest of an image"))
            .help("write `sha256:` and 64 hex digits"));
    }
    match name.rsplit('/').next().and_then(|last| last.split_once(':')) {
        Some((_, "latest")) => Err(Flaw::new(format!("`{text}` means another image tomorrow"))
            .help("name a version, as in \"postgres:17\", or a digest")),
        Some((_, tag)) if !tag.is_empty() => Ok(()),
        _ => Err(Flaw::new(format!("`{text}` has no tag, and so means `latest`, another image tomorrow"))
            .help("name a version, as in \"postgres:17\", or a digest")),
    }
}

fn registry(text: &str) -> Result<(), Flaw> {
    if let Some((_, rest)) = text.split_once("://") {
        return Err(Flaw::new("a registry is named without `http://` or `https://`")
            .help(format!("write \"{rest}\"")));
    }
    let (host, folder) = text.split_once('/').map_or((text, None), |(host, folder)| (host, Some(folder)));
    let good_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c));
    let good_part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    if good_host
        && folder.is_none_or(|folder| folder.split('/').all(good_part))
        && text.len() <= MAX_REFERENCE
    {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{text}` is not a registry"))
            .help("write its host and, if you like, a folder, as in \"registry.example.com/team\""))
    }
}

fn argument(text: &str) -> Result<(), Flaw> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(good) {
        return Err(Flaw::new(format!("`{text}` is not the name of a build argument"))
            .help("use letters, digits and `_`, no digit first"));
    }
    Ok(())
}

fn stage(text: &str) -> Result<(), Flaw> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(good) {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{text}` is not the name of a stage")))
    }
}

fn project(text: &str) -> Result<(), Flaw> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.starts_with(plain) && text.chars().all(|c| plain(c) || "_-".contains(c)) && text.len() <= 128 {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{text}` is not the name of a compose project")))
    }
}

fn platform(text: &str) -> Result<(), Flaw> {
    let parts: Vec<&str> = text.split('/').collect();
    let good =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if (2..=3).contains(&parts.len()) && parts.iter().all(good) {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{text}` is not a platform")).help("write it as \"linux/amd64\""))
    }
}

fn engine(text: &str) -> Result<(), Flaw> {
    match text.split_once("://") {
        Some(("unix" | "tcp" | "ssh", rest)) if !rest.trim().is_empty() => Ok(()),
        _ => Err(Flaw::new(format!("`{text}` does not name an engine")).help(
            "write it as \"ssh://build@10.0.0.9\", \"unix:///run/docker.sock\" or \"tcp://10.0.0.9:2376\"",
        )),
    }
}

fn capability(text: &str) -> Result<(), Flaw> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if bare != text {
        return Err(Flaw::new(format!("`{text}` is not how a capability is written here"))
            .help(format!("write \"{bare}\"")));
    }
    let good = |c: char| c.is_ascii_uppercase() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(good) {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{text}` is not a capability"))
            .help("write it as \"NET_BIND_SERVICE\", or \"ALL\""))
    }
}

/// A number of processors in thousandths, from 10 to 1,024,000.
pub(crate) fn cpus(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || part.is_empty() || part.len() > 3 {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let thousandths = digits(whole) && digits(part);
    let count =
        whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(format!("{part:0<3}").parse().ok()?)?;
    (thousandths && (10..=1_024_000).contains(&count)).then_some(count)
}

fn processors(text: &str) -> Result<(), Flaw> {
    cpus(text).map(|_| ()).ok_or_else(|| {
        Flaw::new(format!("`{text}` is not a number of processors")).help("write it as \"0.5\" or \"2\"")
    })
}

fn user(text: &str) -> Result<(), Flaw> {
    let good = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    if text.split(':').count() <= 2 && text.split(':').all(good) {
        Ok(())
    } else {
        Err(Flaw::new(format!("`{text}` is not a user"))
            .help("write it as \"10001\", \"10001:10001\" or \"app\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_take_the_good_and_refuse_the_bad() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        let table: [(&Form, &[&str], &[&str]); 8] = [
            (
                &IMAGE,
                &["postgres:17", "a.b:5000/c/d:1.2", &format!("a/b{digest}"), &format!("a:1{digest}")],
                &["", "postgres", "postgres:latest", "a.b:5000/c", "A:1", "a b:1", "a@sha256:00", "a:"],
            ),
            (
                &REGISTRY,
                &["a.b", "127.0.0.1:5000", "a.b/team/x"],
                &["", "https://a.b", "a.b/", "a.b/T", "a b"],
            ),
            (&ARGUMENT, &["A", "a_1"], &["", "1a", "a-b"]),
            (&PLATFORM, &["linux/amd64", "linux/arm/v7"], &["", "linux", "linux/", "a/b/c/d"]),
            (&ENGINE, &["unix:///run/x", "ssh://a@b", "tcp://a:1"], &["", "a@b", "http://a", "ssh://"]),
            (&CAPABILITY, &["ALL", "NET_ADMIN"], &["", "CAP_ALL", "net_admin", "A-B"]),
            (&CPUS, &["1", "0.5", "2.125"], &["", "0", ".5", "1.", "1.2345", "-1", "2000"]),
            (&USER, &["10001", "10001:10001", "app", "app:www-data"], &["", ":1", "a:b:c", "a b"]),
        ];
        for (form, good, bad) in table {
            for text in good {
                assert_eq!((form.check)(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!((form.check)(text).is_err(), "{text}");
            }
        }
    }
}
