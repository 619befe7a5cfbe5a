//! What a person gets to see for each kind of mistake: the words, the place, the advice.

mod common;

use common::{drawn, drawn_for, web};
use insta::assert_snapshot;

#[test]
fn syntax_errors_come_all_at_once() {
    assert_snapshot!(drawn("name = \n[service.web\nrun = 'x'\nhelth = 1\nreplicas = two\n"), @r#"
    error: a value is missing
      1 | name = 
        |        ^ expected after the `=`
    error: this is not TOML: unclosed table
      2 | [service.web
        |             ^ expected `]`
    "#);
    assert_snapshot!(drawn("name = \"app\"\nname = \"b\"\n[service.web]\nrun = \"x\"\n[service.web]\npath = \".\"\n"), @r#"
    error: `name` is given twice
      2 | name = "b"
        | ^^^^ given again here
      help: keep one of the two
    error: `web` is given twice
      5 | [service.web]
        |          ^^^ given again here
      help: keep one of the two
    "#);
    assert_snapshot!(drawn("name = \"app\n"), @r#"
    error: this is not TOML: invalid basic string
      1 | name = "app
        |            ^ expected `"`
    "#);
}

#[test]
fn an_empty_manifest_says_what_is_missing() {
    assert_snapshot!(drawn(""), @r#"
    error: the manifest has no service
      help: add `[service.web]`, and below it `run = "…"`
    error: the manifest has no `name`
      1 | 
        | ^
      help: add `name = "guestbook"`
    "#);
    assert_snapshot!(drawn("name = \"app\"\n[service]\n"), @r#"
    error: the manifest has no service
      help: add `[service.web]`, and below it `run = "…"`
    "#);
}

#[test]
fn unknown_keys() {
    assert_snapshot!(web("helth = \"/\"\nbanana = 1\nstop = { signl = \"TERM\" }\n[enviroment.x]\n"), @r#"
    error: unknown key `helth`
      4 | helth = "/"
        | ^^^^^
      help: did you mean `health`?
    error: unknown key `banana`
      5 | banana = 1
        | ^^^^^^
      help: there are `kind`, `path`, `run`, `build`, `runtime`, `image`, `port`, `user`, `read_only`, `tmpfs`, `cap_drop`, `cap_add`, `cpus`, `pids`, `secrets_as`, `compose`, `dependencies`, `output`, `health`, `replicas`, `stop`, `backoff`, `volumes`, `env`, `secrets`, `test`, `migrate`, `strategy`, `limits`, `domain`, `route`, `hold`, `http` and `drain`
    error: unknown key `signl`
      6 | stop = { signl = "TERM" }
        |          ^^^^^
      help: did you mean `signal`?
    error: unknown key `enviroment`
      7 | [enviroment.x]
        |  ^^^^^^^^^^
      help: did you mean `environment`?
    "#);
}

#[test]
fn wrong_types() {
    assert_snapshot!(web("path = 1\nreplicas = \"2\"\nhealth = true\nenv = { A = 1.5, B = [] }\nsecrets = \"KEY\"\n"), @r#"
    error: `path`: expected a string, found an integer
      4 | path = 1
        |        ^
    error: `replicas`: expected an integer from 1 to 100, found a string
      5 | replicas = "2"
        |            ^^^
      help: write 2 without quotes
    error: `health`: expected a string or a table, found a boolean
      6 | health = true
        |          ^^^^
    error: `A`: expected a string, an integer or a boolean, found a float
      7 | env = { A = 1.5, B = [] }
        |             ^^^
      help: put it in quotes
    error: `B`: expected a string, an integer or a boolean, found a list
      7 | env = { A = 1.5, B = [] }
        |                      ^^
    error: `secrets`: expected a list of strings, found a string
      8 | secrets = "KEY"
        |           ^^^^^
      help: write ["KEY"]
    "#);
    assert_snapshot!(web("stop = { grace = 10 }\nroute = { path = \"/a\", strip = \"true\" }\ntest = [1]\nvolumes = 1979-05-27\n"), @r#"
    error: `grace`: expected a length of time from 0 ms to 24 h, such as "10s", found an integer
      4 | stop = { grace = 10 }
        |                  ^^
      help: write "10s"
    error: `strip`: expected true or false, found a string
      5 | route = { path = "/a", strip = "true" }
        |                                ^^^^^^
      help: write true without quotes
    error: `test`: expected a string, found an integer
      6 | test = [1]
        |         ^
    error: `volumes`: expected a table or a list of strings, found a date
      7 | volumes = 1979-05-27
        |           ^^^^^^^^^^
    "#);
    assert_snapshot!(drawn("name = 1\nservice = []\nenvironment = { dev = 1 }\n"), @r#"
    error: `name`: expected a string, found an integer
      1 | name = 1
        |        ^
    error: `service`: expected a table, found a list
      2 | service = []
        |           ^^
    error: `dev`: expected a table, found an integer
      3 | environment = { dev = 1 }
        |                       ^
    "#);
    assert_snapshot!(drawn("name = \"a\"\n[[service.web]]\nrun = \"x\"\n"), @r#"
    error: `web`: expected a table, found a list
      2 | [[service.web]]
        | ^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn values_out_of_range() {
    assert_snapshot!(web("replicas = 0\ndrain = \"25h\"\nlimits = { memory = \"1K\", files = 1 }\nkeep = 5\n"), @r#"
    error: `replicas` is out of range
      4 | replicas = 0
        |            ^ expected an integer from 1 to 100
    error: `drain` is out of range
      5 | drain = "25h"
        |         ^^^^^ expected a length of time from 0 ms to 24 h, such as "10s"
    error: `memory` is out of range
      6 | limits = { memory = "1K", files = 1 }
        |                     ^^^^ expected a size from 1M to 1024T, such as "256M"
    error: `files` is out of range
      6 | limits = { memory = "1K", files = 1 }
        |                                   ^ expected an integer from 16 to 1048576
    error: unknown key `keep`
      7 | keep = 5
        | ^^^^
      help: it belongs at the top of the manifest or in an `[environment.NAME]`
    "#);
    assert_snapshot!(web("replicas = 99999999999999999999\nhealth = { interval = \"1ms\", timeout = \"soon\", status = 42 }\n"), @r#"
    error: `replicas` is out of range
      4 | replicas = 99999999999999999999
        |            ^^^^^^^^^^^^^^^^^^^^ expected an integer from 1 to 100
    error: `interval` is out of range
      5 | health = { interval = "1ms", timeout = "soon", status = 42 }
        |                       ^^^^^ expected a length of time from 100 ms to 1 h, such as "10s"
    error: `timeout`: `soon` is not a length of time
      5 | health = { interval = "1ms", timeout = "soon", status = 42 }
        |                                        ^^^^^^
      help: write whole numbers with ms, s, m, h or d, as in "500ms" or "1m30s"
    error: `status` is out of range
      5 | health = { interval = "1ms", timeout = "soon", status = 42 }
        |                                                         ^^ expected an integer from 100 to 599
    "#);
    assert_snapshot!(web("limits = { memory = \"1.5G\", log_size = 0 }\nbackoff = { first = \"10s\", max = \"1s\" }\n"), @r#"
    error: `memory`: `1.5G` is not a size
      4 | limits = { memory = "1.5G", log_size = 0 }
        |                     ^^^^^^
      help: write a whole number with K, M, G or T, as in "256M"
    error: `log_size` is out of range
      4 | limits = { memory = "1.5G", log_size = 0 }
        |                                        ^ expected a size from 4K to 16G, such as "256M"
    error: the longest wait is shorter than the first
      5 | backoff = { first = "10s", max = "1s" }
        |                                  ^^^^
    "#);
    assert_snapshot!(web("health = { status = [399, 200] }\nhold = { requests = -1 }\nstop = { signal = \"SIGTERM\" }\n"), @r#"
    error: `status` is not a first and a last status
      4 | health = { status = [399, 200] }
        |                     ^^^^^^^^^^
      help: write it as [200, 399]
    error: `requests` is out of range
      5 | hold = { requests = -1 }
        |                     ^^ expected an integer from 0 to 1000000
    error: `signal`: `SIGTERM` is not known
      6 | stop = { signal = "SIGTERM" }
        |                   ^^^^^^^^^ expected one of `TERM`, `INT`, `QUIT`, `HUP`, `USR1` and `USR2`
      help: did you mean `TERM`?
    "#);
    assert_snapshot!(web("health = { status = [200] }\n"), @r#"
    error: `status`: expected a list with 2 items in it
      4 | health = { status = [200] }
        |                     ^^^^^
    "#);
}

#[test]
fn names() {
    assert_snapshot!(drawn("name = \"My App\"\n[service.\"Web 1\"]\nrun = \"x\"\n[environment.\"\"]\n"), @r#"
    error: `name`: `My App` is not a name: it must start with a letter from a to z
      1 | name = "My App"
        |        ^^^^^^^^ expected 1 to 40 of a to z, 0 to 9 and `-`, a letter first
      help: write `my-app`
    error: `Web 1` is not a name: it must start with a letter from a to z
      2 | [service."Web 1"]
        |          ^^^^^^^ expected 1 to 40 of a to z, 0 to 9 and `-`, a letter first
      help: write `web`
    error: `` is not a name: it is empty
      4 | [environment.""]
        |              ^^ expected 1 to 40 of a to z, 0 to 9 and `-`, a letter first
    "#);
    assert_snapshot!(web("env = { PORT = 1, \"A-B\" = 1, LANDFALL_X = 1 }\nsecrets = [\"HOST\"]\n"), @r#"
    error: `PORT` is set by Landfall
      4 | env = { PORT = 1, "A-B" = 1, LANDFALL_X = 1 }
        |         ^^^^ expected the name of an environment variable
      help: remove it; PORT, HOST and LANDFALL_… are given to every instance
    error: `A-B` is not the name of an environment variable
      4 | env = { PORT = 1, "A-B" = 1, LANDFALL_X = 1 }
        |                   ^^^^^ expected the name of an environment variable
      help: use letters, digits and `_`, no digit first
    error: `LANDFALL_X` is set by Landfall
      4 | env = { PORT = 1, "A-B" = 1, LANDFALL_X = 1 }
        |                              ^^^^^^^^^^ expected the name of an environment variable
      help: remove it; PORT, HOST and LANDFALL_… are given to every instance
    error: `secrets`: `HOST` is set by Landfall
      5 | secrets = ["HOST"]
        |            ^^^^^^ expected the name of an environment variable
      help: remove it; PORT, HOST and LANDFALL_… are given to every instance
    "#);
}

#[test]
fn secrets_and_variables() {
    assert_snapshot!(web("env = { KEY = \"a\" }\nsecrets = [\"KEY\", \"B\", \"B\"]\n"), @r#"
    error: `KEY` is both a secret and a variable
      4 | env = { KEY = "a" }
        |         ^^^ its value stands here
      5 | secrets = ["KEY", "B", "B"]
        |            ^^^^^ it is to be a secret here
      help: keep one of the two
    error: the secret `B` is named twice
      5 | secrets = ["KEY", "B", "B"]
        |                        ^^^ again
      5 | secrets = ["KEY", "B", "B"]
        |                   ^^^ first
    "#);
    assert_snapshot!(web("secrets = [\"GREETING\"]\nenv = { A = \"${env.GREETING}\" }\n"), @r#"
    error: `GREETING` is a secret, and what stands here is written down in plans
      5 | env = { A = "${env.GREETING}" }
        |              ^^^^^^^^^^^^^^^
      help: name it in `secrets` and read $GREETING in the application
    "#);
}

#[test]
fn folders() {
    assert_snapshot!(web("path = \"nowhere\"\n"), @r#"
    error: there is no folder `nowhere`
      4 | path = "nowhere"
        |        ^^^^^^^^^
    "#);
    assert_snapshot!(web("path = \"../other\"\n"), @r#"
    error: `path`: `../other` leads out of the project
      4 | path = "../other"
        |        ^^^^^^^^^^ expected a path inside the project
      help: put the manifest in a folder that holds all of the source
    "#);
    assert_snapshot!(web("path = \"/srv\"\n"), @r#"
    error: `path`: `/srv` is an absolute path
      4 | path = "/srv"
        |        ^^^^^^ expected a path inside the project
      help: write a path relative to the manifest's folder
    "#);
    assert_snapshot!(drawn("name = \"a\"\n[service.s]\nkind = \"site\"\noutput = \"nowhere\"\n"), @r#"
    error: there is no folder `nowhere` below `.`
      4 | output = "nowhere"
        |          ^^^^^^^^^
      help: add the `build` that makes it
    "#);
    assert_snapshot!(drawn("name = \"a\"\n[service.s]\nkind = \"site\"\noutput = \"nowhere\"\nbuild = \"make\"\n"), @"fine");
}

#[test]
fn kinds() {
    assert_snapshot!(drawn("name = \"a\"\n[service.s]\nkind = \"site\"\nrun = \"x\"\nreplicas = 2\n[service.w]\nkind = \"worker\"\nroute = \"/\"\nhealth = \"/\"\n[service.web]\noutput = \"dist\"\n"), @r#"
    error: `s` is a site, which runs nothing
      4 | run = "x"
        | ^^^
      help: remove `run`, or the `kind`
    warning: `replicas` does nothing: a site has no instances
      5 | replicas = 2
        | ^^^^^^^^
    error: `w` has no `run`
      6 | [service.w]
        |          ^
      help: add `run = "…"`, or `kind = "site"` if it is static files
    error: `w` is a worker, to which no requests come
      8 | route = "/"
        | ^^^^^
      help: remove it, or make it `kind = "web"`
    error: `w` is a worker, which answers no requests
      9 | health = "/"
        |          ^^^
      help: write `health = { stable = "1s" }`, or remove it
    error: `web` has no `run`
     10 | [service.web]
        |          ^^^
      help: add `run = "…"`, or `kind = "site"` if it is static files
    error: `web` serves no files, so it has no `output`
     11 | output = "dist"
        | ^^^^^^
      help: remove it, or say `kind = "site"`
    "#);
    assert_snapshot!(drawn("name = \"a\"\n[service.s]\nkind = \"job\"\n[service.t]\nkind = \"wbe\"\nstrategy = \"canary\"\n"), @r#"
    missing: kind `job` is not in this version
      3 | kind = "job"
        |        ^^^^^
      help: use one of `web`, `worker` and `site`
    error: `kind`: `wbe` is not known
      5 | kind = "wbe"
        |        ^^^^^ expected one of `web`, `worker`, `site`, `job`, `extension` and `database`
      help: did you mean `web`?
    "#);
}

#[test]
fn an_address_that_no_shell_fills_in() {
    let of = |run: &str| drawn(&format!("name = \"a\"\n[service.s]\nrun = {run}\nroute = \"/\"\n"));
    assert_snapshot!(of("[\"gunicorn\", \"-b\", \"$HOST:$PORT\", \"app:app\"]"), @r#"
    warning: `$PORT` in a list is not filled in
      3 | run = ["gunicorn", "-b", "$HOST:$PORT", "app:app"]
        |                          ^^^^^^^^^^^^^ the program gets it as it stands here
      help: write `run` as one line, which goes through a shell
    "#);
    for fine in [
        "\"gunicorn -b $HOST:$PORT app:app\"",
        "[\"/bin/sh\", \"-c\", \"serve $PORT\"]",
        "[\"a\", \"$OTHER\"]",
    ] {
        assert_eq!(of(fine), "fine");
    }
}

#[test]
fn strategies() {
    assert_snapshot!(web("strategy = \"rolling\"\n"), @"fine");
    assert_snapshot!(web("strategy = { kind = \"canary\", steps = [5, 25], hold = \"60s\" }\n"), @"fine");
    assert_snapshot!(web("strategy = \"bluegreen\"\n"), @r#"
    error: `strategy`: `bluegreen` is not known
      4 | strategy = "bluegreen"
        |            ^^^^^^^^^^^ expected one of `restart`, `rolling`, `blue-green` and `canary`
      help: did you mean `blue-green`?
    "#);
    assert_snapshot!(web("strategy = \"restart\"\nvolumes = [\"data\"]\nreplicas = 2\n"), @r#"
    warning: 2 instances share the volume `data`
      6 | replicas = 2
        | ^^^^^^^^
      help: fine for files of their own; a database in one file, such as SQLite, wants `replicas = 1`
    "#);
    assert_snapshot!(web("strategy = \"blue-green\"\nvolumes = [\"data\", \"data\"]\n"), @r#"
    warning: for a while two releases share the volume `data`
      4 | strategy = "blue-green"
        | ^^^^^^^^ `blue-green` starts the new one before the old one ends
      help: with one writer, such as SQLite, use `strategy = "restart"`
    error: `data` is given to two volumes
      5 | volumes = ["data", "data"]
        |                    ^^^^^^ again
      5 | volumes = ["data", "data"]
        |            ^^^^^^ first
    "#);
}

#[test]
fn references() {
    assert_snapshot!(web("env = { A = \"${service.wbe.url}\", B = \"${service.web.port}\", C = \"${servce.web.url}\", D = \"${HOME} ${x.y}\", E = \"${\" }\n"), @r#"
    error: there is no service `wbe`
      4 | env = { A = "${service.wbe.url}", B = "${service.web.port}", C = "${servce.web.url}", D = "${HOME} ${x.y}", E = "${" }
        |              ^^^^^^^^^^^^^^^^^^
      help: did you mean `web`?
    error: a service has no `port`
      4 | env = { A = "${service.wbe.url}", B = "${service.web.port}", C = "${servce.web.url}", D = "${HOME} ${x.y}", E = "${" }
        |                                        ^^^^^^^^^^^^^^^^^^^
      help: write `${service.web.url}` or `${service.web.host}`
    error: `${servce.web.url}` refers to nothing
      4 | env = { A = "${service.wbe.url}", B = "${service.web.port}", C = "${servce.web.url}", D = "${HOME} ${x.y}", E = "${" }
        |                                                                   ^^^^^^^^^^^^^^^^^
      help: did you mean `${service.web.url}`?
    error: `${HOME}` refers to nothing
      4 | env = { A = "${service.wbe.url}", B = "${service.web.port}", C = "${servce.web.url}", D = "${HOME} ${x.y}", E = "${" }
        |                                                                                            ^^^^^^^
      help: write `${env.HOME}`, or `$${HOME}` if it is to stay as it is
    error: `${x.y}` refers to nothing
      4 | env = { A = "${service.wbe.url}", B = "${service.web.port}", C = "${servce.web.url}", D = "${HOME} ${x.y}", E = "${" }
        |                                                                                                    ^^^^^^
      help: there are `${service.NAME.url}`, `${env.NAME}` and `${volume.NAME}`; a literal `${` is written `$${`
    error: `${` without a `}`
      4 | env = { A = "${service.wbe.url}", B = "${service.web.port}", C = "${servce.web.url}", D = "${HOME} ${x.y}", E = "${" }
        |                                                                                                                 ^^^^
      help: close it, or write `$${` for a literal `${`
    "#);
    assert_snapshot!(web("volumes = [\"data\"]\nenv = { A = \"${volume.dta}\", B = \"${env.UNSET}\" }\ntest = [\"x ${volume.other} ${env.TAG}\"]\n"), @r#"
    error: `web` has no volume `dta`
      5 | env = { A = "${volume.dta}", B = "${env.UNSET}" }
        |              ^^^^^^^^^^^^^
      help: did you mean `data`?
    missing: the environment variable `UNSET` is not set
      5 | env = { A = "${volume.dta}", B = "${env.UNSET}" }
        |                                   ^^^^^^^^^^^^ taken from the environment of this command
      help: set it, as in `UNSET=… landfall deploy`
    error: `web` has no volume `other`
      6 | test = ["x ${volume.other} ${env.TAG}"]
        |            ^^^^^^^^^^^^^^^
      help: there is only `data`
    error: the value of `TAG` holds what the shell would act on
      6 | test = ["x ${volume.other} ${env.TAG}"]
        |                            ^^^^^^^^^^ this is part of a shell line
      help: write `env = { TAG = "${env.TAG}" }` and "$TAG" in the line
    "#);
    assert_snapshot!(web("volumes = [\"data\"]\nbuild = [\"x\", \"${volume.data}\"]\ntest = \"x ${volume.data} ${HOME}\"\n"), @r#"
    error: a volume's path is known on the host only, and no shell fills it in here
      5 | build = ["x", "${volume.data}"]
        |                ^^^^^^^^^^^^^^
      help: write a shell line, or let the program read $LANDFALL_VOLUME_DATA
    "#);
    assert_snapshot!(drawn("name = \"a\"\n[service.w]\nkind = \"worker\"\nrun = \"x ${service.w.url}\"\n[service.e]\nrun = [\"\"]\nbuild = []\n"), @r#"
    error: `w` has no address
      4 | run = "x ${service.w.url}"
        |          ^^^^^^^^^^^^^^^^
      2 | [service.w]
        |          ^ it is a worker, to which no requests come
    error: the first word, the program, is empty
      6 | run = [""]
        |       ^^^^
    error: `build`: expected a list with something in it
      7 | build = []
        |         ^^
    "#);
}

#[test]
fn references_that_no_place_of_their_own_can_be_given() {
    // A template is stored as text, in which `$` and a volume would be read as an escape.
    assert_snapshot!(web("volumes = [\"data\"]\nenv = { A = \"${env.PRICE}${volume.data}\" }\n"), @r#"
    error: a `$` stands right before a volume's path
      5 | env = { A = "${env.PRICE}${volume.data}" }
        |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: put something between them
    "#);
    // With escapes in the string the whole of it is marked.
    assert_snapshot!(web("env = { A = \"\\u0024{service.x.url}\" }\n"), @r#"
    error: there is no service `x`
      4 | env = { A = "\u0024{service.x.url}" }
        |             ^^^^^^^^^^^^^^^^^^^^^^^
      help: there is only `web`
    "#);
}

#[test]
fn cycles_are_named_whole() {
    let text = concat!(
        "name = \"app\"\n[service.a]\nrun = \"x ${service.b.url}\"\n",
        "[service.b]\nrun = \"x\"\nenv = { C = \"${service.c.host}\" }\n",
        "[service.c]\nrun = \"x\"\ntest = [\"${service.a.url}\"]\n",
        "[service.d]\nrun = \"${service.a.url} ${service.e.url}\"\n",
        "[service.e]\nrun = \"${service.d.url} ${service.e.url}\"\n",
    );
    assert_snapshot!(drawn(text), @r#"
    error: services wait for each other: `a` → `b` → `c` → `a`
      3 | run = "x ${service.b.url}"
        |          ^^^^^^^^^^^^^^^^ `a` needs `b` first
      6 | env = { C = "${service.c.host}" }
        |              ^^^^^^^^^^^^^^^^^ `b` needs `c` first
      9 | test = ["${service.a.url}"]
        |          ^^^^^^^^^^^^^^^^ `c` needs `a` first
      help: give one of the addresses as a plain text; it does not change between deploys
    error: services wait for each other: `d` → `e` → `d`
     11 | run = "${service.a.url} ${service.e.url}"
        |                         ^^^^^^^^^^^^^^^^ `d` needs `e` first
     13 | run = "${service.d.url} ${service.e.url}"
        |        ^^^^^^^^^^^^^^^^ `e` needs `d` first
      help: give one of the addresses as a plain text; it does not change between deploys
    "#);
}

#[test]
fn addresses() {
    let text = concat!(
        "name = \"app\"\n[service.a]\nrun = \"x\"\n[service.b]\nrun = \"x\"\nroute = \"/\"\n",
        "[service.c]\nrun = \"x\"\ndomain = \"APP.localhost\"\n",
    );
    assert_snapshot!(drawn(text), @r#"
    error: `a` and `b` have one address: app.localhost/
      6 | route = "/"
        | ^^^^^ `b` is there
      2 | [service.a]
        |          ^ and so is `a`
      help: give one of them another `domain` or `route`
    error: `b` and `c` have one address: app.localhost/
      9 | domain = "APP.localhost"
        | ^^^^^^ `c` is there
      6 | route = "/"
        | ^^^^^ and so is `b`
      help: give one of them another `domain` or `route`
    "#);
    let text = "name = \"app\"\n[service.a]\nrun = \"x\"\n[service.b]\nrun = \"x\"\n[environment.dev]\ndomain = \"*\"\n";
    assert_snapshot!(drawn(text), @r#"
    error: `b` needs an address of its own: `*` has no names below it
      4 | [service.b]
        |          ^
      7 | domain = "*"
        |          ^^^ the environment's domain
      help: give it a `domain`, or a part of the paths: `route = "/b"`
    "#);
    let lines = "domain = \"https://example.com/x\"\nroute = \"api\"\n[environment.dev]\nlisten = \"localhost:8080\"\ndomain = \"*.example.com\"\n";
    assert_snapshot!(web(lines), @r#"
    error: `domain`: `https://example.com/x` is not a host name
      4 | domain = "https://example.com/x"
        |          ^^^^^^^^^^^^^^^^^^^^^^^ expected a host name, or `*`
      help: write "example.com"; the port belongs to `listen`, a path to `route`
    error: `route`: `api` does not start with `/`
      5 | route = "api"
        |         ^^^^^ expected the start of a URL's path
      help: write "/api"
    error: `listen`: `localhost:8080` is not an IP address and a port
      7 | listen = "localhost:8080"
        |          ^^^^^^^^^^^^^^^^ expected an IP address and a port
      help: write "127.0.0.1:8080"
    error: `domain`: `*.example.com` is not a host name
      8 | domain = "*.example.com"
        |          ^^^^^^^^^^^^^^^ expected a host name, or `*`
      help: name each host, or take all with "*"
    "#);
}

#[test]
fn environments() {
    let text = "name = \"app\"\n[service.web]\nrun = \"x\"\n[environment.staging]\n[environment.staging.service.wbe]\nreplicas = 2\n[environment.production]\n";
    assert_snapshot!(drawn_for(text, "stagin"), @r#"
    error: the manifest declares no environment `stagin`
      4 | [environment.staging]
        |              ^^^^^^^
      7 | [environment.production]
        |              ^^^^^^^^^^
      help: did you mean `staging`?
    "#);
    assert_snapshot!(drawn_for(text, "qa"), @r#"
    error: the manifest declares no environment `qa`
      4 | [environment.staging]
        |              ^^^^^^^
      7 | [environment.production]
        |              ^^^^^^^^^^
      help: there is `staging`, `production` and `dev`; or add [environment.qa]
    "#);
    assert_snapshot!(drawn_for("name = \"app\"\n[service.web]\nrun = \"x\"\n", "qa"), @r#"
    error: the manifest declares no environment `qa`
      help: there is `dev`; or add [environment.qa]
    "#);
    assert_snapshot!(drawn_for("name = \"app\"\n[service.web]\nrun = \"x\"\n[environment.x]\ntarget = \"kubernetes\"\nhosts = []\ntls = { certificate = \"a\", key = \"b\" }\nsecrets = { from = \"vualt\" }\n", "x"), @r#"
    missing: target `kubernetes` is not in this version
      5 | target = "kubernetes"
        |          ^^^^^^^^^^^^
      help: use `host`, or leave the key out
    error: `from`: `vualt` is not known
      8 | secrets = { from = "vualt" }
        |                    ^^^^^^^ expected one of `env`, `dotenv`, `age`, `aws`, `azure`, `doppler`, `google`, `keyring` and `vault`
      help: did you mean `vault`?
    "#);
}

#[test]
fn places_are_right_behind_wide_letters_and_windows_line_ends() {
    assert_snapshot!(drawn("name = \"app\"\r\n[service.web]\r\nrun = \"日本\"\r\nenv = { A = \"é${x.y}\" }\r\n"), @r#"
    error: `${x.y}` refers to nothing
      4 | env = { A = "é${x.y}" }
        |               ^^^^^^
      help: there are `${service.NAME.url}`, `${env.NAME}` and `${volume.NAME}`; a literal `${` is written `$${`
    "#);
}
