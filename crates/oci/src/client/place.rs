//! Where images are: a registry with a prefix as a manifest names it, and references as people write them.

use std::net::IpAddr;

use landfall_model::{Digest, Fault};

use crate::name::{Repository, Tag, Target};

/// The registry that names without one mean.
const HUB: &str = "docker.io";

/// Where Docker Hub's registry really is.
const HUB_HOST: &str = "registry-1.docker.io";

/// What Docker calls Docker Hub where it keeps passwords.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A registry and a prefix for names in it: `registry.example.com/team`. `http://` before it allows to speak without TLS,
/// which is done with this machine anyway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    host: String,
    plain: bool,
    prefix: Option<Repository>,
}

/// An image somewhere: `registry.example.com/team/web:1.0.0@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// In which registry; its prefix is empty.
    pub place: Place,
    /// Which repository.
    pub repository: Repository,
    /// Which image. With a tag and a digest the digest counts.
    pub target: Target,
}

impl Place {
    /// Reads what a manifest says.
    ///
    /// # Errors
    /// A usage fault.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = |why: &str| {
            Fault::usage(format!("`{text}` is no registry: {why}"))
                .help("write its host, and a prefix if images go below one: `registry.example.com/team`")
        };
        let (plain, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (is_this_machine(host_of(text)), text),
        };
        let rest = rest.trim_end_matches('/');
        let (host, prefix) = rest.split_once('/').map_or((rest, None), |(host, prefix)| (host, Some(prefix)));
        if !is_host(host) {
            return Err(wrong("it begins with no host"));
        }
        let prefix = prefix.map(str::parse).transpose();
        let prefix = prefix.map_err(|error: crate::WrongName| wrong(&error.to_string()))?;
        Ok(Self { host: host.to_ascii_lowercase(), plain, prefix })
    }

    /// The repository of an application's service below the prefix.
    ///
    /// # Errors
    /// A usage fault when prefix and names are too long together.
    pub fn repository(&self, app: &str, service: &str) -> Result<Repository, Fault> {
        let prefix = self.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
        format!("{prefix}{app}/{service}")
            .parse()
            .map_err(|error: crate::WrongName| Fault::usage(error.to_string()))
    }

    /// Host and port as people and engines write them.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name under which Docker keeps this registry's password.
    #[must_use]
    pub fn key(&self) -> &str {
        if self.is_hub() { HUB_KEY } else { &self.host }
    }

    /// Whether requests go without TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The same; without TLS if its host is one of `insecure`, which the user named for the engine.
    #[must_use]
    pub fn plain_if_among(mut self, insecure: &[String]) -> Self {
        self.plain |= insecure.iter().any(|host| host.eq_ignore_ascii_case(&self.host));
        self
    }

    /// The address that requests begin with.
    pub(super) fn base(&self) -> String {
        let host = if self.is_hub() { HUB_HOST } else { &self.host };
        format!("{}://{host}", if self.plain { "http" } else { "https" })
    }

    /// Whether it is on this machine.
    pub(super) fn is_here(&self) -> bool {
        is_this_machine(host_of(&self.host))
    }

    fn is_hub(&self) -> bool {
        matches!(self.host.as_str(), HUB | HUB_HOST | "index.docker.io")
    }
}

impl Reference {
    /// Reads a reference; without a registry it is one of Docker Hub, without a tag it is refused: `latest` is never meant.
    ///
    /// # Errors
    /// A usage fault.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = |why: &str| Fault::usage(format!("`{text}` names no image: {why}"));
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => match digest.parse() {
                Ok(digest @ Digest::Sha256(_)) => (rest, Some(digest)),
                _ => return Err(wrong("what follows the `@` is no SHA-256 digest")),
            },
        };
        let name_at = rest.rfind('/').map_or(0, |at| at + 1);
        let (path, tag) = match rest[name_at..].split_once(':') {
            Some((name, tag)) => (&rest[..name_at + name.len()], Some(tag)),
            None => (rest, None),
        };
        let first = path.split('/').next().unwrap_or_default();
        let has_host = path.contains('/') && (first.contains(['.', ':']) || first == "localhost");
        let host = if has_host { first } else { HUB };
        let name = if has_host { &path[first.len() + 1..] } else { path };
        let place = Place::parse(host)?;
        let official = place.is_hub() && !name.contains('/');
        let name = if official { format!("library/{name}") } else { name.to_owned() };
        let repository = name.parse().map_err(|error: crate::WrongName| wrong(&error.to_string()))?;
        let tag = tag.map(str::parse::<Tag>).transpose();
        let tag = tag.map_err(|error| wrong(&error.to_string()))?;
        let target = match (digest, tag) {
            (Some(digest), _) => Target::Digest(digest),
            (None, Some(tag)) => Target::Tag(tag),
            (None, None) => {
                return Err(
                    wrong("it has neither a tag nor a digest").help("name the tag: `latest` is never meant")
                );
            }
        };
        Ok(Self { place, repository, target })
    }
}

fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    !text.is_empty()
        && text.chars().all(allowed)
        && text.parse::<http::uri::Authority>().is_ok_and(|authority| !authority.host().is_empty())
}

fn host_of(text: &str) -> &str {
    let authority = text.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Whether a host's name means this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_spoken_to_with_tls_unless_it_is_this_machine_or_told_otherwise() {
        for (text, base) in [
            ("registry.example.com/team", "https://registry.example.com"),
            ("Registry.example.com:5000", "https://registry.example.com:5000"),
            ("http://registry.lan/team/", "http://registry.lan"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("localhost:5000/x", "http://localhost:5000"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("https://localhost", "https://localhost"),
            ("docker.io/team", "https://registry-1.docker.io"),
        ] {
            assert_eq!(Place::parse(text).unwrap().base(), base, "{text}");
        }
        for bad in ["", "/team", "a b", "user@host", "host/Team", "https://", "ftp://host", "host?x"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
        let place = Place::parse("registry.example.com/team").unwrap();
        assert_eq!(place.repository("guestbook", "web").unwrap().as_str(), "team/guestbook/web");
        assert_eq!(Place::parse("docker.io").unwrap().key(), "https://index.docker.io/v1/");
    }

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, host, repository, target) in [
            ("postgres:17", "docker.io", "library/postgres", "17"),
            ("team/web:1", "docker.io", "team/web", "1"),
            ("localhost/web:1", "localhost", "web", "1"),
            ("r.example.com:5000/a/b:1", "r.example.com:5000", "a/b", "1"),
            (&format!("r.example.com/a@{digest}"), "r.example.com", "a", &digest),
            (&format!("r.example.com/a:1@{digest}"), "r.example.com", "a", &digest),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.place.host(), host, "{text}");
            assert_eq!(reference.repository.as_str(), repository, "{text}");
            assert_eq!(reference.target.to_string(), target, "{text}");
        }
        for bad in ["", "postgres", "a:b:c", "A:1", "a@sha256:00", "r.example.com:5000/a", "/a:1"] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }
}
