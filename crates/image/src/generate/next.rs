//! Next.js: whether its build writes a server that stands alone, with only the dependencies that it needs.
//!
//! <https://nextjs.org/docs/app/api-reference/config/next-config-js/output>

use landfall_model::Command;

use super::Work;
use crate::detect::node::Package;

/// Where its settings may be.
const SETTINGS: [&str; 5] =
    ["next.config.js", "next.config.mjs", "next.config.cjs", "next.config.ts", "next.config.mts"];

/// Whether the image may hold the stand-alone server and nothing else: the settings ask for one, `run` starts Next.js'
/// own server, and no test gate needs the rest.
pub(super) fn stands_alone(work: &Work<'_>, package: &Package, run: &Command) -> bool {
    let asked = || SETTINGS.iter().filter_map(|file| work.look(file)).any(|text| says_standalone(&text));
    package.depends_on("next")
        && !work.wanted.tested
        && work.wanted.build.is_some()
        && starts_next(package, run)
        && asked()
}

/// Whether settings say `output: "standalone"`, comments left out.
fn says_standalone(text: &str) -> bool {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    let text: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    ['"', '\'', '`'].iter().any(|quote| text.contains(&format!("output:{quote}standalone{quote}")))
}

/// Whether a command is `next start`, by itself, by a manager or by a script of the package's; or that very server.
fn starts_next(package: &Package, run: &Command) -> bool {
    let line = run.to_string();
    let words: Vec<&str> =
        line.split_whitespace().filter(|word| !matches!(*word, "npx" | "exec" | "run" | "--")).collect();
    let is_server = |text: &str| text.contains("next start") || text.contains("standalone/server.js");
    match words.as_slice() {
        ["npm" | "pnpm" | "yarn", "next", "start", ..] => true,
        ["npm" | "pnpm" | "yarn", script] => package.script(script).is_some_and(is_server),
        _ => is_server(&words.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_run_lines_are_read() {
        assert!(says_standalone("module.exports = {\n  output: 'standalone', // small\n}"));
        assert!(says_standalone("const c: NextConfig = { output : \"standalone\" }"));
        assert!(!says_standalone("// output: 'standalone'\nexport default { output: 'export' }"));
        let package =
            Package::parse(r#"{"scripts":{"start":"next start","serve":"node server.js"}}"#).unwrap();
        for (run, expected) in [
            ("npm start", true),
            ("npm run start", true),
            ("yarn start", true),
            ("npx next start --hostname $HOST --port $PORT", true),
            ("pnpm exec next start", true),
            ("node .next/standalone/server.js", true),
            ("npm run serve", false),
            ("node server.js", false),
        ] {
            assert_eq!(starts_next(&package, &Command::Line(run.to_owned())), expected, "{run}");
        }
    }
}
