//! Compose files as they are in the world, and the services that become of them; each proposal loads.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod common;

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use landfall_manifest::init::{Proposal, propose, propose_as_is};
use landfall_manifest::{Context, load};

/// What is found and proposed for a folder that holds these files.
fn proposed(files: &[(&str, &str)], as_is: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("my-shop");
    fs::create_dir(&root).unwrap();
    for (name, text) in files {
        let file = root.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let proposal: Proposal =
        if as_is { propose_as_is(&root, &|_| None).unwrap().unwrap() } else { propose(&root).unwrap() };
    let environment = "dev".parse().unwrap();
    let file = root.join("landfall.toml");
    let context = Context {
        file: &file,
        root: &root,
        environment: &environment,
        variable: &|_| None,
        is_folder: &Path::is_dir,
        is_file: &Path::is_file,
        text: &|path| fs::read_to_string(path).ok(),
    };
    if let Err(problems) = load(&proposal.manifest, &context) {
        panic!("{}\n{}", proposal.manifest, common::draw(&problems));
    }
    let found: String = proposal.found.iter().map(|line| format!("- {line}\n")).collect();
    format!("{found}\n{}", proposal.manifest)
}

const FLASK: &str = r#"
x-logging: &logging
  logging: { driver: json-file, options: { max-size: "10m" } }
x-app: &app
  build: { context: ., args: { EDITION: "${EDITION:-free}" } }
  env_file: .env
  environment: &env
    DATABASE_URL: postgres://shop:${DB_PASSWORD}@db:5432/shop
    REDIS_URL: redis://cache:6379/0
    SECRET_KEY: ${SECRET_KEY:?say it}
    LOG_LEVEL: ${LOG_LEVEL:-info}
  depends_on: { db: { condition: service_healthy }, migrate: { condition: service_completed_successfully } }
services:
  web:
    <<: [*app, *logging]
    command: gunicorn --bind 0.0.0.0:8000 "shop:create_app()"
    ports: ["80:8000"]
    restart: unless-stopped
    healthcheck: { test: "curl -f http://localhost:8000/healthz || exit 1", interval: 10s, timeout: 3s }
    stop_grace_period: 30s
    volumes: ["uploads:/app/uploads", "./config:/etc/shop:ro"]
    deploy: { replicas: 2, resources: { limits: { memory: 512m, cpus: "0.5" } } }
  worker:
    extends: { service: web }
    command: ["python", "-m", "shop.worker", "$$HOME"]
    environment: { QUEUE: mail }
    stop_signal: SIGINT
  migrate:
    <<: *app
    command: alembic upgrade head
    restart: "no"
  db:
    image: postgres:17
    environment: [POSTGRES_USER=shop, POSTGRES_DB=shop, "POSTGRES_PASSWORD=${DB_PASSWORD}"]
    ports: ["127.0.0.1:5432:5432"]
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck: { test: ["CMD-SHELL", "pg_isready -U shop"] }
  cache:
    image: redis:7-alpine
    command: redis-server --save ""
    tmpfs: /data
  mailhog:
    image: mailhog/mailhog:v1.0.1
    profiles: [debug]
volumes: { db: {}, uploads: {} }
configs: { a: { file: ./a } }
"#;

fn flask() -> [(&'static str, &'static str); 4] {
    [
        ("compose.yaml", FLASK),
        ("Dockerfile", "FROM python:3.13-slim\n"),
        (".env", "# local\nexport DB_PASSWORD=x\nSECRET_KEY=y\n"),
        ("config/app.ini", ""),
    ]
}

#[test]
fn flask_with_postgres_and_redis() {
    let files = flask();
    assert_snapshot!(proposed(&files, false), @r##"
    - the compose file's `web` (built here) becomes a service in a container; 4 keys are not carried over, see there
    - the compose file's `worker` (built here) becomes a service in a container; 3 keys are not carried over, see there
    - the compose file's `migrate` is left out: it runs once and ends; do it by `landfall exec`, or when the application starts
    - the compose file's `db` (image postgres:17) becomes a service in a container; 3 keys are not carried over, see there
    - the compose file's `cache` (image redis:7-alpine) becomes a service in a container
    - the compose file's `mailhog` is left out: it only runs with the profile `debug`
    - to run the compose file as it stands instead: `landfall init --as-is`

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    # compose.yaml: `configs` was not carried over

    # compose.yaml: `migrate` is left out: it runs once and ends; do it by `landfall exec`, or when the application starts

    # compose.yaml: `mailhog` is left out: it only runs with the profile `debug`

    # compose.yaml: the volume `uploads` is shared by `web` and `worker`; here each of them has its own

    [service.web]
    build = { args = { EDITION = "free" } }      # how the image is built
    runtime = "docker"                           # a container of its own
    run = ["gunicorn", "--bind", "0.0.0.0:8000", "shop:create_app()"] # given to the image's entrypoint
    port = 8000                                  # where it listens inside; Landfall's proxy stands in front
    env = { LOG_LEVEL = "info", REDIS_URL = "redis://cache:6379/0" }
    secrets = ["DATABASE_URL", "DB_PASSWORD", "SECRET_KEY"] # their values come from .env, or where you keep them
    volumes = { uploads = "/app/uploads" }       # kept folders
    health = { path = "/healthz", interval = "10s", timeout = "3s" } # asked by Landfall itself
    limits = { memory = "512M" }
    cpus = "0.5"
    replicas = 2
    stop = { grace = "30s" }
    # `DATABASE_URL` was made of DB_PASSWORD: write its whole value where secrets are kept
    # `volumes`: `config` at /etc/shop is source: put it into the image (`COPY`)
    # `depends_on`: services start side by side: a client must try again until the other one answers
    # `logging`: `landfall logs` keeps what is printed

    [service.worker]
    build = { args = { EDITION = "free" } }      # how the image is built
    runtime = "docker"                           # a container of its own
    run = ["python", "-m", "shop.worker", "$HOME"] # given to the image's entrypoint
    port = 8000                                  # where it listens inside; Landfall's proxy stands in front
    env = { LOG_LEVEL = "info", QUEUE = "mail", REDIS_URL = "redis://cache:6379/0" }
    secrets = ["DATABASE_URL", "DB_PASSWORD", "SECRET_KEY"] # their values come from .env, or where you keep them
    volumes = { uploads = "/app/uploads" }       # kept folders
    health = { path = "/healthz", interval = "10s", timeout = "3s" } # asked by Landfall itself
    limits = { memory = "512M" }
    cpus = "0.5"
    replicas = 2
    stop = { signal = "INT", grace = "30s" }
    # `DATABASE_URL` was made of DB_PASSWORD: write its whole value where secrets are kept
    # `volumes`: `config` at /etc/shop is source: put it into the image (`COPY`)
    # `logging`: `landfall logs` keeps what is printed

    [service.db]
    image = "postgres:17"                        # pinned by its digest when it is deployed
    runtime = "docker"                           # a container of its own
    kind = "worker"                              # no requests come to it from outside
    env = { POSTGRES_DB = "shop", POSTGRES_USER = "shop" }
    secrets = ["POSTGRES_PASSWORD"]              # their values come from .env, or where you keep them
    volumes = { db = "/var/lib/postgresql/data" } # kept folders
    # `ports`: 5432 is reached by other services alone, under this service's name
    # `POSTGRES_PASSWORD` was made of DB_PASSWORD: write its whole value where secrets are kept
    # `healthcheck`: `CMD-SHELL pg_isready -U shop` is not run; the image's own HEALTHCHECK is, or its port is tried

    [service.cache]
    image = "redis:7-alpine"                     # pinned by its digest when it is deployed
    runtime = "docker"                           # a container of its own
    run = ["redis-server", "--save", ""]         # given to the image's entrypoint
    kind = "worker"                              # no requests come to it from outside
    tmpfs = ["/data"]                            # in memory

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    "##);
}

#[test]
fn the_same_as_it_stands() {
    let files = flask();
    assert_snapshot!(proposed(&files, true), @r##"
    - compose.yaml runs as it stands, through docker compose

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.my-shop]
    runtime = "compose"                          # docker compose runs it, its images pinned by digest
    compose = "compose.yaml"                     # the file as it is
    secrets = ["DB_PASSWORD", "SECRET_KEY"]      # the variables that it takes from outside, as from .env
    # compose = { service = "web", port = 8000 } # with it, Landfall's proxy stands in front of that service

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    "##);
}

#[test]
fn only_what_comes_from_outside_is_a_secret() {
    let compose = "services:\n  web:\n    build: { context: ., secrets: [api_key] }\n    env_file: .env\n    environment:\n      \
                   TITLE: ${TITLE:-Shop}\n      COLOUR: ${COLOUR:-red}\n      SIZE: ${SIZE:-m}\nsecrets:\n  \
                   api_key: { environment: API_KEY }\n";
    // What differs from the file's own would be lost.
    let files = [("compose.yaml", compose), (".env", "TITLE=\"Shop\"\nCOLOUR=blue\nDB_PASSWORD=x\n")];
    let found = proposed(&files, true);
    assert!(found.contains("secrets = [\"API_KEY\", \"COLOUR\", \"DB_PASSWORD\"]"), "{found}");
}

const NODE: &str = r#"
version: "3.8"
services:
  api:
    build: { context: ./api, dockerfile: deploy/Dockerfile, target: runtime }
    environment:
      - NODE_ENV=production
      - API_TOKEN
    expose: ["3000"]
    user: "1000:1000"
    read_only: true
    cap_drop: [ALL]
    tmpfs: [/tmp]
    secrets: [stripe_key]
    mem_limit: 256m
    networks: [inner]
    container_name: api
  nginx:
    image: nginx:1.27
    ports: ["443:443", { target: 80, published: 8080 }]
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - { type: bind, source: /etc/letsencrypt, target: /certs }
      - type: tmpfs
        target: /var/cache/nginx
    depends_on: [api]
    privileged: true
    gpus: all
networks: { inner: {} }
secrets: { stripe_key: { file: ./stripe.txt } }
"#;

#[test]
fn node_behind_nginx() {
    let files = [
        ("docker-compose.yml", NODE),
        ("api/deploy/Dockerfile", "FROM node:22-slim AS runtime\n"),
        ("nginx.conf", ""),
    ];
    assert_snapshot!(proposed(&files, false), @r##"
    - the compose file's `api` (built here) becomes a service in a container; 2 keys are not carried over, see there
    - the compose file's `nginx` (image nginx:1.27) becomes a service in a container; 6 keys are not carried over, see there
    - to run the compose file as it stands instead: `landfall init --as-is`

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.api]
    path = "api"                                 # the folder of its source
    build = { dockerfile = "deploy/Dockerfile", target = "runtime" } # how the image is built
    runtime = "docker"                           # a container of its own
    port = 3000                                  # where it listens inside; Landfall's proxy stands in front
    env = { NODE_ENV = "production" }
    secrets_as = "files"                         # /run/secrets/NAME, and NAME_FILE says so
    secrets = ["API_TOKEN", "STRIPE_KEY"]        # their values come from .env, or where you keep them
    tmpfs = ["/tmp"]                             # in memory
    limits = { memory = "256M" }
    user = "1000:1000"
    read_only = true
    cap_drop = ["ALL"]
    # `container_name`: containers are named by Landfall; other services find this one by its own name
    # `networks`: services of an application share one network

    [service.nginx]
    image = "nginx:1.27"                         # pinned by its digest when it is deployed
    runtime = "docker"                           # a container of its own
    port = 80                                    # where it listens inside; Landfall's proxy stands in front
    tmpfs = ["/var/cache/nginx"]                 # in memory
    # `ports`: only one port is served; 443 is not
    # `volumes`: `nginx.conf` at /etc/nginx/nginx.conf is source: put it into the image (`COPY`)
    # `volumes`: `/etc/letsencrypt` lies on the host, outside of the application
    # `depends_on`: services start side by side: a client must try again until the other one answers
    # `privileged`: containers run without privileges; `cap_add` gives single ones
    # `gpus`: has no place here

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    "##);
}

#[test]
fn the_facade_example() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/facade");
    let read = |name: &str| fs::read_to_string(example.join(name)).unwrap();
    let file = ["compose.yaml", "compose.yml"].into_iter().find(|file| example.join(file).is_file()).unwrap();
    let compose = read(file);
    let files = [(file, compose.as_str()), ("Dockerfile", "FROM python:3.13-slim\n"), ("Caddyfile", "")];
    assert_snapshot!(proposed(&files, false), @r##"
    - the compose file's `caddy` (image caddy:2) becomes a service in a container; 2 keys are not carried over, see there
    - the compose file's `web` (built here) becomes a service in a container
    - to run the compose file as it stands instead: `landfall init --as-is`

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.caddy]
    image = "caddy:2"                            # pinned by its digest when it is deployed
    runtime = "docker"                           # a container of its own
    port = 443                                   # where it listens inside; Landfall's proxy stands in front
    env = { DOMAIN = "facade.localhost" }
    volumes = { caddy = "/data" }                # kept folders
    # `volumes`: `Caddyfile` at /etc/caddy/Caddyfile is source: put it into the image (`COPY`)
    # `depends_on`: services start side by side: a client must try again until the other one answers

    [service.web]
    runtime = "docker"                           # a container of its own
    port = 8000                                  # where it listens inside; Landfall's proxy stands in front
    secrets = ["SECRET_KEY", "TITLE"]            # their values come from .env, or where you keep them
    volumes = { instance = "/app/instance" }     # kept folders
    health = { path = "/healthz", interval = "2s", timeout = "5s", start_period = "30s" } # asked by Landfall itself
    stop = { grace = "10s" }

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    "##);
}

#[test]
fn a_file_that_cannot_be_read_is_told_of() {
    assert_snapshot!(proposed(&[("compose.yaml", "services: ["), ("index.html", "")], false), @r##"
    - the compose file cannot be read: error: line 1 column 11: unclosed bracket '['
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
    "##);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(propose_as_is(folder.path(), &|_| None).unwrap(), None);
}

#[test]
fn a_project_that_runs_is_proposed_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("My.Shop");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("compose.yaml"), "services: { web: { image: 'nginx:1.27' } }\n").unwrap();
    let proposed = |running: &dyn Fn(&str) -> Option<String>| propose_as_is(&root, running).unwrap().unwrap();
    let runs = proposed(&|name| (name == "myshop").then(|| name.to_owned()));
    let line = "compose = { files = [\"compose.yaml\"], project = \"myshop\" }";
    assert!(runs.manifest.contains(line), "{}", runs.manifest);
    assert!(runs.found.iter().any(|line| line.contains("takes it over")), "{:?}", runs.found);
    assert!(!proposed(&|_| None).manifest.contains("project"));
    // What the file says goes before the folder's name.
    fs::write(root.join("compose.yaml"), "name: store\nservices: { web: { image: 'nginx:1.27' } }\n")
        .unwrap();
    assert!(proposed(&|name| (name == "store").then(|| name.to_owned())).manifest.contains("\"store\""));
}

