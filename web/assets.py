"""The files that pages load, kept in memory: a name is looked up, never a path opened."""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Asset:
    """A file: its media type, its content, that compressed, and a tag that changes with it."""

    kind: str
    plain: bytes
    packed: bytes
    tag: str


@cache
def assets(folder: Path = STATIC) -> Mapping[str, Asset]:
    """Return name → file, for all files below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): _asset(path) for path in files}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    return Asset(kind, content, gzip.compress(content, mtime=0), f'"{sha256(content).hexdigest()}"')


@get("/static/{name:path}", name="static", opt={"public": True}, include_in_schema=False)
async def asset(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer with a file; the browser keeps it, and asks each time whether it has changed."""
    found = assets().get(name.removeprefix("/"))
    if found is None:
        raise NotFoundException
    headers = {"ETag": found.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(b"", status_code=304, headers=headers)
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    content = found.packed if is_packed else found.plain
    headers |= {"Content-Encoding": "gzip"} if is_packed else {}
    return Response(content, media_type=found.kind, headers=headers)
