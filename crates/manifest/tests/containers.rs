//! What a manifest says of containers: the runtime of a service, its image, its container, a compose project.

mod common;

use common::{drawn_for, load_for};
use landfall_model::{Container, Dockerfile, Image, Kind, Runtime, SecretsAs, Spec};

fn specs(text: &str, environment: &str) -> Vec<Spec> {
    let loaded = load_for(text, environment).expect("a manifest without mistakes");
    loaded.resolved.services.into_iter().map(|service| service.spec).collect()
}

fn container(spec: &Spec) -> &Container {
    spec.container.as_ref().expect("it runs in a container")
}

#[test]
fn one_line_moves_an_application_into_containers() {
    let text = "name = \"shop\"\n[service.web]\nrun = \"serve\"\nport = 8000\n[service.files]\nkind = \"site\"\n\
                [service.client]\nkind = \"site\"\nbuild = \"npm run build\"\noutput = \"dist\"\n\
                [environment.dev]\n[environment.production]\nruntime = \"docker\"\n";
    for spec in specs(text, "dev") {
        assert_eq!((spec.runtime, spec.container), (Runtime::Process, None));
    }
    let specs = specs(text, "production");
    let runtimes: Vec<Runtime> = specs.iter().map(|spec| spec.runtime).collect();
    // What is only files needs no container.
    assert_eq!(runtimes, [Runtime::Docker, Runtime::Process, Runtime::Docker]);
    assert_eq!(container(&specs[0]).port, Some(8000));
    assert!(
        matches!(&container(&specs[0]).image, Image::Build(build) if build.dockerfile == Dockerfile::Generated)
    );
}

