//! How a new release takes over: what strategies mean, and what of them contradicts itself.

mod common;

use common::{load_for, web};
use insta::assert_snapshot;
use landfall_model::{
    Canary, Compare, Judge, Millis, Prometheus, Rolling, Spec, Sticky, Strategy as Releases,
};

fn spec(lines: &str) -> Spec {
    let text = format!("name = \"app\"\n[service.web]\nrun = \"serve\"\n{lines}\n[environment.p]\n");
    load_for(&text, "p").unwrap_or_else(|d| panic!("{}", common::draw(&d))).resolved.services.remove(0).spec
}

fn rolling(lines: &str) -> (u32, u32) {
    let spec = spec(lines);
    assert_eq!((spec.strategy, &spec.canary), (Releases::Rolling, &None));
    let Rolling { max_unavailable, max_surge } = spec.rolling.expect("a rolling");
    (max_unavailable, max_surge)
}

#[test]
fn parts_of_replicas_become_numbers() {
    assert_eq!(rolling("strategy = \"rolling\""), (0, 1));
    assert_eq!(rolling("strategy = \"rolling\"\nreplicas = 5"), (0, 2));
    let given = |given: &str, replicas: u32| {
        rolling(&format!("replicas = {replicas}\nstrategy = {{ kind = \"rolling\", {given} }}"))
    };
    assert_eq!(given("max_unavailable = \"25%\"", 20), (5, 5));
    // What may be missing is rounded down, what may be beyond is rounded up.
    assert_eq!(given("max_unavailable = \"25%\", max_surge = \"25%\"", 3), (0, 1));
    assert_eq!(given("max_unavailable = 2, max_surge = 0", 4), (2, 0));
    assert_eq!(given("max_unavailable = 50, max_surge = \"100%\"", 4), (4, 4));
}

#[test]
fn a_canary_has_defaults_for_production() {
    let expected = Canary {
        steps: vec![1, 5, 25, 50],
        hold: Millis::seconds(60),
        requests: 100,
        patience: Millis::seconds(600),
        sticky: None,
        judge: Judge::Compare(Compare { false_alarm: 10_000, errors: 10, slower: 25 }),
    };
    let plain = spec("strategy = \"canary\"");
    assert_eq!((plain.strategy, plain.rolling, plain.warm), (Releases::Canary, None, Millis(0)));
    assert_eq!(plain.canary, Some(expected.clone()));
    assert_eq!(spec("strategy = { kind = \"canary\" }").canary, Some(expected));
}

#[test]
fn every_key_of_a_canary_reaches_the_spec() {
    let spec = spec(concat!(
        "[service.web.strategy]\nkind = \"canary\"\nsteps = [2, 50]\nhold = \"30m\"\nrequests = 7\nwarm = \"1h\"\n",
        "sticky = { header = \"X-User-Id\" }\nerrors = \"0.05%\"\nslower = \"50%\"\nfalse_alarm = 1000\n",
    ));
    let canary = spec.canary.unwrap();
    assert_eq!((canary.steps, canary.hold, canary.requests), (vec![2, 50], Millis::seconds(1_800), 7));
    assert_eq!(canary.patience, Millis::seconds(1_800), "no shorter than the step");
    assert_eq!(canary.sticky, Some(Sticky::Header { name: "x-user-id".to_owned() }));
    assert_eq!(canary.judge, Judge::Compare(Compare { false_alarm: 1_000, errors: 5, slower: 50 }));
    assert_eq!(spec.warm, Millis::seconds(3_600));
}

#[test]
fn a_query_may_judge() {
    let lines = "strategy = { kind = \"canary\", sticky = { cookie = \"lf\" }, prometheus = { url = \"http://p:9090\", query = \"up{v='${version}'}\" } }";
    let canary = spec(lines).canary.unwrap();
    let query = "up{v='${version}'}".to_owned();
    assert_eq!(canary.judge, Judge::Prometheus(Prometheus { url: "http://p:9090".to_owned(), query }));
    assert_eq!(canary.sticky, Some(Sticky::Cookie { name: "lf".to_owned() }));
}

#[test]
fn the_old_ones_may_stay_warm() {
    let warm = |kind: &str| spec(&format!("strategy = {{ kind = \"{kind}\", warm = \"10m\" }}")).warm;
    assert_eq!(["rolling", "blue-green", "canary"].map(warm), [Millis::seconds(600); 3]);
}

