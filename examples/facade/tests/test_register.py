"""What a visitor and a program can do, and what they cannot."""

import threading

import pytest

YELLOW = {"address": "Market Street 3", "colour": "#e8c547", "painted": 1911}


def test_an_empty_register_says_so(client):
    assert b"No front is registered yet." in client.get("/").data


def test_registering_shows_the_front(client):
    form = {"address": "Mill <Lane> 1", "colour": "#aa3311", "painted": "1874"}
    page = client.post("/", data=form, follow_redirects=True)
    assert page.status_code == 200
    assert b"Mill &lt;Lane&gt; 1 is in the register." in page.data
    assert b'fill="#aa3311"' in page.data


def test_the_api_adds_and_lists_newest_first(client):
    for address in ("First Street", "Second Street"):
        assert client.post("/api/fronts", json={**YELLOW, "address": address}).status_code == 201
    assert [front["address"] for front in client.get("/api/fronts").json] == ["Second Street", "First Street"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {**YELLOW, "address": " "},
        {**YELLOW, "address": "a" * 121},
        {**YELLOW, "colour": "yellow"},
        {**YELLOW, "colour": "#e8c547; }"},
        {**YELLOW, "painted": 1499},
        {**YELLOW, "painted": "1911"},
        {**YELLOW, "painted": True},
    ],
)
def test_what_is_no_front_is_refused(client, body):
    assert client.post("/api/fronts", json=body).status_code == 400
    assert client.get("/api/fronts").json == []


def test_a_year_that_is_no_number_is_refused(client):
    for painted in ("", "soon", "-1", "99999", "²"):
        assert client.post("/", data={**YELLOW, "painted": painted}).status_code == 400


def test_many_writers_lose_nothing(app, client):
    def write():
        other = app.test_client()
        for _ in range(5):
            assert other.post("/api/fronts", json=YELLOW).status_code == 201

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("/healthz").json == {"status": "ok", "fronts": 30}
