//! What a route must be before it is taken: put into the form that routes are compared in, then looked at.

use landfall_model::Sticky;

use super::{Backend, Pool, RouteConfig};

/// The longest a route's id, host, prefix or label may be, in bytes.
const MAX_NAME: usize = 1024;
/// The longest name of a cookie or field that clients are known again by, in bytes.
const MAX_STICKY_NAME: usize = 256;
/// The most backends of one pool.
const MAX_BACKENDS: usize = 1000;
/// The most pools of one route.
const MAX_POOLS: usize = 8;

impl RouteConfig {
    /// Puts host and prefix into the one form that they are compared in: lower case, no trailing slash.
    pub(crate) fn normalize(&mut self) {
        self.host = self.host.trim_end_matches('.').to_ascii_lowercase();
        if self.host.is_empty() {
            self.host.push('*');
        }
        self.prefix = format!("/{}", self.prefix.trim_matches('/'));
    }

    /// Says what is wrong with it, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        plain("id", &self.id)?;
        plain("host", &self.host)?;
        plain("prefix", &self.prefix)?;
        if self.host.contains(['/', '@', '?', '#']) || (self.host != "*" && self.host.contains('*')) {
            return Err(format!("`{}` is no host name; `*` alone stands for any", self.host));
        }
        if self.prefix.contains(['?', '#']) {
            return Err(format!("the prefix `{}` is no path", self.prefix));
        }
        if self.listen.port() == 0 {
            return Err(format!("the route `{}` listens on port 0; give it a port", self.id));
        }
        self.check_secure()?;
        self.check_pools()?;
        self.check_sticky()?;
        self.http.check()
    }

    fn check_pools(&self) -> Result<(), String> {
        if self.pools.is_empty() || self.pools.len() > MAX_POOLS {
            return Err(format!("the route `{}` must have 1 to {MAX_POOLS} pools", self.id));
        }
        if self.pools.iter().all(|share| share.weight == 0) {
            return Err(format!("no pool of the route `{}` has a weight", self.id));
        }
        for (index, share) in self.pools.iter().enumerate() {
            share.pool.check()?;
            if self.pools[..index].iter().any(|other| other.pool.label == share.pool.label) {
                return Err(format!(
                    "two pools of the route `{}` are called `{}`",
                    self.id, share.pool.label
                ));
            }
        }
        Ok(())
    }

    fn check_sticky(&self) -> Result<(), String> {
        let Some(Sticky::Cookie { name } | Sticky::Header { name }) = &self.sticky else {
            return Ok(());
        };
        if name.is_empty() || name.len() > MAX_STICKY_NAME || !name.bytes().all(is_token) {
            return Err(format!("`{name}` is no name of a cookie or field"));
        }
        Ok(())
    }
}

impl Pool {
    fn check(&self) -> Result<(), String> {
        plain("label", &self.label)?;
        match &self.backend {
            Backend::Instances { addresses } if addresses.is_empty() || addresses.len() > MAX_BACKENDS => {
                Err(format!("the pool `{}` must have 1 to {MAX_BACKENDS} addresses", self.label))
            }
            Backend::Files { root } if !root.is_absolute() => {
                Err(format!("the folder {} must be absolute", root.display()))
            }
            _ => Ok(()),
        }
    }
}

fn plain(name: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "the route's {name} must be 1 to {MAX_NAME} printable ASCII characters without spaces, not {text:?}"
        ));
    }
    Ok(())
}

/// `tchar` of RFC 9110, section 5.6.2; names of fields and cookies are made of them.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
