"""A guestbook: people sign it with a name and a message. Flask in front, one SQLite file behind.

Settings come from the environment: DATABASE (a path), SECRET_KEY (signs the session), LOG_LEVEL, TITLE.
"""

import logging
import os
import sqlite3
from contextlib import closing
from datetime import datetime, timezone

from flask import Flask, abort, flash, g, jsonify, redirect, render_template, request, url_for

MAX_NAME = 80
MAX_MESSAGE = 1000
SHOWN = 50

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    message TEXT NOT NULL,
    written TEXT NOT NULL
) STRICT
"""

logging.basicConfig(level=os.environ.get("LOG_LEVEL", "info").upper())

app = Flask(__name__)
# Without a key there is nothing to sign sessions with: better to stop at boot than at the first visitor.
app.secret_key = os.environ["SECRET_KEY"]
app.config["DATABASE"] = os.environ.get("DATABASE", "guestbook.db")
app.config["TITLE"] = os.environ.get("TITLE", "Guestbook")
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024


def connect():
    """Opens the database. Write-ahead logging lets readers go on while somebody writes; a writer that finds
    another one waits for it, in this process or in another release, instead of failing."""
    connection = sqlite3.connect(app.config["DATABASE"], timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


def create_schema():
    """Makes the table where it is missing. Any number of processes may do so at the same time: the lock is taken
    before the look, so that nobody acts on what has changed meanwhile."""
    with closing(connect()) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(SCHEMA)
        connection.execute("COMMIT")


def database():
    """The connection of this request."""
    if "database" not in g:
        g.database = connect()
    return g.database


@app.teardown_appcontext
def close_database(_error):
    connection = g.pop("database", None)
    if connection is not None:
        connection.close()


def entries():
    rows = database().execute("SELECT id, name, message, written FROM entry ORDER BY id DESC LIMIT ?", (SHOWN,))
    return [dict(row) for row in rows]


def add(name, message):
    """Writes one entry and gives it back; what is missing or too long is the visitor's fault: 400."""
    if not isinstance(name, str) or not isinstance(message, str):
        abort(400, "name and message are texts")
    name, message = name.strip(), message.strip()
    if not name or not message:
        abort(400, "a name and a message, please")
    if len(name) > MAX_NAME or len(message) > MAX_MESSAGE:
        abort(400, f"a name has at most {MAX_NAME} characters, a message {MAX_MESSAGE}")
    written = datetime.now(timezone.utc).isoformat(timespec="seconds")
    cursor = database().execute(
        "INSERT INTO entry (name, message, written) VALUES (?, ?, ?)", (name, message, written)
    )
    return {"id": cursor.lastrowid, "name": name, "message": message, "written": written}


@app.get("/")
def index():
    return render_template("index.html", title=app.config["TITLE"], entries=entries())


@app.post("/")
def sign():
    entry = add(request.form.get("name"), request.form.get("message"))
    flash(f"Thank you, {entry['name']}.")
    return redirect(url_for("index"), code=303)


@app.get("/api/entries")
def list_entries():
    return jsonify(entries())


@app.post("/api/entries")
def create_entry():
    body = request.get_json()
    if not isinstance(body, dict):
        abort(400, "an object with name and message, please")
    return jsonify(add(body.get("name"), body.get("message"))), 201


@app.get("/healthz")
def healthz():
    """Healthy means: the database answers and can be written. The lock is taken and given back; nothing is kept."""
    connection = database()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    count = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
    return {"status": "ok", "entries": count}


create_schema()
