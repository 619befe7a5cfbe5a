"""Each test gets a guestbook of its own, in a database of its own."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# Read when the module is imported, before any fixture runs; the tests sign nothing that anybody keeps.
os.environ.setdefault("SECRET_KEY", "for-tests-only")
os.environ["DATABASE"] = ":memory:"

import guestbook  # noqa: E402


@pytest.fixture
def client(tmp_path):
    guestbook.app.config.update(TESTING=True, DATABASE=str(tmp_path / "guestbook.db"))
    guestbook.create_schema()
    with guestbook.app.test_client() as client:
        yield client
