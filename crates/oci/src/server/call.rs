//! What a request's path means. A repository's name has slashes, so that the path is read from its end.

use landfall_model::Digest;

use super::refusal::{Code, Refusal};
use crate::name::{Repository, Target};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Root,
    Token,
    Blob(Repository, Digest),
    Uploads(Repository),
    Upload(Repository, String),
    Manifest(Repository, Target),
    Tags(Repository),
    Referrers(Repository, Digest),
}

impl What {
    pub(crate) fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Root | Self::Token => None,
            Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Manifest(name, _)
            | Self::Tags(name)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

/// Reads a path.
///
/// # Errors
/// A name or digest that is none; a path that is not of the specification.
pub(crate) fn parse(path: &str) -> Result<What, Refusal> {
    let path = decode(path);
    if path == "/token" {
        return Ok(What::Token);
    }
    let Some(rest) = path.strip_prefix("/v2") else { return Err(nothing()) };
    if rest.is_empty() || rest == "/" {
        return Ok(What::Root);
    }
    let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            Ok(What::Uploads(repository(name)?))
        }
        [name @ .., "blobs", "uploads", id] => Ok(What::Upload(repository(name)?, (*id).to_owned())),
        [name @ .., "tags", "list"] => Ok(What::Tags(repository(name)?)),
        [name @ .., "blobs", hash] => Ok(What::Blob(repository(name)?, digest(hash)?)),
        [name @ .., "referrers", hash] => Ok(What::Referrers(repository(name)?, digest(hash)?)),
        [name @ .., "manifests", target] => {
            let target = target.parse();
            let target = target.map_err(|error: crate::WrongName| {
                let code = if error.to_string().contains("digest") {
                    Code::DigestInvalid
                } else {
                    Code::ManifestInvalid
                };
                Refusal::new(code, error)
            })?;
            Ok(What::Manifest(repository(name)?, target))
        }
        _ => Err(nothing()),
    }
}

/// Reads a digest; the store has SHA-256 only.
///
/// # Errors
/// Anything else.
pub(crate) fn digest(text: &str) -> Result<Digest, Refusal> {
    match text.parse() {
        Ok(digest @ Digest::Sha256(_)) => Ok(digest),
        _ => Err(Refusal::new(Code::DigestInvalid, format!("`{text}` is no SHA-256 digest"))),
    }
}

/// Reads a repository's name.
///
/// # Errors
/// What is none.
pub(crate) fn name(text: &str) -> Result<Repository, Refusal> {
    text.parse().map_err(|error| Refusal::new(Code::NameInvalid, error))
}

fn repository(parts: &[&str]) -> Result<Repository, Refusal> {
    name(&parts.join("/"))
}

fn nothing() -> Refusal {
    Refusal::new(Code::NameUnknown, "there is no such call")
}

/// Undoes percent-encoding; what is no text stays as it is, and is refused as a name later.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|two| str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let hash = format!("sha256:{}", "a".repeat(64));
        let told = |path: &str| match parse(path) {
            Ok(what) => format!("{what:?}"),
            Err(refusal) => refusal.code.name().to_owned(),
        };
        assert_eq!(parse("/v2/").unwrap(), What::Root);
        assert_eq!(parse("/v2").unwrap(), What::Root);
        let name: Repository = "a/blobs/tags".parse().unwrap();
        assert_eq!(
            parse(&format!("/v2/a/blobs/tags/blobs/{hash}")).unwrap(),
            What::Blob(name.clone(), digest(&hash).unwrap())
        );
        let encoded = hash.replace(':', "%3A");
        assert!(matches!(parse(&format!("/v2/a/blobs/{encoded}")), Ok(What::Blob(..))));
        assert_eq!(parse("/v2/a/blobs/tags/tags/list").unwrap(), What::Tags(name));
        assert!(matches!(parse("/v2/a/b/blobs/uploads/"), Ok(What::Uploads(_))));
        assert!(matches!(parse("/v2/a/b/blobs/uploads"), Ok(What::Uploads(_))));
        assert!(matches!(parse("/v2/a/blobs/uploads/0123"), Ok(What::Upload(..))));
        assert!(matches!(parse("/v2/a/manifests/1.0"), Ok(What::Manifest(_, Target::Tag(_)))));
        assert!(matches!(
            parse(&format!("/v2/a/manifests/{hash}")),
            Ok(What::Manifest(_, Target::Digest(_)))
        ));
        assert!(matches!(parse(&format!("/v2/a/referrers/{hash}")), Ok(What::Referrers(..))));
        for (path, code) in [
            ("/", "NAME_UNKNOWN"),
            ("/v3/", "NAME_UNKNOWN"),
            ("/v2/a", "NAME_UNKNOWN"),
            ("/v2/a/blobs/sha256:00", "DIGEST_INVALID"),
            ("/v2/a/manifests/sha256:00", "DIGEST_INVALID"),
            ("/v2/a/manifests/-", "MANIFEST_INVALID"),
            ("/v2/A/tags/list", "NAME_INVALID"),
            ("/v2//tags/list", "NAME_INVALID"),
            ("/v2/../tags/list", "NAME_INVALID"),
            ("/v2/%2e%2e%2fx/tags/list", "NAME_INVALID"),
            ("/v2/%ff/tags/list", "NAME_INVALID"),
        ] {
            assert_eq!(told(path), code, "{path}");
        }
    }
}
