"""The one SQLite file in the instance folder. Write-ahead logging lets readers go on while somebody writes; a writer
that finds another one, in this process or in another, waits for it."""

import sqlite3
from contextlib import closing

from flask import current_app, g

SCHEMA = """
CREATE TABLE IF NOT EXISTS front (
    id      INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    colour  TEXT NOT NULL,
    painted INTEGER NOT NULL
) STRICT
"""


def attach(app):
    """Makes the schema where it is missing, and closes each request's connection."""
    create_schema(app.config["DATABASE"])
    app.teardown_appcontext(close)


def connect(path):
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def create_schema(path):
    """Any number of processes may do so at once: the lock is taken before the look."""
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(SCHEMA)
        connection.execute("COMMIT")


def database():
    """The connection of this request."""
    if "database" not in g:
        g.database = connect(current_app.config["DATABASE"])
    return g.database


def close(_error):
    connection = g.pop("database", None)
    if connection is not None:
        connection.close()
