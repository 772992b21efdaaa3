"""Files from servers: fetched whole and checked, or not at all.

A file grows in a folder of its own and gets its final name only when its length and digest are right. What an
interrupted download has left there is asked about with `Range` and `If-Range` (RFC 9110, sections 13.1.5 and 14),
so that a server which has something else by now sends it from the beginning.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.errors import NoSpace, RemoteError
from vmmcompose.host import web
from vmmcompose.host.files import PathLike, failed, make_dir, write_atomic
from vmmcompose.host.stored import DOWNLOAD_KEEP_S

Progress = Callable[[str], None]
_FILE_LIMIT = 20 << 30
_SAY_S = 2.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file must be: the algorithm as hashlib calls it, and the hex digits."""

    algorithm: str
    hexdigits: str


def download(
    url: str, target: PathLike, folder: PathLike, on_progress: Progress, *, digest: Digest | None = None
) -> None:
    """Fetches a file; what an earlier attempt has fetched already is not fetched again.

    Args:
        url: where it is.
        target: its final name, on the file system of `folder`.
        folder: where it grows; what has lain there for a week is removed.
        on_progress: told every few seconds how far it is.
        digest: what it must be. Without one only its length is checked.

    Raises:
        RemoteError: it could not be fetched, or it is not what it must be.
        NoSpace: the disk is full; what was fetched is removed.
        HostError: it could not be written.
    """
    make_dir(folder, 0o700)
    _sweep(Path(folder))
    part = Path(folder) / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.part"
    try:
        web.ask(
            url,
            lambda: _resume_headers(part),
            lambda response: _receive(response, part, on_progress),
            decode=False,
        )
        _check(url, part, digest)
        _publish(part, Path(target))
    except NoSpace:
        _discard(part)
        raise


def _resume_headers(part: Path) -> dict[str, str]:
    """Asks for the rest of what is there, provided that the server still has the same."""
    have = part.stat().st_size if part.exists() else 0
    tag = _tag_of(part)
    if not have or not tag:
        return {}
    return {"Range": f"bytes={have}-", "If-Range": tag}


def _receive(response: web.Answer, part: Path, on_progress: Progress) -> None:
    if response.status_code == 416:
        _discard(part)
        raise ConnectionError("what is there is no beginning of the file")
    start = part.stat().st_size if response.status_code == 206 and part.exists() else 0
    if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        _discard(part)
        raise ConnectionError("the server sent another part than was asked for")
    total = start + int(response.headers.get("Content-Length") or 0)
    _require_room(part.parent, total - start, response.url)
    if not start:
        tag = _strong_tag(response.headers)
        write_atomic(_tag_path(part), tag.encode(), mode=0o600)
    said, done = time.monotonic(), start
    try:
        with part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(web.CHUNK):
                file.write(chunk)
                done += len(chunk)
                if done > _FILE_LIMIT:
                    raise RemoteError(f"{response.url} does not end")
                if time.monotonic() - said > _SAY_S:
                    said = time.monotonic()
                    on_progress(_words(done, total, start))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno is None:
            raise  # requests' own errors are OSErrors without a number
        raise failed(f"cannot write {part}", error) from error
    if total and done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _words(done: int, total: int, start: int) -> str:
    rest = f" of {total // _MIB}" if total else ""
    resumed = f" (went on from {start // _MIB})" if start else ""
    return f"{done // _MIB}{rest} MiB{resumed}"


def _strong_tag(headers: Mapping[str, str]) -> str:
    """What tells one version of a file from another; a weak ETag may not be used with Range."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _tag_path(part: Path) -> Path:
    return part.with_suffix(".tag")


def _tag_of(part: Path) -> str:
    try:
        return _tag_path(part).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _require_room(folder: Path, size: int, url: str) -> None:
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    if size > free:
        raise NoSpace(
            f"{url} needs {size // _MIB} MiB and {folder} has {free // _MIB} MiB left",
            hint="free some space there, or choose another folder with --data-dir",
        )


def _check(url: str, part: Path, digest: Digest | None) -> None:
    if digest is None:
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, digest.algorithm).hexdigest()
    if found != digest.hexdigits.lower():
        _discard(part)
        raise RemoteError(
            f"{url} has the wrong {digest.algorithm}: {found[:16]}…, not {digest.hexdigits[:16]}…; it was thrown away",
            hint="try again; if that does not help, somebody has changed the file or its checksum",
        )


def _publish(part: Path, target: Path) -> None:
    try:
        part.replace(target)
        _discard(part)
    except OSError as error:
        raise failed(f"cannot write {target}", error) from error


def _discard(part: Path) -> None:
    for path in (part, _tag_path(part)):
        with contextlib.suppress(OSError):
            path.unlink()


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > DOWNLOAD_KEEP_S:
                path.unlink()
