//! The passwords that `docker login` keeps: Docker's `config.json`, its credential store and its helpers.
//!
//! Formats: Docker's "docker login" reference ("Credential stores", "Credential helper protocol").

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_model::{Blame, Fault, FaultKind, Retry};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::place::Place;

/// The largest `config.json` in bytes.
const MAX_CONFIG: u64 = 1024 * 1024;

/// The longest answer of a helper in bytes.
const MAX_HELPER: u64 = 64 * 1024;

/// How long a helper may take: some ask a service.
const HELPER: Duration = Duration::from_secs(30);

/// The name that a helper gives for a token instead of a password.
const TOKEN_USER: &str = "<token>";

/// Who somebody is to a registry.
#[derive(Debug, Clone, Default)]
pub enum Credential {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// Name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A token that the registry's token server takes for others.
    Identity(SecretString),
    /// A token that the registry itself takes.
    Registry(SecretString),
}

impl Credential {
    /// Who that is, for people.
    #[must_use]
    pub fn who(&self) -> String {
        match self {
            Self::Anonymous => "nobody is logged in there".to_owned(),
            Self::Password { user, .. } => format!("`{user}` is logged in there"),
            Self::Identity(_) | Self::Registry(_) => "a token is kept for it".to_owned(),
        }
    }
}

/// Docker's configuration of one user.
#[derive(Debug, Default)]
pub struct DockerConfig {
    path: PathBuf,
    search: Option<String>,
    content: Content,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<SecretText>,
    identitytoken: Option<SecretText>,
    registrytoken: Option<SecretText>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// A secret as JSON holds it.
#[derive(Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl SecretText {
    fn given(self) -> Option<SecretString> {
        Some(self.0).filter(|text| !text.is_empty()).map(SecretString::from)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: SecretText,
}

impl DockerConfig {
    /// Reads `$DOCKER_CONFIG/config.json`, else `$HOME/.docker/config.json`; empty when there is none.
    ///
    /// # Errors
    /// A file that cannot be read or is none.
    pub fn load(variables: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let folder = set("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")));
        let search = set("PATH").cloned();
        let Some(path) = folder.map(|folder| folder.join("config.json")) else {
            return Ok(Self { search, ..Self::default() });
        };
        let broken = |why: String| {
            Fault::machine(format!("Docker's configuration {} cannot be used: {why}", path.display()))
                .help("mend it, or move it away and log in again with `docker login`")
        };
        let text = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => b"{}".to_vec(),
            Ok(facts) if facts.len() > MAX_CONFIG => return Err(broken("it is too large".to_owned())),
            _ => std::fs::read(&path).map_err(|error| broken(error.to_string()))?,
        };
        // What serde says of a text may hold a part of it.
        let content = serde_json::from_slice(&text)
            .map_err(|error| broken(format!("line {} is not what Docker writes", error.line())))?;
        Ok(Self { path, search, content })
    }

    /// Who the user is to a registry: its own helper is asked first, then the store of all, then the file itself.
    ///
    /// # Errors
    /// A helper that cannot be run or fails; a password that is none.
    pub async fn credential(&self, place: &Place) -> Result<Credential, Fault> {
        let own = self.content.cred_helpers.iter().find(|(server, _)| is_same(server, place));
        if let Some(helper) = own.map(|(_, helper)| helper).or(self.content.creds_store.as_ref())
            && let Some(credential) = self.ask(helper, place).await?
        {
            return Ok(credential);
        }
        let entry = self.content.auths.iter().find(|(server, _)| is_same(server, place));
        match entry {
            Some((_, entry)) => entry.read().map_err(|()| {
                Fault::machine(format!("{} holds no password for {}", self.path.display(), place.host()))
                    .help(format!("log in again: `docker login {}`", place.host()))
            }),
            None => Ok(Credential::Anonymous),
        }
    }

    /// Asks a helper; `None` when it knows nothing of the registry.
    async fn ask(&self, helper: &str, place: &Place) -> Result<Option<Credential>, Fault> {
        let program = format!("docker-credential-{helper}");
        let fails = |why: String| {
            let message = format!("Docker's credential helper `{program}` {why}");
            Fault::new(FaultKind::Failed, Blame::Machine, Retry::AfterFix, message).help(format!(
                "try `echo {} | {program} get` as the user that runs Landfall; {} names it",
                place.key(),
                self.path.display()
            ))
        };
        if helper.contains('/') {
            return Err(fails("is no program's name".to_owned()));
        }
        let mut command = tokio::process::Command::new(&program);
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(search) = &self.search {
            command.env("PATH", search);
        }
        let mut child = command.spawn().map_err(|error| fails(format!("cannot be started: {error}")))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let talk = async {
            if let Some(mut input) = input {
                // One that ends without reading says why in its answer.
                let _ = input.write_all(place.key().as_bytes()).await;
            }
            let mut said = Vec::new();
            if let Some(output) = output {
                output.take(MAX_HELPER).read_to_end(&mut said).await?;
            }
            Ok::<_, std::io::Error>((child.wait().await?, said))
        };
        let talked = tokio::time::timeout(HELPER, talk).await;
        let talked = talked.map_err(|_| fails(format!("does not answer within {} s", HELPER.as_secs())))?;
        let (status, said) = talked.map_err(|error| fails(format!("cannot be read: {error}")))?;
        if !status.success() {
            let said = String::from_utf8_lossy(&said);
            if said.contains("credentials not found") {
                return Ok(None);
            }
            let line: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
            return Err(fails(format!("fails: {line}")));
        }
        let helped: Helped =
            serde_json::from_slice(&said).map_err(|_| fails("gives no credentials".to_owned()))?;
        Ok(helped.secret.given().map(|secret| match helped.username.as_str() {
            TOKEN_USER => Credential::Identity(secret),
            user => Credential::Password { user: user.to_owned(), password: secret },
        }))
    }
}

