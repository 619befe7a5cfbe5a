//! What `init` proposes for real small folders; every proposal loads without a diagnostic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use landfall_manifest::init::propose;
use landfall_manifest::{Context, load};
use proptest::prelude::*;

/// Makes a folder called `My_Shop` with these files, proposes, and holds the proposal against the parser.
fn proposed(files: &[(&str, &str)]) -> String {
    with_edit(files, str::to_owned)
}

/// The same, with an edit of the manifest before it is held against the parser.
fn with_edit(files: &[(&str, &str)], edit: impl Fn(&str) -> String) -> String {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("My_Shop");
    fs::create_dir(&root).unwrap();
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let proposal = propose(&root).unwrap();
    let context = Context {
        file: &root.join("landfall.toml"),
        root: &root,
        environment: &"dev".parse().unwrap(),
        variable: &|_| None,
        is_folder: &Path::is_dir,
        is_file: &Path::is_file,
        text: &|path| fs::read_to_string(path).ok(),
    };
    match load(&edit(&proposal.manifest), &context) {
        Ok(loaded) => assert!(loaded.warnings.is_empty(), "{}", common::draw(&loaded.warnings)),
        Err(diagnostics) => panic!("{}\n{}", proposal.manifest, common::draw(&diagnostics)),
    }
    let found: String = proposal.found.iter().map(|sentence| format!("- {sentence}\n")).collect();
    format!("{found}\n{}", proposal.manifest)
}

/// The services alone.
fn services(files: &[(&str, &str)]) -> String {
    let text = proposed(files);
    let start = text.find("[service").unwrap();
    text[start..text.find("\n# Another").unwrap()].to_owned()
}

const FLASK: &str = "import os, sqlite3\nfrom flask import Flask\n\napp = Flask(__name__)\nDB = os.environ.get(\"DATABASE\", \"x.db\")\napp.secret_key = os.environ[\"SECRET_KEY\"]\n\n@app.get(\"/healthz\")\ndef well():\n    return \"ok\"\n";

