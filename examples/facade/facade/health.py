"""Healthy means: the database answers and can be written."""

from flask import Blueprint

from .database import database

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def healthz():
    """Takes the lock for writing and gives it back; nothing is kept."""
    connection = database()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    count = connection.execute("SELECT count(*) FROM front").fetchone()[0]
    return {"status": "ok", "fronts": count}