/// A project of several files that lie in several folders.
const LAYERS: [(&str, &str); 8] = [
    (
        "compose.yaml",
        "include:\n  - ops/db.yaml\n  - { path: [ops/mail/compose.yaml], env_file: ops/.env }\n  - oci://example.com/x\n\
             services:\n  web:\n    extends: { file: base/app.yaml, service: app }\n    ports: !override ['8000:8000']\n\
             \x20   environment: { DEBUG: !reset null, LOG: info }\n    healthcheck: !reset {}\n",
    ),
    (
        "base/app.yaml",
        "services:\n  root: { environment: { DEBUG: '1', LANG: C } }\n  app:\n    extends: { service: root }\n\
             \x20   build: .\n    ports: ['9000:9000']\n    healthcheck: { test: curl http://localhost:9000/old }\n",
    ),
    ("base/Dockerfile", "FROM debian:bookworm-slim\nCMD [\"sleep\", \"1\"]\n"),
    (
        "ops/db.yaml",
        "services:\n  db: { image: 'postgres:17', volumes: ['pg:/var/lib/postgresql/data'] }\n  web: { image: 'other:1' }\n\
             volumes: { pg: {} }\n",
    ),
    ("ops/mail/compose.yaml", "include: [../queue.yaml]\nservices:\n  mail: { build: ./src }\n"),
    ("ops/mail/src/Dockerfile", "FROM debian:bookworm-slim\nCMD [\"sleep\", \"1\"]\n"),
    ("ops/queue.yaml", "services:\n  queue: { image: 'redis:7' }\n"),
    (
        "compose.override.yaml",
        "services:\n  db: { image: 'postgres:17.2' }\n  extra: { image: 'nginx:1.27' }\n",
    ),
];

