"""The facade register: which front of the town was painted when, and in which colour. A Flask application factory.

Settings come from the environment: SECRET_KEY, or SECRET_KEY_FILE with the path of a file that holds it (signs the
session; without either one is made and kept in the instance folder), INSTANCE_PATH (where the database lies; the folder
`instance` beside this package else), TITLE.
"""

import os

from flask import Flask

from . import database, fronts, health, settings


def create_app(overrides=None):
    """Makes an application; `overrides` are put over what the environment says."""
    app = Flask(__name__, instance_path=os.environ.get("INSTANCE_PATH"))
    os.makedirs(app.instance_path, exist_ok=True)
    app.config.from_mapping(
        DATABASE=os.path.join(app.instance_path, "facade.db"),
        TITLE=os.environ.get("TITLE") or "Facades",
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.config.update(overrides or {})
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = settings.secret_key(app.instance_path)
    database.attach(app)
    app.register_blueprint(fronts.pages)
    app.register_blueprint(health.pages)
    return app
