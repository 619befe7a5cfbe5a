//! Node: `package.json` says how it is built and started, the lock file by which manager.

use serde_json::Value as Json;

use super::folder::Folder;
use super::write::{Sketch, escaped};

/// Tools that build static files, with the folder they write.
const BUILDERS: [(&str, &str, &str); 5] = [
    ("react-scripts", "Create React App", "build"),
    ("@11ty/eleventy", "Eleventy", "_site"),
    ("astro", "Astro", "dist"),
    ("vite", "Vite", "dist"),
    ("parcel", "Parcel", "dist"),
];

/// The service of the folder.
pub(super) fn look(folder: &Folder, found: &mut Vec<String>) -> Option<Sketch> {
    let package: Json = serde_json::from_str(&folder.read("package.json")?).ok()?;
    let manager = Manager::of(folder);
    let script = |name: &str| package["scripts"][name].as_str().filter(|text| !text.trim().is_empty());
    let depends =
        |name: &str| ["dependencies", "devDependencies"].iter().any(|group| package[group][name].is_string());
    let build = |sketch: Sketch| match script("build") {
        Some(_) => sketch.line(
            "build",
            &manager.run("build"),
            "once a deploy, after the dependencies of the lock file",
        ),
        None => sketch,
    };
    let sketch = if depends("next") {
        found.push("package.json depends on Next.js, so its own server runs".to_owned());
        let start = manager.exec("next start --hostname $HOST --port $PORT");
        build(Sketch::new("web")).line("run", &start, "HOST and PORT are given")
    } else if let Some(start) = script("start").filter(|start| !is_development_server(start)) {
        found.push(format!("package.json has a start script, `{start}`, so `{}` runs", manager.run("start")));
        let why = if start.contains("PORT") { "HOST and PORT are given" } else { "make it listen on $PORT" };
        build(Sketch::new("web")).line("run", &manager.run("start"), why)
    } else if let Some((_, name, output)) = BUILDERS.into_iter().find(|(tool, ..)| depends(tool)) {
        script("build")?;
        found.push(format!("package.json builds static files with {name}, so it is a site"));
        let site = Sketch::new("site").line("kind", "site", "static files, served by the proxy itself");
        build(site).line("output", output, "the folder that the build writes, which is served")
    } else {
        let main = package["main"].as_str().filter(|main| folder.has(main));
        let file =
            main.or_else(|| folder.first(&["server.js", "index.js", "app.js", "server.mjs", "index.mjs"]))?;
        found.push(format!("package.json has no start script, and {file} is there, so Node runs it"));
        let run = escaped(&format!("node {}", super::dockerfile::quote(file)));
        build(Sketch::new("web")).line("run", &run, "make it listen on $PORT")
    };
    found.push(format!("{}: {} is the manager", manager.why, manager.name));
    Some(match script("test").filter(|test| !test.contains("no test specified")) {
        Some(_) => {
            let line = format!("test = [\"{}\"]", manager.run("test"));
            sketch.idea(&line, "a gate: it must pass before anything is released")
        }
        None => sketch,
    })
}

/// A server that is for working on the application, not for running it.
fn is_development_server(start: &str) -> bool {
    let mut words = start.split_whitespace();
    match words.next() {
        Some("react-scripts") => words.next() == Some("start"),
        Some("vite") => words.next() != Some("preview"),
        Some("parcel" | "webpack-dev-server") => true,
        Some("astro") => words.next() == Some("dev"),
        _ => false,
    }
}

struct Manager {
    name: &'static str,
    why: &'static str,
}

impl Manager {
    fn of(folder: &Folder) -> Self {
        let known = [
            ("pnpm-lock.yaml", "pnpm", "pnpm-lock.yaml is there"),
            ("yarn.lock", "yarn", "yarn.lock is there"),
            ("package-lock.json", "npm", "package-lock.json is there"),
        ];
        let found = known.into_iter().find(|(file, ..)| folder.has(file));
        let (_, name, why) = found.unwrap_or(("", "npm", "there is no lock file"));
        Self { name, why }
    }

    fn run(&self, script: &str) -> String {
        match (self.name, script) {
            ("npm", "start" | "test") | ("pnpm" | "yarn", _) => format!("{} {script}", self.name),
            _ => format!("{} run {script}", self.name),
        }
    }

    fn exec(&self, command: &str) -> String {
        match self.name {
            "npm" => format!("npx {command}"),
            name => format!("{name} exec {command}"),
        }
    }
}
