//! The design's reference manifest: what it means on this machine, and what of it is for a later version.

mod common;

use std::path::Path;

use common::{REFERENCE, drawn_for, load_for};
use landfall_manifest::{Context, load};
use landfall_model::{Command, Kind, Strategy, VersionSource};

#[test]
fn dev_is_right_but_for_migrations() {
    insta::assert_snapshot!(drawn_for(REFERENCE, "dev"), @r#"
    warning: 2 instances share the volume `data`
      8 | replicas = 2
        | ^^^^^^^^
      help: fine for files of their own; a database in one file, such as SQLite, wants `replicas = 1`
    missing: migrations are not in this version
     14 | migrate  = { database = "sqlite:${volume.data}/guestbook.db", path = "migrations" }
        |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: let `run` bring the database up to date, and remove the key
    "#);
}

#[test]
fn production_asks_for_what_comes_later() {
    insta::assert_snapshot!(drawn_for(REFERENCE, "production"), @r#"
    missing: migrations are not in this version
     14 | migrate  = { database = "sqlite:${volume.data}/guestbook.db", path = "migrations" }
        |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: let `run` bring the database up to date, and remove the key
    missing: servers over SSH are not in this version
     31 | hosts    = ["deploy@10.0.0.5", "deploy@10.0.0.6"]
        |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: without `hosts` it runs on this machine
    missing: secrets from `doppler` are not in this version
     35 | secrets  = { from = "doppler", project = "guestbook", config = "prd" }
        |                     ^^^^^^^^^
      help: use one of `env` and `dotenv`
    missing: approval `required` is not in this version
     36 | approval = "required"
        |            ^^^^^^^^^^
      help: use `none`, or leave the key out
    warning: for a while two releases share the volume `data`
     40 | strategy = "blue-green"
        | ^^^^^^^^ `blue-green` starts the new one before the old one ends
      help: with one writer, such as SQLite, use `strategy = "restart"`
    "#);
}

#[test]
fn without_migrations_dev_is_what_the_design_says() {
    let text: String =
        REFERENCE.lines().filter(|l| !l.starts_with("migrate")).map(|l| format!("{l}\n")).collect();
    let loaded = load_for(&text, "dev").unwrap();
    let resolved = loaded.resolved;
    assert_eq!(resolved.app.as_str(), "guestbook");
    assert_eq!(resolved.version, VersionSource::Manifest("1.4.0".parse().unwrap()));
    assert_eq!(resolved.env_files, ["/p/.env.dev", "/p/.env"].map(std::path::PathBuf::from));
    let [web, client] = resolved.services.as_slice() else { panic!("two services") };
    assert_eq!((web.spec.kind, client.spec.kind), (Kind::Web, Kind::Site));
    assert_eq!(web.source, Path::new("/p"));
    assert_eq!(web.spec.strategy, Strategy::Restart);
    assert_eq!(web.spec.replicas, 2);
    assert_eq!(web.spec.env["DATABASE"].to_string(), "${volume.data}/guestbook.db");
    assert_eq!(web.spec.secrets, ["SECRET_KEY"]);
    assert_eq!(&text[web.secrets[0].span.start..web.secrets[0].span.end], "\"SECRET_KEY\"");
    assert_eq!(web.spec.test, [Command::Line("pytest -q".to_owned())]);
    assert_eq!(web.spec.route.as_ref().unwrap().url(), "http://guestbook.localhost:8080");
    assert_eq!(client.after, std::slice::from_ref(&web.name));
    assert_eq!(client.source, Path::new("/p/client"));
    assert_eq!(client.spec.output.as_deref(), Some("dist"));
    assert_eq!(client.spec.env["VITE_API"].to_string(), "http://guestbook.localhost:8080");
    assert_eq!(client.spec.route.as_ref().unwrap().url(), "http://client.guestbook.localhost:8080");
    assert_eq!(client.spec.strategy, Strategy::BlueGreen);
}

#[test]
fn every_example_loads_for_every_environment_it_declares() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for example in std::fs::read_dir(examples).unwrap() {
        let root = example.unwrap().path();
        let file = root.join("landfall.toml");
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for environment in landfall_manifest::environments(&text) {
            let environment = environment.parse().unwrap();
            let context = Context {
                file: &file,
                root: &root,
                environment: &environment,
                variable: &|_| None,
                is_folder: &Path::is_dir,
                is_file: &Path::is_file,
                text: &|path| std::fs::read_to_string(path).ok(),
            };
            let loaded = load(&text, &context);
            assert!(loaded.is_ok(), "{}", common::draw(&loaded.unwrap_err()));
            seen += 1;
        }
    }
    assert!(seen > 0, "there are no examples");
}
