"""What a page needs beside itself: read once, named by its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
#: name -> bytes, media type
STATIC = {
    path.name: (path.read_bytes(), TYPES[path.suffix[1:]])
    for path in sorted((Path(__file__).parent / "static").iterdir())
}
#: In the address of each file, so that a browser may keep it until it changes.
VERSION = hashlib.sha256(b"".join(content for content, _ in STATIC.values())).hexdigest()[:12]