#[test]
fn all_that_a_container_can_be_told() {
    let text = r#"
name = "shop"
[service.web]
path = "web"
runtime = "docker"
secrets = ["TOKEN"]
build = { dockerfile = "deploy/web.Dockerfile", args = { EDITION = "pro", YEAR = 2026 }, target = "runtime", platform = "linux/arm64", secrets = ["TOKEN"], network = "host", builder = "ssh://build@10.0.0.9" }
user = "10001:10001"
read_only = true
tmpfs = ["/tmp"]
cap_drop = ["ALL"]
cap_add = ["NET_BIND_SERVICE"]
cpus = "1.5"
pids = 256
secrets_as = "files"
[service.database]
kind = "worker"
runtime = "docker"
image = "postgres:17"
[environment.dev]
registry = "registry.example.com/team"
"#;
    let specs = specs(text, "dev");
    insta::assert_snapshot!(serde_json::to_string_pretty(container(&specs[0])).unwrap(), @r#"
    {
      "image": {
        "from": "build",
        "dockerfile": {
          "kind": "text",
          "name": "deploy/web.Dockerfile",
          "text": "FROM scratch\n"
        },
        "args": {
          "EDITION": "pro",
          "YEAR": "2026"
        },
        "target": "runtime",
        "platform": "linux/arm64",
        "secrets": [
          "TOKEN"
        ],
        "network": "host",
        "builder": "ssh://build@10.0.0.9"
      },
      "registry": "registry.example.com/team",
      "user": "10001:10001",
      "read_only": true,
      "tmpfs": [
        "/tmp"
      ],
      "cap_drop": [
        "ALL"
      ],
      "cap_add": [
        "NET_BIND_SERVICE"
      ],
      "cpus": 1500,
      "pids": 256,
      "secrets_as": "files"
    }
    "#);
    assert_eq!(container(&specs[1]).image, Image::Ready { reference: "postgres:17".to_owned() });
    assert_eq!(specs[1].run, None);
}

#[test]
fn a_compose_project_is_deployed_as_it_stands() {
    let text = "name = \"shop\"\n[service.stack]\nruntime = \"compose\"\ncompose = \"compose.yaml\"\n\
                [service.front]\nruntime = \"compose\"\nsecrets = [\"K\"]\nsecrets_as = \"files\"\n\
                compose = { files = [\"a.yaml\", \"b.yaml\"], profiles = [\"p\"], service = \"web\", port = 8000 }\n";
    let specs = specs(text, "dev");
    let stack = specs[0].compose.as_ref().expect("a compose project");
    assert_eq!((specs[0].kind, stack.files.as_slice()), (Kind::Worker, &["compose.yaml".to_owned()][..]));
    assert!(specs[0].route.is_none());
    let front = specs[1].compose.as_ref().expect("a compose project");
    assert_eq!((specs[1].kind, front.service.as_deref(), front.port), (Kind::Web, Some("web"), Some(8000)));
    assert_eq!((front.files.len(), front.secrets_as), (2, SecretsAs::Files));
    assert!(specs[1].route.is_some());
}

#[test]
fn a_compose_project_has_a_name_of_its_own() {
    let text = "name = \"shop\"\n[service.a]\nruntime = \"compose\"\n\
                compose = { files = [\"a.yaml\"], project = \"shop_1\" }\n\
                [service.b]\nruntime = \"compose\"\ncompose = { files = [\"b.yaml\"], project = \"PROJECT\" }\n";
    let specs = specs(&text.replace("PROJECT", "other"), "dev");
    let name = |spec: &Spec| spec.compose.as_ref().and_then(|compose| compose.project.clone());
    assert_eq!(specs.iter().filter_map(name).collect::<Vec<_>>(), ["shop_1", "other"]);
    let same = drawn_for(&text.replace("PROJECT", "shop_1"), "dev");
    assert!(same.contains("`a` and `b` have one compose project: shop_1"), "{same}");
    let strange = drawn_for(&text.replace("PROJECT", "Shop.1"), "dev");
    assert!(strange.contains("`Shop.1` is not the name of a compose project"), "{strange}");
}

/// Each service is wrong in a way of its own.
const WRONG: &str = r#"
name = "shop"
[service.a]
image = "postgres:17"
[service.b]
runtime = "docker"
image = "postgres"
build = "make"
[service.c]
runtime = "docker"
build = { dockerfile = "nowhere/Dockerfile", secrets = ["OTHER"] }
[service.d]
runtime = "compose"
strategy = "canary"
replicas = 2
[service.e]
runtime = "docker"
[service.f]
runtime = "docker"
run = "serve"
cap_drop = ["CAP_ALL"]
cpus = "many"
secrets_as = "files"
[environment.dev]
registry = "https://registry.example.com"
"#;

#[test]
fn what_does_not_go_together_is_told_at_its_line() {
    insta::assert_snapshot!(drawn_for(WRONG, "dev"), @r#"
    error: `a` is an image, and an image is no process
      4 | image = "postgres:17"
        | ^^^^^
      help: say `runtime = "docker"` for it
    error: `b` has an image and builds one
      7 | image = "postgres"
        | ^^^^^ this one is there already
      8 | build = "make"
        | ^^^^^ this makes one
      help: keep one of the two
    error: `image`: `postgres` has no tag, and so means `latest`, another image tomorrow
      7 | image = "postgres"
        |         ^^^^^^^^^^ expected an image with its tag or digest
      help: name a version, as in "postgres:17", or a digest
    error: there is no Dockerfile `nowhere/Dockerfile`
     11 | build = { dockerfile = "nowhere/Dockerfile", secrets = ["OTHER"] }
        |                        ^^^^^^^^^^^^^^^^^^^^
      help: it is looked for below the service's folder, then below the manifest's; at most 256 KiB
    error: `OTHER` is no secret of `c`
     11 | build = { dockerfile = "nowhere/Dockerfile", secrets = ["OTHER"] }
        |                                                         ^^^^^^^
      help: name it in the service's `secrets` too
    error: `d` cannot be released by `canary`
     14 | strategy = "canary"
        | ^^^^^^^^
      help: docker compose replaces containers in place, so that only `restart` is true of it; `landfall init` makes services of a compose file that can do the others
    error: `d` is a worker: there are no requests to share out
     14 | strategy = "canary"
        | ^^^^^^^^ `canary` gives a new release a share of the requests
      help: use `rolling`, `blue-green` or `restart`
    warning: `replicas` does nothing: the compose file says it
     15 | replicas = 2
        | ^^^^^^^^
    error: `e` has no `run`
     16 | [service.e]
        |          ^
      help: add `run = "…"`, or `kind = "site"` if it is static files
    error: `cap_drop`: `CAP_ALL` is not how a capability is written here
     21 | cap_drop = ["CAP_ALL"]
        |             ^^^^^^^^^ expected a capability
      help: write "ALL"
    error: `cpus`: `many` is not a number of processors
     22 | cpus = "many"
        |        ^^^^^^ expected a number of processors
      help: write it as "0.5" or "2"
    warning: `secrets_as` does nothing: the service has no secrets
     23 | secrets_as = "files"
        | ^^^^^^^^^^
    error: `registry`: a registry is named without `http://` or `https://`
     25 | registry = "https://registry.example.com"
        |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected a registry's host, and a folder in it
      help: write "registry.example.com"
    "#);
}
