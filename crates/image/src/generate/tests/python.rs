//! Python.

use super::*;

#[test]
fn requirements_are_installed_before_the_source_is_there() {
    let source = [
        ("app.py", ""),
        ("requirements.txt", "flask==3.1.0\n-r more/base.txt\n"),
        ("more/base.txt", "six\n"),
    ];
    let made = written(&source, "gunicorn --bind $HOST:$PORT app:app", |_| {}).unwrap();
    let expected = r#"# Written by Landfall. Save it as `Dockerfile` to take it over: it is then used as it is.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_INPUT=1 \
    PATH="/venv/bin:$PATH"
RUN python3 -m venv /venv
WORKDIR /app
COPY more/base.txt ./more/
COPY requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked pip install -r requirements.txt

FROM python:3.13-slim
ENV HOME=/home/app \
    HOST=0.0.0.0 \
    PORT=8080 \
    PATH="/venv/bin:$PATH" \
    VIRTUAL_ENV=/venv \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 app && \
    useradd --uid 10001 --gid 10001 --create-home --home-dir /home/app --shell /usr/sbin/nologin app && \
    install --directory --owner=10001 --group=10001 /app
WORKDIR /app
COPY --from=build /venv /venv
COPY --chown=10001:10001 . .
USER 10001:10001
EXPOSE 8080
CMD ["/bin/sh", "-c", "exec gunicorn --bind $HOST:$PORT app:app"]
"#;
    assert_eq!(made.text, expected);
    assert_eq!(made.user, (10001, 10001));
}