#[test]
fn flask_with_everything() {
    let files = [
        ("guestbook.py", FLASK),
        ("requirements.txt", "flask==3.1\ngunicorn\npytest\n"),
        ("tests/test_it.py", ""),
        ("VERSION", "1.4.0\n"),
    ];
    assert_snapshot!(proposed(&files), @r#"
    - guestbook.py makes a Flask application, so gunicorn serves guestbook:app
    - the source answers /healthz, so that is the health check
    - the source uses SQLite at DATABASE, so the file is kept in a volume
    - the source needs "SECRET_KEY", so it is a secret
    - pytest is required and there are tests, so they are the gate

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    version = { file = "VERSION" }               # the version stands there

    [service.web]
    run = "gunicorn --bind $HOST:$PORT guestbook:app" # HOST and PORT are given: listen there
    health = "/healthz"                          # healthy once it answers here
    volumes = { data = "/data" }                 # a folder that is kept from release to release
    env = { DATABASE = "${volume.data}/app.db" } # `${volume.data}` is its path
    strategy = "restart"                         # one writer: requests are held while it is replaced
    secrets = ["SECRET_KEY"]                     # from the environment or a `.env` file
    test = ["pytest -q"]                         # must pass before anything is released

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
}

#[test]
fn flask_in_its_other_forms() {
    let factory = "from flask import Flask\ndef create_app():\n    app = Flask(__name__)\n    return app\n";
    assert_snapshot!(services(&[("shop/__init__.py", factory), ("requirements.txt", "Flask\ngunicorn\n")]), @r#"
    [service.web]
    run = "gunicorn --bind $HOST:$PORT 'shop:create_app()'" # HOST and PORT are given: listen there
    "#);
    assert_snapshot!(services(&[("shop/__init__.py", factory), ("wsgi.py", "from shop import create_app\napp = create_app()\n"), ("pyproject.toml", "[project]\nversion = \"0.1.0\"\ndependencies = [\"flask\", \"gunicorn\"]\n")]), @r#"
    [service.web]
    run = "gunicorn --bind $HOST:$PORT wsgi:app" # HOST and PORT are given: listen there
    "#);
    assert_snapshot!(services(&[("app.py", "import flask\nweb: flask.Flask = flask.Flask(__name__)\n")]), @r#"
    [service.web]
    run = "flask --app app:web run --host $HOST --port $PORT" # HOST and PORT are given: listen there
    "#);
}

#[test]
fn a_dockerfile_is_named_whatever_else_is_there() {
    let python = "FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 5000\nCMD [\"python\", \"app.py\"]\n";
    let app = "import flask\napp = flask.Flask(__name__)\n";
    let flask = [("app.py", app), ("Dockerfile", python)];
    assert_snapshot!(proposed(&flask), @r#"
    - app.py makes a Flask application; require gunicorn for more than trying it out
    - there is a Dockerfile: `runtime = "docker"` runs what it makes in a container

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.web]
    run = "flask --app app:app run --host $HOST --port $PORT" # HOST and PORT are given: listen there
    # runtime = "docker"                         # in a container, made by the Dockerfile; without it, as a process

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
    // The line is right once it is no comment any more, also beside a build and in a folder of its own.
    let package = r#"{ "scripts": { "start": "node server.js", "build": "tsc" } }"#;
    for files in [
        &flask[..],
        &[("Dockerfile", python)],
        &[
            ("package.json", package),
            ("package-lock.json", "{}"),
            ("Dockerfile", "FROM node:22-slim\nCMD [\"node\"]\n"),
        ],
        &[
            ("api/app.py", app),
            ("api/requirements.txt", "flask\n"),
            ("api/Dockerfile", python),
            ("client/index.html", ""),
            ("client/Dockerfile", "FROM scratch\n"),
        ],
        &[("Procfile", "web: serve\nclock: tick\n"), ("Dockerfile", python)],
    ] {
        let text = services(files);
        assert_eq!(
            text.matches("# runtime = \"docker\"").count(),
            if text.contains("[service.clock]") { 2 } else { 1 },
            "{text}"
        );
        with_edit(files, |text| {
            let uncommented = |line: &str| match line.contains("in a container, made by") {
                true => line[2..].to_owned() + "\n",
                false => line.to_owned() + "\n",
            };
            text.lines().map(uncommented).collect()
        });
    }
}

#[test]
fn fastapi() {
    let main = "from fastapi import FastAPI\napi = FastAPI(title=\"x\")\n@api.get('/health')\ndef h(): ...\n";
    assert_snapshot!(proposed(&[("app/main.py", main), ("app/__init__.py", ""), ("requirements.txt", "fastapi\n")]), @r#"
    - app/main.py makes a FastAPI application, so uvicorn serves app.main:api
    - uvicorn is not required yet: add it to requirements.txt
    - the source answers /health, so that is the health check

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.web]
    run = "uvicorn app.main:api --host $HOST --port $PORT" # HOST and PORT are given: listen there
    health = "/health"                           # healthy once it answers here

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
}

#[test]
fn django() {
    let manage = "import os\nfrom django.core.management import execute_from_command_line\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n";
    assert_snapshot!(services(&[("manage.py", manage), ("mysite/wsgi.py", "application = 1\n"), ("requirements.txt", "Django>=5\ngunicorn\n")]), @r#"
    [service.web]
    run = "gunicorn --bind $HOST:$PORT mysite.wsgi" # HOST and PORT are given: listen there
    "#);
    assert_snapshot!(services(&[("manage.py", manage)]), @r#"
    [service.web]
    run = "python manage.py runserver --noreload $HOST:$PORT" # HOST and PORT are given: listen there
    "#);
}

#[test]
fn node() {
    let package = r#"{ "version": "2.0.0", "scripts": { "start": "node server.js", "build": "tsc", "test": "vitest" } }"#;
    assert_snapshot!(proposed(&[("package.json", package), ("pnpm-lock.yaml", "")]), @r#"
    - package.json has a start script, `node server.js`, so `pnpm start` runs
    - pnpm-lock.yaml is there: pnpm is the manager

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    version = { file = "package.json" }          # the version stands there

    [service.web]
    build = "pnpm build"                         # once a deploy, after the dependencies of the lock file
    run = "pnpm start"                           # make it listen on $PORT
    # test = ["pnpm test"]                       # a gate: it must pass before anything is released

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
    assert_snapshot!(services(&[("package.json", r#"{ "dependencies": { "next": "15" }, "scripts": { "build": "next build", "start": "next start" } }"#), ("yarn.lock", "")]), @r#"
    [service.web]
    build = "yarn build"                         # once a deploy, after the dependencies of the lock file
    run = "yarn exec next start --hostname $HOST --port $PORT" # HOST and PORT are given
    "#);
    assert_snapshot!(services(&[("package.json", r#"{ "devDependencies": { "vite": "6" }, "scripts": { "dev": "vite", "build": "vite build" } }"#), ("index.html", "")]), @r#"
    [service.site]
    kind = "site"                                # static files, served by the proxy itself
    build = "npm run build"                      # once a deploy, after the dependencies of the lock file
    output = "dist"                              # the folder that the build writes, which is served
    "#);
    assert_snapshot!(services(&[("package.json", "{}"), ("server.js", "")]), @r#"
    [service.web]
    run = "node server.js"                       # make it listen on $PORT
    "#);
}

#[test]
fn static_sites() {
    assert_snapshot!(proposed(&[("index.html", "<h1>hi</h1>")]), @r#"
    - index.html is there, so the folder is a site

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.site]
    kind = "site"                                # static files, served by the proxy itself
    output = "."                                 # the folder that is served

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    "#);
    assert_snapshot!(services(&[("public/index.html", "")]), @r#"
    [service.site]
    kind = "site"                                # static files, served by the proxy itself
    output = "public"                            # the folder that is served
    "#);
    assert_snapshot!(services(&[("mkdocs.yml", "site_name: x\n"), ("requirements.txt", "mkdocs\n")]), @r#"
    [service.site]
    kind = "site"                                # static files, served by the proxy itself
    build = "mkdocs build --site-dir site"       # makes the pages; MkDocs must be there
    output = "site"                              # the folder that is served
    "#);
}

#[test]
fn a_procfile_outranks_the_rest() {
    let procfile = "# comment\nweb: gunicorn shop:app --log-file - # ${env.X}\nmail_queue: python worker.py \"a b\"\nrelease: ./migrate\n";
    assert_snapshot!(proposed(&[("Procfile", procfile), ("app.py", FLASK), ("requirements.txt", "flask")]), @r#"
    - the Procfile's `web` becomes a service that answers on $PORT
    - the Procfile's `mail_queue` becomes a worker
    - the Procfile's `release` is no service; it is kept as a comment

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    # The Procfile's release command: ./migrate

    [service.web]
    run = "gunicorn shop:app --log-file - # $${env.X}" # from the Procfile; PORT and HOST are given

    [service.mail-queue]
    kind = "worker"                              # no requests come to it
    run = 'python worker.py "a b"'               # from the Procfile

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
}

#[test]
fn a_dockerfile_gives_its_command() {
    let dockerfile = "FROM golang AS build\nCMD nothing\nFROM scratch\nEXPOSE 8000\nCMD [\"/shop\", \"--listen\", \"0.0.0.0:8000\", \"--title\", \"My Shop\"]\n";
    assert_snapshot!(proposed(&[("Dockerfile", dockerfile)]), @r#"
    - the Dockerfile starts `/shop --listen 0.0.0.0:8000 --title 'My Shop'`, which runs here as a process
    - the Dockerfile exposes port 8000; here the port is given, as $PORT
    - there is a Dockerfile: `runtime = "docker"` runs what it makes in a container

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.web]
    run = "/shop --listen 0.0.0.0:$PORT --title 'My Shop'" # the Dockerfile's command; PORT and HOST are given
    # runtime = "docker"                         # in a container, made by the Dockerfile; without it, as a process

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
}

#[test]
fn folders_in_the_folder_are_services() {
    let files = [
        ("backend/app.py", "from flask import Flask\napp = Flask(__name__)\n"),
        ("Front End/index.html", ""),
        ("node_modules/index.html", ""),
    ];
    assert_snapshot!(proposed(&files), @r#"
    - Front End: index.html is there, so the folder is a site
    - backend: app.py makes a Flask application; require gunicorn for more than trying it out

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.front-end]
    path = "Front End"                           # the folder of its source
    kind = "site"                                # static files, served by the proxy itself
    output = "."                                 # the folder that is served

    [service.backend]
    path = "backend"                             # the folder of its source
    run = "flask --app app:app run --host $HOST --port $PORT" # HOST and PORT are given: listen there

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
}

#[test]
fn an_empty_folder_gets_a_placeholder_and_no_folder_an_error() {
    assert_snapshot!(proposed(&[]), @r#"
    - nothing here was recognised, so the command is a placeholder

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.web]
    run = "./start --host $HOST --port $PORT"    # replace it: what starts your application

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    # runtime = "docker"                         # in containers; without it, as processes
    "#);
    assert!(propose(Path::new("/nowhere/at/all")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_files_hold_the_proposal_loads(
        procfile in "((web|a_b|release|-|[a-z]{1,50}): ?[ -~é\t]{0,20}\n){0,3}",
        compose in "(services:\n)?((  [a-z]{0,3}:\n)((    (build|command|ports|image): ?[ -~é]{0,12}\n)|      - [ -~]{0,8}\n){0,4}){0,3}",
        dockerfile in "((FROM|CMD|EXPOSE|ENTRYPOINT) [ -~\\\\\n]{0,20}\n){0,4}",
        package in "\\{(\"scripts\": \\{\"start\": \"[ -~&&[^\"\\\\]]{0,9}\", \"test\": \"x\"\\})?\\}",
        python in "([a-z ]{0,4}= ?(Flask|FastAPI|create_app)\\([ -~]{0,6}\n|environ\\[\"[A-Z_\\-]{0,9}\"\\]|def create_app\\(|import flask\n|sqlite \"DATABASE\" env\n){0,4}",
        which in 0_usize..32,
    ) {
        let files = [
            ("Procfile", procfile.as_str()),
            ("compose.yaml", &compose),
            ("Dockerfile", &dockerfile),
            ("package.json", &package),
            ("app.py", &python),
        ];
        let chosen: Vec<(&str, &str)> =
            files.into_iter().enumerate().filter(|(n, _)| which & (1 << n) != 0).map(|(_, file)| file).collect();
        proposed(&chosen);
    }
}
