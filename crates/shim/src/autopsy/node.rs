//! Rules: what Node says when an application cannot be loaded.

use landfall_model::Evidence;

use super::{Finding, between, newest, newest_with_context, short};

/// `Error: Cannot find module 'express'`, and the form of ES modules.
pub(super) fn module_missing(evidence: &Evidence) -> Option<Finding> {
    let module = newest(evidence, |line| {
        between(line, "Cannot find module '", "'").or_else(|| between(line, "Cannot find package '", "'"))
    })?;
    if module.starts_with(['.', '/']) {
        return Finding::new(
            format!("Node does not find the file `{}`", short(module)),
            "see that it is in the service's folder, that `build` makes it, and that .gitignore or .landfallignore does not leave it out",
        );
    }
    Finding::new(
        format!("the Node module `{module}` is not installed"),
        format!(
            "`npm install {module}` (not as a development dependency), commit package.json and its lock file, and deploy again"
        ),
    )
}

/// `SyntaxError: Unexpected token ';'`, with the place some lines above.
pub(super) fn syntax_error(evidence: &Evidence) -> Option<Finding> {
    let (what, before) = newest_with_context(evidence, |line| line.strip_prefix("SyntaxError: "))?;
    let place = before.take(6).find(|line| {
        let number = line.rsplit_once(':').map(|(_, number)| number);
        line.starts_with(['/', 'f'])
            && number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    let place = place.map_or("its code", |place| short(place.strip_prefix("file://").unwrap_or(place)));
    Finding::new(
        format!("{place} is not valid JavaScript: {what}"),
        "correct it (`node --check FILE` shows it too) and deploy again",
    )
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;

    #[test]
    fn modules_that_are_not_there() {
        let express = "node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module 'express'
Require stack:
- /tmp/ap/bad.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/tmp/ap/bad.js' ]
}

Node.js v20.20.2";
        Case::exited(1, express)
            .cause("the Node module `express` is not installed")
            .advice("npm install express");
        let koa = "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'koa' imported from /srv/x.mjs";
        Case::exited(1, koa).cause("the Node module `koa` is not installed");
        Case::exited(1, "Error: Cannot find module '/x/releases/1.0.0-20261120131502/dist/server.js'")
            .cause("Node does not find the file `dist/server.js`")
            .advice("`build`");
    }

    #[test]
    fn syntax_errors() {
        let log = "/x/releases/1.0.0-20261120131502/server.js:14
const a = {;
           ^

SyntaxError: Unexpected token ';'
    at wrapSafe (node:internal/modules/cjs/loader:1464:18)

Node.js v20.20.2";
        Case::exited(1, log).cause("server.js:14 is not valid JavaScript: Unexpected token ';'");
    }
}
