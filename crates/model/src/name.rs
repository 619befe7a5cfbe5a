//! Names of applications, environments and services: short, lower case, safe in a path, a host name and a log line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name in bytes; leaves room for `service.app` inside one DNS label pair of 63 and for unix socket paths.
const MAX_NAME: usize = 40;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a name: {why}")]
pub struct NameError {
    given: String,
    why: &'static str,
}

fn check(text: &str) -> Result<(), NameError> {
    let refuse = |why| Err(NameError { given: text.to_owned(), why });
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > MAX_NAME {
        return refuse("it is longer than 40 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return refuse("it must start with a letter from a to z");
    }
    if !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return refuse("only a to z, 0 to 9 and `-` are allowed");
    }
    if text.ends_with('-') {
        return refuse("it must not end with `-`");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        crate::schema::string_schema!($type, $name, "guestbook");

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of an application: 1 to 40 of `a-z`, `0-9`, `-`, a letter first.
    AppName,
    "AppName"
);
name!(
    /// The name of an environment (`dev`, `staging`, `production`): same form as an application's.
    EnvironmentName,
    "EnvironmentName"
);
name!(
    /// The name of a service: same form as an application's.
    ServiceName,
    "ServiceName"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "web", "web-2", &"a".repeat(40)] {
            assert_eq!(good.parse::<AppName>().map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", "2web", "Web", "web_2", "web-", "../x", "a b", "$(x)", &"a".repeat(41)] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
    }
}
