//! The manifest's language: every key, what it means, what its value may be. The one place that parser and JSON Schema
//! are both made from.

use crate::forms;
use crate::shape::{Key, Shape};

mod container;
mod front;
mod releasing;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The whole manifest.
pub(crate) static ROOT: Shape = Shape::Table(&[
    key("name", "The application's name.", r#""guestbook""#, Shape::Text(&forms::NAME)).required(),
    key(
        "version",
        "The semantic version, or the file that holds it; without this key it comes from the git tag.",
        r#""1.4.0""#,
        Shape::Any(&[
            Shape::Text(&forms::SEMVER),
            Shape::Table(&[key(
                "file",
                "A file whose first word is the version, or package.json, pyproject.toml, Cargo.toml.",
                r#""VERSION""#,
                Shape::Text(&forms::INSIDE),
            )
            .required()]),
        ]),
    ),
    KEEP,
    ENV_FILE,
    key(
        "service",
        "The services, in the order in which they are thought of; references between them make the order of a deploy.",
        r#"{ web = { run = "gunicorn guestbook:app" } }"#,
        Shape::Map(&forms::NAME, &SERVICE),
    ),
    key(
        "environment",
        "The environments: where it runs, and what differs there. `dev`, this machine, need not be declared.",
        r#"{ dev = { domain = "guestbook.localhost" } }"#,
        Shape::Map(&forms::NAME, &ENVIRONMENT),
    ),
]);

/// A service, and what an environment says over it.
pub(crate) static SERVICE: Shape = Shape::Table(&[
    key(
        "kind",
        "What it is: `web` answers HTTP on $PORT, `worker` runs without a route, `site` is static files.",
        r#""web""#,
        Shape::Choice { now: &["web", "worker", "site"], later: &["job", "extension", "database"] },
    ),
    key("path", "The source folder, relative to the manifest.", r#"".""#, Shape::Text(&forms::INSIDE)),
    key(
        "run",
        "Starts one instance: a shell line, or words that no shell sees. HOST and PORT are given.",
        r#""gunicorn --bind $HOST:$PORT guestbook:app""#,
        COMMAND,
    ),
    key(
        "build",
        "Builds the artifact, once, before the tests: a command, or a table that says how an image is built.",
        r#""npm run build""#,
        Shape::Any(&[Shape::Text(&forms::FILLED), Shape::List(&TEXT, 1), Shape::Table(container::BUILD)]),
    ),
    key(
        "runtime",
        "What its instances are, if not what the environment says.",
        r#""docker""#,
        container::RUNTIME,
    ),
    key(
        "image",
        "An image that is there already, with its tag or digest; with `runtime = \"docker\"`.",
        r#""postgres:17""#,
        Shape::Text(&forms::IMAGE),
    ),
    key(
        "port",
        "The port that a container listens on; without it the only one that the image exposes, else 8080. It is \
         given as PORT.",
        "8000",
        Shape::Integer(1, 65535),
    ),
    key(
        "user",
        "Who a container runs as, if not as the image says.",
        r#""10001:10001""#,
        Shape::Text(&forms::USER),
    ),
    key(
        "read_only",
        "Whether a container can write into its volumes and `tmpfs` alone.",
        "true",
        Shape::Flag,
    ),
    key("tmpfs", "Paths of a container that lie in memory.", r#"["/tmp"]"#, container::PATHS),
    key("cap_drop", "Capabilities that a container does not have.", r#"["ALL"]"#, container::CAPABILITIES),
    key(
        "cap_add",
        "Capabilities that a container has beside the engine's usual ones.",
        r#"["NET_BIND_SERVICE"]"#,
        container::CAPABILITIES,
    ),
    key("cpus", "Processors that a container may use.", r#""1.5""#, Shape::Text(&forms::CPUS)),
    key("pids", "Processes and threads that a container may have.", "256", Shape::Integer(1, 1 << 22)),
    key(
        "secrets_as",
        "How containers are given secrets: as environment variables, or as files in memory.",
        r#""files""#,
        container::SECRETS_AS,
    ),
    key(
        "compose",
        "The compose project that is deployed as it stands, with `runtime = \"compose\"`: its file, or a table.",
        r#""compose.yaml""#,
        Shape::Any(&[Shape::Text(&forms::INSIDE), Shape::Table(container::COMPOSE)]),
    ),
    key(
        "dependencies",
        "Whether dependencies are prepared by the lock files that the source holds.",
        r#""auto""#,
        Shape::Choice { now: &["auto", "none"], later: &[] },
    ),
    key(
        "output",
        "Of a `site`: the folder that is served, below `path`, there already or made by `build`.",
        r#""dist""#,
        Shape::Text(&forms::INSIDE),
    ),
    key(
        "health",
        "When an instance is healthy: a path that answers, or without one a port that accepts.",
        r#""/healthz""#,
        Shape::Any(&[Shape::Text(&forms::REQUEST_PATH), Shape::Table(HEALTH)]),
    ),
    key("replicas", "Instances.", "2", Shape::Integer(1, 100)),
    key("stop", "How an instance is stopped.", r#"{ signal = "TERM", grace = "10s" }"#, Shape::Table(STOP)),
    key(
        "backoff",
        "The wait before an instance that ended by itself is started again, doubling from `first` to `max`.",
        r#"{ first = "500ms", max = "30s" }"#,
        Shape::Table(BACKOFF),
    ),
    key(
        "volumes",
        "Kept folders: names, each with the path that a container sees. `${volume.NAME}` is the folder's path.",
        r#"{ data = "/data" }"#,
        Shape::Any(&[
            Shape::Map(&forms::NAME, &Shape::Text(&forms::ABSOLUTE)),
            Shape::List(&Shape::Text(&forms::NAME), 0),
        ]),
    ),
    ENV,
    key(
        "secrets",
        "Environment variables whose values come from where secrets are kept.",
        r#"["SECRET_KEY"]"#,
        Shape::List(&Shape::Text(&forms::VARIABLE), 0),
    ),
    key(
        "test",
        "The test gate: shell lines that run in a throwaway instance of the new artifact before it is released.",
        r#"["pytest -q"]"#,
        LINES,
    ),
    key(
        "migrate",
        "Migrations of a database, run before the new release starts.",
        r#"{ database = "sqlite:${volume.data}/guestbook.db", path = "migrations" }"#,
        Shape::Later(&Shape::Table(MIGRATE)),
    ),
    key(
        "strategy",
        "How a new release takes over: a word, or a table with its `kind` and what that can be told.",
        r#""blue-green""#,
        Shape::Any(&[releasing::KIND, Shape::Table(releasing::STRATEGY)]),
    ),
    key("limits", "Limits on one instance.", r#"{ memory = "256M", files = 1024 }"#, Shape::Table(LIMITS)),
    key("domain", "The host name it answers to, if not the environment's.", r#""api.example.com""#, DOMAIN),
    key(
        "route",
        "The start of the paths it answers to.",
        r#""/api""#,
        Shape::Any(&[Shape::Text(&forms::PREFIX), Shape::Table(ROUTE)]),
    ),
    key(
        "hold",
        "Limits on requests held while a `restart` replaces the instance.",
        r#"{ requests = 10000, bytes = "64M", time = "60s" }"#,
        Shape::Table(HOLD),
    ),
    key(
        "http",
        "What happens to its requests on their way through the proxy.",
        r#"{ body = "100M", maintenance = "maintenance.html" }"#,
        Shape::Table(front::HTTP),
    ),
    key(
        "drain",
        "How long an old release may finish its requests after the switch.",
        r#""30s""#,
        Shape::Duration(0, DAY),
    ),
]);

/// An environment.
pub(crate) static ENVIRONMENT: Shape = Shape::Table(&[
    key(
        "target",
        "The kind of place.",
        r#""host""#,
        Shape::Choice {
            now: &["host"],
            later: &[
                "swarm",
                "kubernetes",
                "cloud-run",
                "container-apps",
                "ecs",
                "heroku",
                "vercel",
                "netlify",
                "pages",
                "vs-marketplace",
                "open-vsx",
            ],
        },
    ),
    key("runtime", "What instances are on a host.", r#""process""#, container::RUNTIME),
    key(
        "registry",
        "The registry, and the folder in it, that built images are pushed to and hosts pull them from; without it no \
         registry is needed.",
        r#""registry.example.com/team""#,
        Shape::Text(&forms::REGISTRY),
    ),
    key(
        "hosts",
        "The servers, as ssh knows them; without any, this machine.",
        r#"["deploy@10.0.0.5"]"#,
        Shape::Later(&Shape::List(&Shape::Text(&forms::FILLED), 0)),
    ),
    key(
        "listen",
        "The address that the proxy listens on for plain HTTP.",
        r#""127.0.0.1:8080""#,
        Shape::Text(&forms::LISTEN),
    ),
    key("domain", "The host name of the first service; `*` is any.", r#""guestbook.example.com""#, DOMAIN),
    key(
        "tls",
        "Where certificates come from.",
        r#""off""#,
        Shape::Any(&[front::SOURCE, Shape::Table(front::TLS)]),
    ),
    key(
        "proxy",
        "Which proxy serves it, and what stands before that one.",
        r#""landfall""#,
        Shape::Any(&[front::PROXY_KIND, Shape::Table(front::PROXY)]),
    ),
    key(
        "approval",
        "Whether a second person must agree to a deploy.",
        r#""none""#,
        Shape::Choice { now: &["none"], later: &["required"] },
    ),
    key("secrets", "Where secrets come from.", r#"{ from = "dotenv" }"#, Shape::Table(PROVIDER)),
    ENV,
    ENV_FILE,
    KEEP,
    key(
        "service",
        "What differs for services here: any of their keys.",
        r#"{ web = { replicas = 4 } }"#,
        Shape::Map(&forms::NAME, &SERVICE),
    ),
]);

const KEEP: Key = key("keep", "Old releases kept for a rollback.", "5", Shape::Integer(1, 100));

const ENV_FILE: Key = key(
    "env_file",
    "Files that secrets are read from, the first that names one wins; without this key \
     `.env.<environment>`, then `.env`.",
    r#"[".env.production", ".env"]"#,
    LINES,
);

const ENV: Key = key(
    "env",
    "Environment variables of build, tests and instances. `${service.NAME.url}`, `${volume.NAME}` and `${env.NAME}` \
     are replaced; `$${` is a literal `${`.",
    r#"{ DATABASE = "${volume.data}/guestbook.db", LOG_LEVEL = "info" }"#,
    Shape::Map(&forms::VARIABLE, &Shape::Plain),
);

static TEXT: Shape = Shape::Text(&forms::TEXT);
static FILLED: Shape = Shape::Text(&forms::FILLED);
static ONE_OR_WORDS: [Shape; 2] = [Shape::Text(&forms::FILLED), Shape::List(&TEXT, 1)];
static ONE_OR_LINES: [Shape; 2] = [Shape::Text(&forms::FILLED), Shape::List(&FILLED, 0)];
const COMMAND: Shape = Shape::Any(&ONE_OR_WORDS);
const LINES: Shape = Shape::Any(&ONE_OR_LINES);

const DOMAIN: Shape = Shape::Text(&forms::DOMAIN);

static HEALTH: &[Key] = &[
    key("path", "The path asked for with GET.", r#""/healthz""#, Shape::Text(&forms::REQUEST_PATH)),
    key(
        "status",
        "The statuses that count as healthy: one, or the first and the last of a range.",
        r#""200-399""#,
        Shape::Any(&[
            Shape::Integer(100, 599),
            Shape::Text(&forms::STATUSES),
            Shape::List(&Shape::Integer(100, 599), 2),
        ]),
    ),
    key("interval", "Between two checks of a running instance.", r#""2s""#, Shape::Duration(100, HOUR)),
    key("timeout", "For one answer.", r#""5s""#, Shape::Duration(10, 10 * MINUTE)),
    key(
        "start_period",
        "How long a booting instance may take until its first healthy answer.",
        r#""60s""#,
        Shape::Duration(100, HOUR),
    ),
    key("stable", "How long a worker must stay up to count as healthy.", r#""1s""#, Shape::Duration(0, HOUR)),
];

static STOP: &[Key] = &[
    key(
        "signal",
        "The signal that asks it to end.",
        r#""TERM""#,
        Shape::Choice { now: &["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"], later: &[] },
    ),
    key("grace", "The time it then has before SIGKILL.", r#""10s""#, Shape::Duration(0, DAY)),
];

static BACKOFF: &[Key] = &[
    key("first", "Before the first restart.", r#""500ms""#, Shape::Duration(10, HOUR)),
    key("max", "The longest wait.", r#""30s""#, Shape::Duration(10, HOUR)),
];

static LIMITS: &[Key] = &[
    key(
        "memory",
        "Memory of an instance's processes together.",
        r#""256M""#,
        Shape::Size(MIB, 1024 * 1024 * GIB),
    ),
    key("files", "Open files of each process.", "1024", Shape::Integer(16, 1 << 20)),
    key(
        "log_size",
        "The size at which captured output is rotated.",
        r#""10M""#,
        Shape::Size(4 * KIB, 16 * GIB),
    ),
    key("log_files", "Rotated files kept beside the current one.", "5", Shape::Integer(0, 100)),
];

static ROUTE: &[Key] = &[
    key("path", "The start of the paths it answers to.", r#""/api""#, Shape::Text(&forms::PREFIX)).required(),
    key("strip", "Whether that start is taken off before a request goes on.", "true", Shape::Flag),
];

static HOLD: &[Key] = &[
    key("requests", "Requests held at once.", "10000", Shape::Integer(0, 1_000_000)),
    key("bytes", "Bytes of their bodies, all together.", r#""64M""#, Shape::Size(0, 16 * GIB)),
    key("time", "The longest a request is held.", r#""60s""#, Shape::Duration(0, HOUR)),
];

static MIGRATE: &[Key] = &[
    key("database", "The database's URL.", r#""sqlite:data/guestbook.db""#, Shape::Text(&forms::FILLED)),
    key(
        "path",
        "The folder of the migrations, below `path`.",
        r#""migrations""#,
        Shape::Text(&forms::INSIDE),
    ),
];

static PROVIDER: &[Key] = &[
    key(
        "from",
        "The provider: `env` is this process's environment alone, `dotenv` looks into `.env` files too.",
        r#""dotenv""#,
        Shape::Choice {
            now: &["env", "dotenv"],
            later: &["age", "aws", "azure", "doppler", "google", "keyring", "vault"],
        },
    )
    .required(),
    key("project", "The provider's project.", r#""guestbook""#, Shape::Text(&forms::FILLED)),
    key("config", "The provider's configuration.", r#""prd""#, Shape::Text(&forms::FILLED)),
];

const fn key(name: &'static str, about: &'static str, example: &'static str, shape: Shape) -> Key {
    Key { name, about, example, shape, required: false }
}

impl Key {
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}