#[test]
fn an_environment_says_a_strategy_of_its_own() {
    let text = concat!(
        "name = \"app\"\n[service.web]\nrun = \"x\"\nstrategy = { kind = \"canary\", steps = [1, 2], sticky = { cookie = \"a\" } }\n",
        "[environment.roll.service.web]\nstrategy = { kind = \"rolling\", max_surge = 1 }\n",
        "[environment.plain.service.web]\nstrategy = \"restart\"\n",
        "[environment.same.service.web]\nstrategy = { kind = \"canary\", hold = \"1s\", sticky = { header = \"b\" } }\n",
    );
    let spec = |environment| load_for(text, environment).unwrap().resolved.services.remove(0).spec;
    assert_eq!((spec("roll").strategy, spec("roll").canary), (Releases::Rolling, None));
    assert_eq!(spec("plain").strategy, Releases::Restart);
    let same = spec("same").canary.unwrap();
    assert_eq!((same.steps, same.hold), (vec![1, 2], Millis::seconds(1)));
    assert_eq!(same.sticky, Some(Sticky::Header { name: "b".to_owned() }));
}

#[test]
fn what_a_kind_cannot_be_told() {
    assert_snapshot!(web("strategy = { kind = \"rolling\", steps = [1], warm = \"1m\" }\n"), @r#"
    error: `steps` means nothing to `rolling`
      4 | strategy = { kind = "rolling", steps = [1], warm = "1m" }
        |                                ^^^^^
      help: remove it; it goes with `canary`
    "#);
    assert_snapshot!(web("strategy = { kind = \"restart\", warm = \"1m\" }\n"), @r#"
    error: `warm` means nothing to `restart`
      4 | strategy = { kind = "restart", warm = "1m" }
        |                                ^^^^
      help: with `restart` the old instances end before the new ones start; keep them with `blue-green`
    "#);
    assert_snapshot!(web("strategy = { kind = \"blue-green\", max_surge = 1, hold = \"1m\" }\n"), @r#"
    error: `max_surge` means nothing to `blue-green`
      4 | strategy = { kind = "blue-green", max_surge = 1, hold = "1m" }
        |                                   ^^^^^^^^^
      help: remove it; it goes with `rolling`
    error: `hold` means nothing to `blue-green`
      4 | strategy = { kind = "blue-green", max_surge = 1, hold = "1m" }
        |                                                  ^^^^
      help: remove it; it goes with `canary`
    "#);
    assert_snapshot!(web("strategy = { steps = [1] }\n"), @r#"
    error: `strategy` has no `kind`
      4 | strategy = { steps = [1] }
        |            ^^^^^^^^^^^^^^^
      help: add `kind = "canary"`
    "#);
    assert_snapshot!(web("strategy = { kind = \"canry\", step = [1] }\n"), @r#"
    error: `kind`: `canry` is not known
      4 | strategy = { kind = "canry", step = [1] }
        |                     ^^^^^^^ expected one of `restart`, `rolling`, `blue-green` and `canary`
      help: did you mean `canary`?
    error: unknown key `step`
      4 | strategy = { kind = "canry", step = [1] }
        |                              ^^^^
      help: did you mean `steps`?
    "#);
}

#[test]
fn batches_that_go_nowhere() {
    assert_snapshot!(web("replicas = 3\nstrategy = { kind = \"rolling\", max_unavailable = \"25%\", max_surge = 0 }\n"), @r#"
    error: no instance could ever be replaced
      5 | strategy = { kind = "rolling", max_unavailable = "25%", max_surge = 0 }
        |                                ^^^^^^^^^^^^^^^ of 3 none may be missing and none be there beyond them
      help: give one of `max_unavailable` and `max_surge` at least 1
    "#);
    assert_snapshot!(web("replicas = 2\nstrategy = { kind = \"rolling\", max_unavailable = 2, max_surge = 0 }\n"), @r#"
    warning: all instances may be missing at once, and requests fail meanwhile
      5 | strategy = { kind = "rolling", max_unavailable = 2, max_surge = 0 }
        |                                ^^^^^^^^^^^^^^^
      help: allow fewer, or use `strategy = "restart"`, which holds the requests
    "#);
    assert_snapshot!(web("strategy = { kind = \"rolling\", max_unavailable = \"a third\", max_surge = \"250%\" }\n"), @r#"
    error: `max_unavailable`: `a third` is not a percentage
      4 | strategy = { kind = "rolling", max_unavailable = "a third", max_surge = "250%" }
        |                                                  ^^^^^^^^^ expected 0% to 100%
      help: write it as "25%"
    error: `max_surge`: `250%` is more than 100%
      4 | strategy = { kind = "rolling", max_unavailable = "a third", max_surge = "250%" }
        |                                                                         ^^^^^^ expected 0% to 100%
    "#);
}

#[test]
fn what_keeps_a_client_with_its_release() {
    assert_snapshot!(web("strategy = { kind = \"canary\", sticky = {} }\n"), @r#"
    error: `sticky` names a cookie or a header
      4 | strategy = { kind = "canary", sticky = {} }
        |                                        ^^
      help: write `sticky = { cookie = "landfall_release" }` or `sticky = { header = "x-user-id" }`
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\", sticky = { cookie = \"a b\", header = \"x\" } }\n"), @r#"
    error: `sticky` names a cookie or a header
      4 | strategy = { kind = "canary", sticky = { cookie = "a b", header = "x" } }
        |                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: write `sticky = { cookie = "landfall_release" }` or `sticky = { header = "x-user-id" }`
    error: `cookie`: `a b` is no name as HTTP has it
      4 | strategy = { kind = "canary", sticky = { cookie = "a b", header = "x" } }
        |                                                   ^^^^^ expected a name as HTTP has it
      help: use up to 64 letters, digits, `-` and `_`
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\", sticky = { header = \"Host\" } }\n"), @r#"
    error: `sticky`: this header does not tell one client from another
      4 | strategy = { kind = "canary", sticky = { header = "Host" } }
        |                                                   ^^^^^^
      help: name one that stays with a client, as `x-user-id`, or use a cookie
    "#);
}

#[test]
fn steps_that_cannot_be_judged() {
    assert_snapshot!(web("strategy = { kind = \"canary\", steps = [5, 5, 50, 25] }\n"), @r#"
    error: the steps must grow, and 5 follows 5
      4 | strategy = { kind = "canary", steps = [5, 5, 50, 25] }
        |                                           ^
      help: each step is the new release's share of the requests in percent; all follow the last
    error: the steps must grow, and 25 follows 50
      4 | strategy = { kind = "canary", steps = [5, 5, 50, 25] }
        |                                                  ^^
      help: each step is the new release's share of the requests in percent; all follow the last
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\", steps = [0, 100] }\n"), @r#"
    error: `steps` is out of range
      4 | strategy = { kind = "canary", steps = [0, 100] }
        |                                        ^ expected an integer from 1 to 99
    error: `steps` is out of range
      4 | strategy = { kind = "canary", steps = [0, 100] }
        |                                           ^^^ expected an integer from 1 to 99
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\", steps = [] }\n"), @r#"
    error: `steps`: expected a list with something in it
      4 | strategy = { kind = "canary", steps = [] }
        |                                       ^^
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\", hold = \"5m\", patience = \"1m\" }\n"), @r#"
    error: a step is watched for 5 min and would be given up after 1 min
      4 | strategy = { kind = "canary", hold = "5m", patience = "1m" }
        |                                                       ^^^^
      help: make `patience` at least as long as `hold`
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\", errors = \"0.1\", slower = \"2000%\" }\n"), @r#"
    error: `errors`: `0.1` is not a percentage
      4 | strategy = { kind = "canary", errors = "0.1", slower = "2000%" }
        |                                        ^^^^^ expected 0% to 100%, in steps of 0.01%
      help: write it as "25%"
    error: `slower`: `2000%` is more than 1000%
      4 | strategy = { kind = "canary", errors = "0.1", slower = "2000%" }
        |                                                        ^^^^^^^ expected 0% to 1000%
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\", errors = \"1%\", prometheus = { url = \"localhost:9090\", query = \"up\" } }\n"), @r#"
    error: `errors` is a bound of the proxy's own counts
      4 | strategy = { kind = "canary", errors = "1%", prometheus = { url = "localhost:9090", query = "up" } }
        |                               ^^^^^^
      4 | strategy = { kind = "canary", errors = "1%", prometheus = { url = "localhost:9090", query = "up" } }
        |                                              ^^^^^^^^^^ and here a query judges
      help: keep one of the two
    error: `url`: `localhost:9090` is no URL of HTTP
      4 | strategy = { kind = "canary", errors = "1%", prometheus = { url = "localhost:9090", query = "up" } }
        |                                                                   ^^^^^^^^^^^^^^^^ expected an http URL
      help: write it whole, as in "http://127.0.0.1:9090"
    "#);
}

#[test]
fn nobody_is_sent_to_a_worker_or_a_second_writer() {
    let worker = "name = \"app\"\n[service.w]\nkind = \"worker\"\nrun = \"x\"\nstrategy = \"canary\"\n";
    assert_snapshot!(common::drawn(worker), @r#"
    error: `w` is a worker: there are no requests to share out
      5 | strategy = "canary"
        | ^^^^^^^^ `canary` gives a new release a share of the requests
      help: use `rolling`, `blue-green` or `restart`
    "#);
    assert_snapshot!(web("strategy = { kind = \"canary\" }\nvolumes = [\"data\"]\n"), @r#"
    warning: for a while two releases share the volume `data`
      4 | strategy = { kind = "canary" }
        | ^^^^^^^^ `canary` starts the new one before the old one ends
      help: with one writer, such as SQLite, use `strategy = "restart"`
    "#);
}
