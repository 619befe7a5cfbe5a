//! Dockerfiles as people write them.

use super::*;

#[test]
fn stages_images_and_ports() {
    let text = r#"# syntax=docker/dockerfile:1.7
# escape=\

ARG PYTHON=3.13
ARG BASE="python:${PYTHON}-slim"
FROM --platform=$BUILDPLATFORM ${BASE} AS Build
EXPOSE 1
RUN --mount=type=cache,target=/root/.cache --mount=type=bind,from=alpine:3.20,target=/x \
    # a comment between

    pip install \
    flask
COPY --from=ghcr.io/astral-sh/uv:0.9 --chown=1:1 /uv /bin/
from scratch as none
FROM build
COPY --from=0 /a /b
COPY --from=BUILD /a /b
expose 8080/tcp 9090 8080 $UNKNOWN
"#;
    let found = scan(text);
    let stages: Vec<_> =
        found.stages.iter().map(|stage| (stage.name.as_deref(), stage.from.as_str(), stage.line)).collect();
    assert_eq!(
        stages,
        [(Some("Build"), "python:3.13-slim", 6), (Some("none"), "scratch", 14), (None, "build", 15)]
    );
    let images: Vec<_> = found.references.iter().map(|one| (one.image.as_str(), one.line)).collect();
    assert_eq!(images, [("python:3.13-slim", 6), ("alpine:3.20", 8), ("ghcr.io/astral-sh/uv:0.9", 13)]);
    assert_eq!(found.exposes, [8080, 9090]);
    assert_eq!(found.syntax.as_deref(), Some("docker/dockerfile:1.7"));
    assert_eq!(found.args, ["PYTHON", "BASE"]);
}

#[test]
fn what_a_build_may_find_changed() {
    let moves = |image: &str| Reference { image: image.to_owned(), line: 1 }.moves();
    for image in
        ["debian", "debian:latest", "localhost:5000/debian", "ghcr.io/a/b", "registry:5000/a/b:latest"]
    {
        assert!(moves(image), "{image}");
    }
    let digest = format!("debian@sha256:{}", "0".repeat(64));
    for image in ["debian:12", "localhost:5000/debian:12", "scratch", "debian:$TAG", "$BASE", &digest] {
        assert!(!moves(image), "{image}");
    }
}

#[test]
fn here_documents_and_odd_lines_hide_nothing() {
    let text = "FROM a:1\nRUN <<EOF cat > x <<-'END'\nFROM not:1\nEOF\n\tFROM not:2\n\tEND\nRUN echo $((1 << 2)) <<<x\nFROM b:1\nFROM\nEXPOSE\n";
    let images: Vec<_> = scan(text).references.into_iter().map(|one| one.image).collect();
    assert_eq!(images, ["a:1", "b:1"]);
    assert_eq!(scan(""), Scanned::default());
    assert_eq!(scan("# escape=`\r\nFROM a `\r\n  AS b\r\n").stages[0].name.as_deref(), Some("b"));
    assert_eq!(scan("FROM a \\").stages.len(), 1);
}

#[test]
fn variables_are_replaced_where_they_are_known() {
    let values = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("E".to_owned(), String::new())]);
    for (word, expected) in [
        ("x$A-y", "x1-y"),
        ("${A}${A}", "11"),
        ("$B", "$B"),
        ("${B}", "${B}"),
        ("${B:-d}", "d"),
        ("${E:-d}", "d"),
        ("${A:+o}", "o"),
        ("${B:+o}", ""),
        ("${A#x}", "${A#x}"),
        ("${A", "${A"),
        ("$", "$"),
    ] {
        assert_eq!(expand(word, &values), expected, "{word}");
    }
}
