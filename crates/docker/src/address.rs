//! Where an engine listens, in the forms that `DOCKER_HOST` has.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use landfall_model::Fault;

/// The socket of an engine that is installed for the whole machine.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The port of an engine without TLS, and with it.
const DEFAULT_PORT: u16 = 2375;
const DEFAULT_TLS_PORT: u16 = 2376;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket of this machine: `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// `tcp://HOST:PORT`: as `HOST:PORT`.
    Tcp(String),
    /// `ssh://USER@HOST:PORT`: through the system's `ssh` and `docker system dial-stdio` there.
    Ssh {
        /// As `ssh` takes it: `user@host`, `host`.
        destination: String,
        /// The port, unless ssh's own configuration says.
        port: Option<u16>,
    },
}

impl Address {
    /// The machine's own engine.
    #[must_use]
    pub fn default_socket() -> Self {
        Self::Unix(PathBuf::from(DEFAULT_SOCKET))
    }

    /// Whether it is reached through `ssh`.
    pub(crate) fn is_ssh(&self) -> bool {
        matches!(self, Self::Ssh { .. })
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::default_socket()
    }
}

impl FromStr for Address {
    type Err = Fault;

    /// As [`Address::read`], without TLS.
    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::read(text, false)
    }
}

impl Address {
    /// Reads `unix://PATH`, `tcp://HOST[:PORT]`, `ssh://[USER@]HOST[:PORT]` or a bare path. What port is meant where none
    /// stands depends on whether the connection will be encrypted.
    ///
    /// # Errors
    /// A usage fault for any other form. A destination that `ssh` would read as an option is refused.
    pub fn read(text: &str, tls: bool) -> Result<Self, Fault> {
        let wrong = || {
            Fault::usage(format!("`{text}` is no address of a Docker engine"))
                .help("give `unix:///var/run/docker.sock`, `ssh://user@host` or `tcp://host:2375`")
        };
        if text.starts_with('/') {
            return Ok(Self::Unix(PathBuf::from(text)));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let rest = if scheme == "unix" { rest } else { rest.trim_end_matches('/') };
        if rest.is_empty() || rest.contains(char::is_whitespace) {
            return Err(wrong());
        }
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "tcp" | "http" if !rest.contains(['/', '@']) => match port(rest).ok_or_else(wrong)? {
                (host, None) if tls => Ok(Self::Tcp(format!("{host}:{DEFAULT_TLS_PORT}"))),
                (host, None) => Ok(Self::Tcp(format!("{host}:{DEFAULT_PORT}"))),
                (_, Some(_)) => Ok(Self::Tcp(rest.to_owned())),
            },
            "ssh" if !rest.contains('/') && !rest.starts_with('-') => {
                let (destination, port) = port(rest).ok_or_else(wrong)?;
                let host = destination.rsplit('@').next().unwrap_or_default();
                if host.is_empty() || host.starts_with('-') {
                    return Err(wrong());
                }
                Ok(Self::Ssh { destination: destination.to_owned(), port })
            }
            _ => Err(wrong()),
        }
    }
}

/// What stands before a port, and the port; `None` when it is none.
fn port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.contains(']') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Ssh { destination, port: Some(port) } => write!(f, "ssh://{destination}:{port}"),
            Self::Ssh { destination, port: None } => write!(f, "ssh://{destination}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_docker_host_are_read() {
        let shown = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(shown("/run/d.sock"), Ok("unix:///run/d.sock".into()));
        assert_eq!(shown("unix:///run/d.sock"), Ok("unix:///run/d.sock".into()));
        assert_eq!(shown("tcp://10.0.0.1"), Ok("tcp://10.0.0.1:2375".into()));
        assert_eq!(Address::read("tcp://h", true).unwrap().to_string(), "tcp://h:2376");
        assert_eq!(shown("tcp://[::1]"), Ok("tcp://[::1]:2375".into()));
        assert_eq!(shown("tcp://[::1]:99"), Ok("tcp://[::1]:99".into()));
        assert_eq!(shown("ssh://deploy@host"), Ok("ssh://deploy@host".into()));
        assert_eq!(shown("ssh://host:2222/"), Ok("ssh://host:2222".into()));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "docker.sock",
            "unix://relative",
            "npipe:////./pipe/docker",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://user@-oProxyCommand=x",
            "ssh://h:port",
            "ssh://h o",
            "tcp://h:70000",
            "tcp://user@host",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
