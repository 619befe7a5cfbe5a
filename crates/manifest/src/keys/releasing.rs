//! The keys of a `strategy` that is a table.

use super::{DAY, key};
use crate::forms;
use crate::shape::{Key, Shape};

/// The words for how a new release takes over.
pub(super) const KIND: Shape =
    Shape::Choice { now: &["restart", "rolling", "blue-green", "canary"], later: &[] };

static PART: [Shape; 2] = [Shape::Integer(0, 100), Shape::Text(&forms::PART)];

/// All that a strategy can be told; what of it goes with which kind, `releasing` says.
pub(super) static STRATEGY: &[Key] = &[
    key("kind", "Its name.", r#""canary""#, KIND).required(),
    key(
        "max_unavailable",
        "Of `rolling`: how many instances may be missing at a time; a part of `replicas` is rounded down.",
        "1",
        Shape::Any(&PART),
    ),
    key(
        "max_surge",
        "Of `rolling`: how many instances there may be beyond `replicas`; a part of them is rounded up.",
        r#""25%""#,
        Shape::Any(&PART),
    ),
    key(
        "steps",
        "Of `canary`: the new release's share of the requests in each step, in percent; all of them follow the last.",
        "[1, 5, 25, 50]",
        Shape::List(&Shape::Integer(1, 99), 1),
    ),
    key(
        "hold",
        "Of `canary`: how long each step is watched at least.",
        r#""60s""#,
        Shape::Duration(100, DAY),
    ),
    key(
        "requests",
        "Of `canary`: requests that the new release must have answered in a step before it counts as passed.",
        "100",
        Shape::Integer(1, 1_000_000),
    ),
    key(
        "patience",
        "Of `canary`: how long a step waits for these requests before the release is taken back.",
        r#""10m""#,
        Shape::Duration(100, 7 * DAY),
    ),
    key(
        "sticky",
        "Of `canary`: what keeps one client with one release.",
        r#"{ cookie = "landfall_release" }"#,
        Shape::Table(STICKY),
    ),
    key(
        "errors",
        "Of `canary`: the rise of the error rate that is put up with, in percentage points.",
        r#""0.1%""#,
        Shape::Text(&forms::RATE),
    ),
    key(
        "slower",
        "Of `canary`: the rise of the 99th percentile of latency that is put up with, of the old release's.",
        r#""25%""#,
        Shape::Text(&forms::RISE),
    ),
    key(
        "false_alarm",
        "Of `canary`: the risk of taking back a release that is no worse, over all of its steps: one in this many.",
        "10000",
        Shape::Integer(10, 1_000_000_000),
    ),
    key(
        "prometheus",
        "Of `canary`: a query that judges, instead of the proxy's own counts.",
        r#"{ url = "http://127.0.0.1:9090", query = "job:errors:ratio < bool 0.01" }"#,
        Shape::Table(PROMETHEUS),
    ),
    key(
        "warm",
        "How long the old instances stay up after the switch, for an instant rollback.",
        r#""10m""#,
        Shape::Duration(0, 7 * DAY),
    ),
];

static STICKY: &[Key] = &[
    key("cookie", "A cookie that the proxy sets.", r#""landfall_release""#, Shape::Text(&forms::TOKEN)),
    key("header", "A header that tells clients apart.", r#""x-user-id""#, Shape::Text(&forms::TOKEN)),
];

static PROMETHEUS: &[Key] = &[
    key("url", "The server.", r#""http://127.0.0.1:9090""#, Shape::Text(&forms::URL)).required(),
    key(
        "query",
        "Well as long as its answer is a sample that is not 0; `${version}` and `${previous}` are replaced.",
        r#""job:errors:ratio < bool 0.01""#,
        Shape::Text(&forms::FILLED),
    )
    .required(),
];
