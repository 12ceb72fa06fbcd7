"""What browsers keep: styles, scripts and icons, under addresses that change with their content.

All of it is read and compressed once at start: it is a few hundred kilobytes, and nothing that a browser asks
for is ever looked up in the file system.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
MAX_TOTAL = 4 * 2**20  # bytes of all files: they stay in memory
PREFIX = "/static"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"
_OLD = re.compile(r"(?P<hash>[0-9a-f]{12})/(?P<name>[A-Za-z0-9_./-]{1,100})")


@dataclass(frozen=True, slots=True)
class Static:
    """One file in memory."""

    digest: str
    kind: str
    plain: bytes
    packed: bytes


class Statics:
    """The files in a folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: dict[str, Static] = {}
        total = 0
        for path in sorted(folder.rglob("*")):
            kind = _TYPES.get(path.suffix)
            if kind is None or not path.is_file():
                continue  # licences and notes are for people who look into the folder
            content = path.read_bytes()
            total += len(content)
            if total > MAX_TOTAL:
                raise ValueError(f"the files in {folder} are more than {MAX_TOTAL} bytes")
            digest = hashlib.sha256(content).hexdigest()[:12]
            packed = gzip.compress(content, 9, mtime=0)
            self._files[path.relative_to(folder).as_posix()] = Static(digest, kind, content, packed)

    def url(self, name: str) -> str:
        """Return the address of a file. KeyError when there is none: a template names what is not there."""
        return f"{PREFIX}/{self._files[name].digest}/{name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every file there is."""
        return tuple(self._files)

    async def serve(self, request: web.Request) -> web.Response:
        """Answer with a file. An address of an earlier version gets the file of today, and is not kept."""
        named = _OLD.fullmatch(request.match_info["file"])
        static = self._files.get(named["name"]) if named else None
        if named is None or static is None:
            raise web.HTTPNotFound
        fresh = named["hash"] == static.digest
        headers = {"Cache-Control": _FOREVER if fresh else "no-store", "Vary": "Accept-Encoding"}
        body = static.plain
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            headers["Content-Encoding"] = "gzip"
            body = static.packed
        headers["Content-Type"] = static.kind
        return web.Response(body=body, headers=headers)
