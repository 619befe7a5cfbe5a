"""Where the key that signs sessions comes from."""

import os
import secrets
from pathlib import Path


def secret_key(instance_path):
    """The key of the environment, of the file it names, or one of this instance's own that outlives restarts."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    if path := os.environ.get("SECRET_KEY_FILE"):
        return Path(path).read_text().strip()
    return own_key(Path(instance_path) / "secret-key")


def own_key(path):
    """Made once, whole before it has its name, so that no process ever reads half of it; the first one made stays."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
