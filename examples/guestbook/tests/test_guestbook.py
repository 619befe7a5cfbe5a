"""What a visitor and a program can do, and what they cannot."""

import threading

import guestbook
import pytest


def test_an_empty_book_says_so(client):
    assert b"Nobody has signed yet." in client.get("/").data


def test_signing_shows_the_entry_and_says_thanks(client):
    page = client.post("/", data={"name": "Ada", "message": "Hello <b>you</b>"}, follow_redirects=True)
    assert page.status_code == 200
    assert b"Thank you, Ada." in page.data
    assert b"Hello &lt;b&gt;you&lt;/b&gt;" in page.data


def test_the_api_adds_and_lists_newest_first(client):
    for name in ("Ada", "Grace"):
        assert client.post("/api/entries", json={"name": name, "message": "was here"}).status_code == 201
    assert [entry["name"] for entry in client.get("/api/entries").json] == ["Grace", "Ada"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"name": "Ada"},
        {"name": " ", "message": "x"},
        {"name": "Ada", "message": 5},
        {"name": "a" * 81, "message": "x"},
        {"name": "Ada", "message": "x" * 1001},
    ],
)
def test_what_is_no_entry_is_refused(client, body):
    assert client.post("/api/entries", json=body).status_code == 400
    assert client.get("/api/entries").json == []


def test_health_touches_the_database(client, tmp_path):
    assert client.get("/healthz").json == {"status": "ok", "entries": 0}
    guestbook.app.config["DATABASE"] = str(tmp_path / "gone" / "guestbook.db")
    guestbook.app.config["TESTING"] = False
    assert client.get("/healthz").status_code == 500


def test_many_writers_lose_nothing(client):
    def write(number):
        with guestbook.app.test_client() as other:
            for turn in range(5):
                answer = other.post("/api/entries", json={"name": f"w{number}", "message": str(turn)})
                assert answer.status_code == 201

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("/healthz").json["entries"] == 30
