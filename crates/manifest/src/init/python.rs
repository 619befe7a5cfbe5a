//! Python: Flask, FastAPI and Django, by what is required and by the source itself.

use std::collections::BTreeSet;

use super::folder::Folder;
use super::write::Sketch;

/// What says that a folder is a project, and what it requires.
const PROJECT: [&str; 4] = ["requirements.txt", "pyproject.toml", "Pipfile", "setup.py"];
/// Where applications usually are, the likeliest first.
const USUAL: [&str; 9] = [
    "wsgi.py",
    "asgi.py",
    "app.py",
    "main.py",
    "server.py",
    "api.py",
    "run.py",
    "__init__.py",
    "application.py",
];
/// Paths that applications answer to say that they are well.
const HEALTH: [&str; 6] = ["/healthz", "/health", "/livez", "/up", "/ping", "/status"];

/// The service of the folder.
pub(super) fn look(folder: &Folder, found: &mut Vec<String>) -> Option<Sketch> {
    let required: String = PROJECT.iter().filter_map(|file| folder.read(file)).collect::<Vec<_>>().join("\n");
    // A folder that is no project of its own does not own what stands in the folders below it.
    let has_project = |folder: &Folder| PROJECT.iter().any(|file| folder.has(file));
    let is_project = has_project(folder) || folder.has("manage.py");
    let mut sources = folder.sources(".py", |inner| is_project && !has_project(inner));
    sources.sort_by_key(|(file, _)| rank(file));
    let run = django(folder, &required, &sources, found)
        .or_else(|| fastapi(&required, &sources, found))
        .or_else(|| flask(&required, &sources, found))?;
    let mut sketch = Sketch::new("web").line("run", &run, "HOST and PORT are given: listen there");
    let all = || sources.iter().map(|(_, text)| text.as_str());
    let answers = |path: &&&str| {
        all().any(|text| text.contains(&format!("\"{path}\"")) || text.contains(&format!("'{path}'")))
    };
    if let Some(path) = HEALTH.iter().find(answers) {
        found.push(format!("the source answers {path}, so that is the health check"));
        sketch = sketch.line("health", path, "healthy once it answers here");
    }
    sketch = database(sketch, &sources, found);
    let secrets: BTreeSet<&str> = all().flat_map(needed_variables).filter(|name| is_secret(name)).collect();
    if !secrets.is_empty() {
        let names: Vec<String> = secrets.iter().map(|name| format!("\"{name}\"")).collect();
        found.push(format!("the source needs {}, so it is a secret", names.join(", ")));
        sketch = sketch.raw(
            "secrets",
            &format!("[{}]", names.join(", ")),
            "from the environment or a `.env` file",
        );
    }
    if mentions(&required, "pytest") && (folder.has_folder("tests") || folder.has_folder("test")) {
        found.push("pytest is required and there are tests, so they are the gate".to_owned());
        sketch = sketch.raw("test", "[\"pytest -q\"]", "must pass before anything is released");
    }
    Some(sketch)
}

fn django(
    folder: &Folder,
    required: &str,
    sources: &[(String, String)],
    found: &mut Vec<String>,
) -> Option<String> {
    let manage = folder
        .read("manage.py")
        .filter(|text| mentions(text, "django") || mentions(text, "DJANGO_SETTINGS_MODULE"))?;
    let project = sources.iter().find_map(|(file, _)| file.strip_suffix("/wsgi.py"));
    let settings = || {
        let after = manage.split_once("DJANGO_SETTINGS_MODULE")?.1;
        let quoted = after.split(['"', '\'']).find(|part| part.contains('.'))?;
        quoted.split('.').next()
    };
    let project = project.or_else(settings).filter(|name| is_identifier(name));
    match project {
        Some(project) if mentions(required, "gunicorn") => {
            found.push(format!("manage.py is there, so it is Django; gunicorn serves {project}.wsgi"));
            Some(format!("gunicorn --bind $HOST:$PORT {project}.wsgi"))
        }
        _ => {
            found.push(
                "manage.py is there, so it is Django; require gunicorn for more than trying it out"
                    .to_owned(),
            );
            Some("python manage.py runserver --noreload $HOST:$PORT".to_owned())
        }
    }
}

fn fastapi(required: &str, sources: &[(String, String)], found: &mut Vec<String>) -> Option<String> {
    let application = assigned(sources, "FastAPI")?;
    found.push(format!(
        "{} makes a FastAPI application, so uvicorn serves {}",
        application.file,
        application.name()
    ));
    if !mentions(required, "uvicorn") && !required.contains("fastapi[") {
        found.push("uvicorn is not required yet: add it to requirements.txt".to_owned());
    }
    Some(format!("uvicorn {} --host $HOST --port $PORT", application.name()))
}

