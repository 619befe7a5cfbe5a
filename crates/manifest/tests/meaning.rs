//! What a right manifest means: defaults, overlays, addresses, order.

mod common;

use common::{drawn, load_for};
use landfall_model::{Command, Kind, Millis, Resolved, Service, Strategy, VersionSource};

fn read(text: &str, environment: &str) -> Resolved {
    load_for(text, environment).unwrap_or_else(|d| panic!("{}", common::draw(&d))).resolved
}

fn one(lines: &str) -> Service {
    let text = format!("name = \"app\"\n[service.web]\nrun = \"serve\"\n{lines}");
    read(&text, "dev").services.remove(0)
}

fn urls(text: &str, environment: &str) -> Vec<String> {
    let services = read(text, environment).services;
    services.iter().filter_map(|s| s.spec.route.as_ref()).map(landfall_model::Route::url).collect()
}

#[test]
fn defaults() {
    let service = one("");
    let spec = &service.spec;
    assert_eq!((spec.kind, spec.strategy, spec.replicas), (Kind::Web, Strategy::BlueGreen, 1));
    assert_eq!((spec.health.path.as_ref(), spec.health.status), (None, (200, 399)));
    assert_eq!((spec.health.interval, spec.health.timeout), (Millis::seconds(2), Millis::seconds(5)));
    assert_eq!((spec.health.start_period, spec.health.stable), (Millis::seconds(60), Millis::seconds(1)));
    assert_eq!((spec.stop.signal.as_str(), spec.stop.grace), ("TERM", Millis::seconds(10)));
    assert_eq!((spec.backoff.first, spec.backoff.max), (Millis(500), Millis::seconds(30)));
    assert_eq!((spec.limits.log_size, spec.limits.log_files), (Some(10 << 20), Some(5)));
    assert_eq!((spec.limits.memory, spec.limits.files), (None, None));
    assert_eq!((spec.keep, spec.drain), (5, Millis::seconds(30)));
    assert_eq!(read("name = \"a\"\n[service.s]\nkind = \"site\"\n", "dev").version, VersionSource::Git);
    insta::assert_snapshot!(serde_json::to_string_pretty(&spec.route).unwrap(), @r#"
    {
      "listen": "127.0.0.1:8080",
      "host": "app.localhost",
      "prefix": "/",
      "strip": false,
      "hold": {
        "requests": 10000,
        "bytes": 67108864,
        "time": 90000
      }
    }
    "#);
}

#[test]
fn every_key_reaches_the_spec() {
    let service = one(concat!(
        "build = [\"make\", \"all\"]\ndependencies = \"none\"\nreplicas = 3\ndrain = \"5s\"\nstrategy = \"restart\"\n",
        "health = { path = \"/h\", status = \"200-204\", interval = \"1s\", timeout = \"2s\", start_period = \"3s\", stable = \"4s\" }\n",
        "stop = { signal = \"INT\", grace = \"1m\" }\nbackoff = { first = \"1s\", max = \"2s\" }\ntest = \"t\"\n",
        "limits = { memory = \"256M\", files = 1024, log_size = 4096, log_files = 0 }\n",
        "hold = { requests = 1, bytes = \"1K\", time = \"1s\" }\ndomain = \"API.example.com\"\n",
        "route = { path = \"/v1/\", strip = true }\nenv = { A = 1, B = true, C = \"$${x} ${env.GREETING}\" }\n",
    ));
    insta::assert_snapshot!(serde_json::to_string_pretty(&service.spec).unwrap(), @r#"
    {
      "kind": "web",
      "run": "serve",
      "build": [
        "make",
        "all"
      ],
      "dependencies": "none",
      "output": null,
      "test": [
        "t"
      ],
      "health": {
        "path": "/h",
        "status": [
          200,
          204
        ],
        "interval": 1000,
        "timeout": 2000,
        "start_period": 3000,
        "stable": 4000
      },
      "replicas": 3,
      "stop": {
        "signal": "INT",
        "grace": 60000
      },
      "backoff": {
        "first": 1000,
        "max": 2000
      },
      "volumes": {},
      "env": {
        "A": "1",
        "B": "true",
        "C": "$${x} hello"
      },
      "secrets": [],
      "limits": {
        "memory": 268435456,
        "files": 1024,
        "log_size": 4096,
        "log_files": 0
      },
      "route": {
        "listen": "127.0.0.1:8080",
        "host": "api.example.com",
        "prefix": "/v1",
        "strip": true,
        "hold": {
          "requests": 1,
          "bytes": 1024,
          "time": 1000
        }
      },
      "strategy": "restart",
      "keep": 5,
      "drain": 5000
    }
    "#);
}

#[test]
fn one_status_is_a_range_of_one() {
    assert_eq!(one("health = { status = 204 }").spec.health.status, (204, 204));
    assert_eq!(one("health = { status = [200, 204] }").spec.health.status, (200, 204));
}

#[test]
fn environments_lie_over_services() {
    let text = concat!(
        "name = \"app\"\nkeep = 3\n[service.web]\nrun = \"x\"\nenv = { A = \"1\", B = \"1\", C = \"1\" }\nvolumes = { data = \"/data\" }\n",
        "health = { path = \"/h\", interval = \"1s\" }\ntest = [\"a\", \"b\"]\n",
        "[environment.prod]\nkeep = 9\nenv = { B = \"2\", C = \"2\" }\nenv_file = \"prod.env\"\nlisten = \"0.0.0.0:80\"\n",
        "[environment.prod.service.web]\nenv = { C = \"3\" }\nhealth = { interval = \"9s\" }\ntest = [\"c\"]\nreplicas = 2\nstrategy = \"blue-green\"\n",
    );
    let (dev, prod) = (read(text, "dev"), read(text, "prod"));
    let env = |r: &Resolved| r.services[0].spec.env.values().map(ToString::to_string).collect::<String>();
    assert_eq!((env(&dev).as_str(), env(&prod).as_str()), ("111", "123"));
    assert_eq!((dev.services[0].spec.keep, prod.services[0].spec.keep), (3, 9));
    assert_eq!(prod.env_files, [std::path::PathBuf::from("/p/prod.env")]);
    let spec = &prod.services[0].spec;
    assert_eq!((spec.health.path.as_deref(), spec.health.interval), (Some("/h"), Millis::seconds(9)));
    assert_eq!(spec.test, [Command::Line("c".to_owned())]);
    assert_eq!((spec.strategy, dev.services[0].spec.strategy), (Strategy::BlueGreen, Strategy::Restart));
    assert_eq!(spec.route.as_ref().unwrap().url(), "http://prod.app.localhost");
}

#[test]
fn secrets_from_the_environment_alone_need_no_files() {
    let text = "name = \"app\"\n[service.web]\nrun = \"x\"\n[environment.ci]\nsecrets = { from = \"env\" }\n[environment.dot]\nsecrets = { from = \"dotenv\" }\n";
    assert!(read(text, "ci").env_files.is_empty());
    assert_eq!(read(text, "dot").env_files.len(), 2);
}

#[test]
fn addresses_are_given_out_in_order() {
    let text = concat!(
        "name = \"app\"\n[service.worker]\nkind = \"worker\"\nrun = \"x\"\n[service.web]\nrun = \"x\"\n",
        "[service.client]\nkind = \"site\"\n[service.api]\nrun = \"x\"\nroute = \"/api\"\n",
        "[service.docs]\nkind = \"site\"\ndomain = \"docs.example.com\"\n[environment.p]\ndomain = \"Example.com\"\n",
    );
    assert_eq!(
        urls(text, "dev"),
        [
            "http://app.localhost:8080",
            "http://client.app.localhost:8080",
            "http://app.localhost:8080/api",
            "http://docs.example.com:8080"
        ]
    );
    assert_eq!(urls(text, "p")[..2], ["http://example.com:8080", "http://client.example.com:8080"]);
    let any = "name = \"app\"\n[service.a]\nrun = \"x\"\n[service.b]\nrun = \"x\"\nroute = \"/b\"\n[environment.dev]\ndomain = \"*\"\n";
    assert_eq!(urls(any, "dev"), ["http://127.0.0.1:8080", "http://127.0.0.1:8080/b"]);
}

#[test]
fn references_make_the_order_and_all_else_keeps_the_manifests() {
    let text = concat!(
        "name = \"app\"\n[service.d]\nrun = \"x\"\n[service.a]\nrun = \"x ${service.c.url}\"\n[service.b]\nrun = \"x\"\n",
        "[service.c]\nrun = \"x\"\nenv = { E = \"${service.e.host}\", SELF = \"${service.c.url}/x\" }\n[service.e]\nrun = \"x\"\n",
    );
    let services = read(text, "dev").services;
    let names: Vec<&str> = services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["d", "b", "e", "c", "a"]);
    let after: Vec<String> = services.iter().flat_map(|s| &s.after).map(ToString::to_string).collect();
    assert_eq!(after, ["e", "c"]);
    assert_eq!(services[3].spec.env["E"].to_string(), "e.app.localhost");
    assert_eq!(services[3].spec.env["SELF"].to_string(), "http://c.app.localhost:8080/x");
    assert_eq!(services[4].spec.run, Some(Command::Line("x http://c.app.localhost:8080".to_owned())));
}

#[test]
fn lines_and_words_and_values_take_references_in_their_own_ways() {
    let spec = one(concat!(
        "volumes = [\"my-data\"]\nbuild = [\"x\", \"${env.TAG}\", \"$HOME\"]\n",
        "test = [\"a ${volume.my-data}/x $HOME ${HOME:-y} $${env.X} $$ ${env.GREETING}\"]\n",
        "env = { A = \"sqlite:${volume.my-data}/g.db\", B = \"$${volume.my-data} $HOME $\" }\n",
    ))
    .spec;
    assert_eq!(spec.build, Some(Command::Words(["x", "a b", "$HOME"].map(str::to_owned).to_vec())));
    let line = "a ${LANDFALL_VOLUME_MY_DATA}/x $HOME ${HOME:-y} ${env.X} $$ hello";
    assert_eq!(spec.test, [Command::Line(line.to_owned())]);
    assert_eq!(spec.env["A"].volumes().collect::<Vec<_>>(), ["my-data"]);
    assert_eq!(spec.env["B"].fill(|_| None).as_deref(), Some("${volume.my-data} $HOME $"));
    for template in spec.env.values() {
        assert_eq!(*template, landfall_model::Template::from(template.to_string()));
    }
    assert_eq!(spec.volumes["my-data"], "/my-data");
    assert_eq!(spec.strategy, Strategy::Restart);
}

#[test]
fn versions_come_from_three_places() {
    let source = |version: &str| {
        read(&format!("name = \"a\"\n{version}\n[service.s]\nkind = \"site\"\n"), "dev").version
    };
    assert_eq!(source("version = \"1.4.0\""), VersionSource::Manifest(semver::Version::new(1, 4, 0)));
    assert_eq!(source("version = { file = \"VERSION\" }"), VersionSource::File("/p/VERSION".into()));
    assert_eq!(source(""), VersionSource::Git);
}

#[test]
fn environments_are_listed_even_of_a_broken_text() {
    let text = "name = \n[environment.b]\n[environment.a]\n[service.";
    assert_eq!(landfall_manifest::environments(text), ["b", "a"]);
    assert!(landfall_manifest::environments("").is_empty());
}

#[test]
fn a_warning_stops_nothing() {
    assert!(drawn("name = \"a\"\n[service.s]\nkind = \"site\"\nreplicas = 2\n").starts_with("warning: "));
}