impl Entry {
    fn read(&self) -> Result<Credential, ()> {
        let given =
            |text: &Option<SecretText>| text.as_ref().and_then(|text| SecretText(text.0.clone()).given());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Credential::Identity(token));
        }
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Credential::Registry(token));
        }
        if let Some(auth) = self.auth.as_ref().filter(|auth| !auth.is_empty()) {
            let decoded = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or(())?;
            let (user, password) = decoded.split_once(':').ok_or(())?;
            let password = password.trim_end_matches('\0').to_owned().into();
            return Ok(Credential::Password { user: user.to_owned(), password });
        }
        match (&self.username, given(&self.password)) {
            (Some(user), Some(password)) => Ok(Credential::Password { user: user.clone(), password }),
            _ => Ok(Credential::Anonymous),
        }
    }
}

/// Whether a name under which a password is kept means this registry: `host`, `https://host`, `https://host/v1/`.
fn is_same(server: &str, place: &Place) -> bool {
    if server == place.key() {
        return true;
    }
    let bare = server.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or_default();
    Place::parse(host).is_ok_and(|other| other.key() == place.key())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;

    fn load(folder: &std::path::Path, config: &str) -> Result<DockerConfig, Fault> {
        std::fs::write(folder.join("config.json"), config).unwrap();
        let folder = folder.display().to_string();
        DockerConfig::load(&BTreeMap::from([
            ("DOCKER_CONFIG".to_owned(), folder.clone()),
            ("PATH".to_owned(), format!("{folder}:/usr/bin:/bin")),
        ]))
    }

    async fn told(config: &DockerConfig, place: &str) -> String {
        match config.credential(&Place::parse(place).unwrap()).await {
            Ok(Credential::Anonymous) => "nobody".to_owned(),
            Ok(Credential::Password { user, password }) => format!("{user}:{}", password.expose_secret()),
            Ok(Credential::Identity(token)) => format!("identity {}", token.expose_secret()),
            Ok(Credential::Registry(token)) => format!("registry {}", token.expose_secret()),
            Err(fault) => fault.message,
        }
    }

    #[tokio::test]
    async fn passwords_are_found_as_docker_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"auths": {
            "a.example.com": {"auth": "bWU6c2VjcmV0OjE="},
            "https://b.example.com/v1/": {"username": "me", "password": "p"},
            "c.example.com:5000": {"auth": "bWU6", "identitytoken": "id"},
            "d.example.com": {"registrytoken": "reg"},
            "e.example.com": {},
            "f.example.com": {"auth": "?"},
            "https://index.docker.io/v1/": {"auth": "aHViOmh1Yg=="}}, "HttpHeaders": {}}"#;
        let config = load(folder.path(), text).unwrap();
        for (place, expected) in [
            ("a.example.com/team", "me:secret:1"),
            ("b.example.com", "me:p"),
            ("c.example.com:5000", "identity id"),
            ("c.example.com", "nobody"),
            ("d.example.com", "registry reg"),
            ("e.example.com", "nobody"),
            ("docker.io", "hub:hub"),
            ("other.example.com", "nobody"),
        ] {
            assert_eq!(told(&config, place).await, expected, "{place}");
        }
        assert!(told(&config, "f.example.com").await.contains("holds no password for f.example.com"));
        let broken =
            load(folder.path(), "{\"auths\": {\"a\": {\"auth\": 5}}, \"x\": \"s3cret\"").unwrap_err();
        assert!(!format!("{broken:?}").contains("s3cret"), "{broken:?}");
    }

    #[tokio::test]
    async fn helpers_are_asked_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, script: &str| {
            let path = folder.path().join(format!("docker-credential-{name}"));
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        write(
            "all",
            r#"read -r server; case "$server" in
            known*) echo "{\"ServerURL\":\"$server\",\"Username\":\"h\",\"Secret\":\"$server\"}";;
            *) echo "credentials not found in native keychain"; exit 1;; esac"#,
        );
        write("own", r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"t"}'"#);
        write("bad", "echo 'the vault is sealed'; exit 1");
        write("odd", "echo nothing");
        let text = r#"{"credsStore": "all", "auths": {"file.example.com": {"auth": "bWU6cA=="}},
            "credHelpers": {"own.example.com": "own", "bad.example.com": "bad", "odd.example.com": "odd",
                "none.example.com": "none", "path.example.com": "../own"}}"#;
        let config = load(folder.path(), text).unwrap();
        for (place, expected) in [
            ("known.example.com", "h:known.example.com"),
            ("own.example.com", "identity t"),
            ("file.example.com", "me:p"),
            ("other.example.com", "nobody"),
            (
                "bad.example.com",
                "Docker's credential helper `docker-credential-bad` fails: the vault is sealed",
            ),
            ("odd.example.com", "Docker's credential helper `docker-credential-odd` gives no credentials"),
            (
                "path.example.com",
                "Docker's credential helper `docker-credential-../own` is no program's name",
            ),
        ] {
            assert_eq!(told(&config, place).await, expected, "{place}");
        }
        assert!(told(&config, "none.example.com").await.contains("cannot be started"));
    }
}
