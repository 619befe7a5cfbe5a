"""Builds the page into dist/: puts the API's address, given as API_URL, where the source says @API@."""

import os
from pathlib import Path

here = Path(__file__).parent
page = (here / "index.html").read_text(encoding="utf-8")
(here / "dist").mkdir(exist_ok=True)
(here / "dist/index.html").write_text(page.replace("@API@", os.environ["API_URL"]), encoding="utf-8")