fn flask(required: &str, sources: &[(String, String)], found: &mut Vec<String>) -> Option<String> {
    let uses = |text: &str| text.contains("flask") || mentions(required, "flask");
    let factory = || {
        let (file, _) = sources.iter().find(|(_, text)| uses(text) && text.contains("def create_app("))?;
        Some(Application { file, variable: "create_app()", module: module(file)? })
    };
    let served = || assigned(sources, "create_app");
    let application =
        assigned(sources, "Flask").or_else(|| served().filter(|_| factory().is_some())).or_else(factory)?;
    let name = application.name();
    if mentions(required, "gunicorn") {
        found.push(format!("{} makes a Flask application, so gunicorn serves {name}", application.file));
        let name = if name.contains('(') { format!("'{name}'") } else { name };
        return Some(format!("gunicorn --bind $HOST:$PORT {name}"));
    }
    found.push(format!(
        "{} makes a Flask application; require gunicorn for more than trying it out",
        application.file
    ));
    Some(format!("flask --app {} run --host $HOST --port $PORT", name.trim_end_matches("()")))
}

/// A variable, or a call, in a module.
struct Application<'a> {
    file: &'a str,
    module: String,
    variable: &'a str,
}

impl Application<'_> {
    fn name(&self) -> String {
        format!("{}:{}", self.module, self.variable)
    }
}

/// The first `name = Maker(` that stands at the start of a line.
fn assigned<'a>(sources: &'a [(String, String)], maker: &str) -> Option<Application<'a>> {
    sources.iter().find_map(|(file, text)| {
        let variable = text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let name = name.split(':').next()?.trim_end();
            let value = value.trim_start();
            let made = value.split('(').next()?.rsplit('.').next()?;
            (value.contains('(') && made == maker && is_identifier(name)).then_some(name)
        })?;
        Some(Application { file, module: module(file)?, variable })
    })
}

/// `pkg/app.py` is the module `pkg.app`; `src` is no package.
fn module(file: &str) -> Option<String> {
    let path = file.strip_suffix(".py")?;
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    let module = path.replace('/', ".");
    module.split('.').all(is_identifier).then_some(module)
}

fn rank(file: &str) -> (usize, bool, String) {
    let name = file.rsplit('/').next().unwrap_or(file);
    let usual = USUAL.iter().position(|usual| *usual == name).unwrap_or(USUAL.len());
    (usual, file.contains('/'), file.to_owned())
}

/// SQLite in the source with a variable for its place: the place becomes a volume.
fn database(sketch: Sketch, sources: &[(String, String)], found: &mut Vec<String>) -> Sketch {
    if !sources.iter().any(|(_, text)| text.contains("sqlite")) {
        return sketch;
    }
    let known =
        ["DATABASE_URL", "DATABASE_PATH", "DATABASE_FILE", "DATABASE", "DB_PATH", "DB_FILE", "SQLITE_PATH"];
    let read = |name: &&str| {
        let forms = [format!("\"{name}\""), format!("'{name}'")];
        sources.iter().any(|(_, text)| {
            text.lines().any(|line| line.contains("env") && forms.iter().any(|form| line.contains(form)))
        })
    };
    let Some(name) = known.into_iter().find(read) else {
        found.push(
            "the source uses SQLite: keep its file in a volume, or the next release starts with none"
                .to_owned(),
        );
        return sketch.idea("volumes = { data = \"/data\" }", "a kept folder; `${volume.data}` is its path");
    };
    found.push(format!("the source uses SQLite at {name}, so the file is kept in a volume"));
    let start = if name.ends_with("URL") { "sqlite:///" } else { "" };
    sketch
        .raw("volumes", "{ data = \"/data\" }", "a folder that is kept from release to release")
        .raw(
            "env",
            &format!("{{ {name} = \"{start}${{volume.data}}/app.db\" }}"),
            "`${volume.data}` is its path",
        )
        .line("strategy", "restart", "one writer: requests are held while it is replaced")
}

/// The variables in `os.environ["NAME"]`, without which the source does not start.
fn needed_variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("environ[").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let name = rest[1..].split(quote).next()?;
        crate::forms::VARIABLE.accepts(name).then_some(name)
    })
}

fn is_secret(name: &str) -> bool {
    ["SECRET", "TOKEN", "PASSWORD", "API_KEY", "PRIVATE_KEY"].iter().any(|word| name.contains(word))
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a text holds the word, in any case, on its own or with something behind a `-`.
fn mentions(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&word).any(|(at, _)| {
        !text[..at].ends_with(|c| part(c) || c == '-') && !text[at + word.len()..].starts_with(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        assert!(mentions("Flask==3.0\n", "flask"));
        assert!(mentions("flask-login", "flask"));
        assert!(!mentions("pytest-flask\nflaskish", "flask"));
        assert_eq!(
            needed_variables("os.environ['A'] environ[\"B_TOKEN\"] environ[x]").collect::<Vec<_>>(),
            ["A", "B_TOKEN"]
        );
    }
}