#[test]
fn files_that_are_included_extended_and_laid_over_are_read() {
    assert_snapshot!(proposed(&LAYERS, false), @r##"
    - the compose file compose.yaml: compose.override.yaml is laid over it, as docker compose does
    - the compose file compose.yaml: it includes or extends ops/db.yaml, ops/mail/compose.yaml, ops/queue.yaml, base/app.yaml
    - the compose file compose.yaml: `web` of ./ops/db.yaml is left out: there is a service of that name already
    - the compose file compose.yaml: the `env_file` of the include of ./ops/mail/compose.yaml is not read: name its variables in `secrets`
    - the compose file compose.yaml: `oci://example.com/x` could not be carried over: it is not in this folder
    - the compose file's `web` (built here) becomes a service in a container
    - the compose file's `db` (image postgres:17.2) becomes a service in a container
    - the compose file's `mail` (built here) becomes a service in a container
    - the compose file's `queue` (image redis:7) becomes a service in a container
    - the compose file's `extra` (image nginx:1.27) becomes a service in a container
    - to run the compose file as it stands instead: `landfall init --as-is`

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    # compose.yaml: `web` of ./ops/db.yaml is left out: there is a service of that name already

    # compose.yaml: the `env_file` of the include of ./ops/mail/compose.yaml is not read: name its variables in `secrets`

    # compose.yaml: `oci://example.com/x` could not be carried over: it is not in this folder

    [service.web]
    path = "base"                                # the folder of its source
    runtime = "docker"                           # a container of its own
    port = 8000                                  # where it listens inside; Landfall's proxy stands in front
    env = { LANG = "C", LOG = "info" }

    [service.db]
    image = "postgres:17.2"                      # pinned by its digest when it is deployed
    runtime = "docker"                           # a container of its own
    kind = "worker"                              # no requests come to it from outside
    volumes = { pg = "/var/lib/postgresql/data" } # kept folders

    [service.mail]
    path = "ops/mail/src"                        # the folder of its source
    runtime = "docker"                           # a container of its own
    kind = "worker"                              # no requests come to it from outside

    [service.queue]
    image = "redis:7"                            # pinned by its digest when it is deployed
    runtime = "docker"                           # a container of its own
    kind = "worker"                              # no requests come to it from outside

    [service.extra]
    image = "nginx:1.27"                         # pinned by its digest when it is deployed
    runtime = "docker"                           # a container of its own
    kind = "worker"                              # no requests come to it from outside

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    "##);
    assert_snapshot!(proposed(&LAYERS, true), @r##"
    - compose.yaml runs as it stands, through docker compose
    - the compose file compose.yaml: compose.override.yaml is laid over it, as docker compose does
    - the compose file compose.yaml: it includes or extends ops/db.yaml, ops/mail/compose.yaml, ops/queue.yaml, base/app.yaml

    # What Landfall runs. `landfall plan` shows what a deploy would do.
    name = "my-shop"
    # version = "1.0.0"                          # without it, the version is that of the git tag

    [service.my-shop]
    runtime = "compose"                          # docker compose runs it, its images pinned by digest
    compose = { files = ["compose.yaml", "compose.override.yaml"] } # the file as it is, and what docker compose lays over it
    # compose = { files = ["compose.yaml", "compose.override.yaml"], service = "web", port = 8000 } # with it, Landfall's proxy stands in front of that service

    # Another environment says only what differs there: `landfall deploy production`.
    # [environment.production]
    # domain = "my-shop.example.com"
    "##);
}

#[test]
fn a_worker_is_asked_for_nothing_and_env_counts_more_than_a_default() {
    let compose = r#"
services:
  web:
    build: .
    ports: ["8000:8000"]
    environment: { TITLE: "${TITLE:-Shop}", LEVEL: "${LEVEL:-info}" }
  db:
    image: python:3.13-slim
    command: python3 -m http.server 9000
    healthcheck: { test: ["CMD", "curl", "-f", "http://127.0.0.1:9000/up"], interval: 2s }
"#;
    let files =
        [("compose.yaml", compose), ("Dockerfile", "FROM python:3.13-slim\n"), (".env", "TITLE=Mine\n")];
    let proposed = proposed(&files, false);
    let has = |line: &str| assert!(proposed.lines().any(|found| found.starts_with(line)), "{proposed}");
    has(r#"secrets = ["TITLE"]"#);
    has(r#"env = { LEVEL = "info" }"#);
    has(r#"kind = "worker""#);
    has("# `healthcheck`: /up is not asked: a worker answers no requests");
    assert!(!proposed.contains("health = {"), "{proposed}");
}

#[test]
fn what_has_nothing_to_be_made_from_is_to_be_replaced() {
    for build in ["\"(\"", ".", "{ context: ., dockerfile: gone }"] {
        let compose = format!("services: {{ a: {{ build: {build} }} }}\n");
        let proposed = proposed(&[("compose.yaml", &compose)], false);
        assert!(proposed.contains("image = \"scratch:none\""), "{build}: {proposed}");
    }
}
