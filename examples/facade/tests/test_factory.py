"""What the factory makes of the environment."""

import stat
from pathlib import Path

from facade import create_app


def test_without_a_key_one_is_made_and_kept(app):
    path = Path(app.instance_path) / "secret-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(app.config["SECRET_KEY"]) == 64
    assert create_app().config["SECRET_KEY"] == app.config["SECRET_KEY"]
    assert [file.name for file in path.parent.glob("secret-key*")] == ["secret-key"]


def test_a_key_comes_from_the_environment_or_from_a_file(app, tmp_path, monkeypatch):
    given = tmp_path / "given"
    given.write_text("from a file\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(given))
    assert create_app().config["SECRET_KEY"] == "from a file"
    monkeypatch.setenv("SECRET_KEY", "given")
    assert create_app().config["SECRET_KEY"] == "given"


def test_what_was_registered_outlives_the_application(client):
    client.post("/api/fronts", json={"address": "Quay 1", "colour": "#112233", "painted": 1700})
    again = create_app().test_client()
    assert [front["address"] for front in again.get("/api/fronts").json] == ["Quay 1"]


def test_health_is_bad_when_the_database_cannot_be_written(app):
    app.config["TESTING"] = False
    database = Path(app.config["DATABASE"])
    database.unlink()
    database.mkdir()
    assert app.test_client().get("/healthz").status_code == 500
