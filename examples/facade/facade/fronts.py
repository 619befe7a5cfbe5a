"""The register itself, as a page and as JSON."""

import re

from flask import Blueprint, abort, current_app, flash, jsonify, redirect, render_template, request, url_for

from .database import database

MAX_ADDRESS = 120
SHOWN = 100
COLOUR = re.compile(r"#[0-9a-f]{6}")
YEARS = range(1500, 2101)

pages = Blueprint("fronts", __name__)


def all_fronts():
    rows = database().execute("SELECT id, address, colour, painted FROM front ORDER BY id DESC LIMIT ?", (SHOWN,))
    return [dict(row) for row in rows]


def register(address, colour, painted):
    """Writes one front and gives it back; what is missing or makes no sense is the visitor's fault: 400."""
    if not isinstance(address, str) or not 0 < len(address.strip()) <= MAX_ADDRESS:
        abort(400, f"an address of at most {MAX_ADDRESS} characters, please")
    if not isinstance(colour, str) or not COLOUR.fullmatch(colour):
        abort(400, "a colour such as #c0ffee, please")
    if type(painted) is not int or painted not in YEARS:
        abort(400, f"a year from {YEARS[0]} to {YEARS[-1]}, please")
    front = {"address": address.strip(), "colour": colour, "painted": painted}
    cursor = database().execute(
        "INSERT INTO front (address, colour, painted) VALUES (:address, :colour, :painted)", front
    )
    return {"id": cursor.lastrowid, **front}


@pages.get("/")
def index():
    return render_template("fronts.html", title=current_app.config["TITLE"], fronts=all_fronts())


@pages.post("/")
def add():
    painted = request.form.get("painted", "")
    painted = int(painted) if painted.isascii() and painted.isdigit() and len(painted) <= 4 else None
    front = register(request.form.get("address"), request.form.get("colour"), painted)
    flash(f"{front['address']} is in the register.")
    return redirect(url_for("fronts.index"), code=303)


@pages.get("/api/fronts")
def list_as_json():
    return jsonify(all_fronts())


@pages.post("/api/fronts")
def add_as_json():
    body = request.get_json()
    if not isinstance(body, dict):
        abort(400, "an object with address, colour and painted, please")
    return jsonify(register(body.get("address"), body.get("colour"), body.get("painted"))), 201
