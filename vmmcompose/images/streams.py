"""Bytes of an archive on their way: counted, hashed, decompressed, never read further than is allowed."""

import bz2
import gzip
import hashlib
import io
import lzma
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Protocol

from vmmcompose.errors import HostError, HostUnfit

CHUNK = 256 * 1024
_MAGICS = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_MAGIC = 8
"""Bytes that are enough to tell."""
_XZ_MEMORY = 512 << 20
"""Bytes xz may take; its own highest level takes 65 MiB."""


class Reader(Protocol):
    """Something that gives its bytes once, in order."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Counted:
    """A reader that counts and hashes what goes through it."""

    def __init__(self, source: Reader, algorithm: str = "sha256", limit: int = 0, start: bytes = b"") -> None:
        self._source = source
        self._start = start
        self._limit = limit
        self._hash = hashlib.new(algorithm)
        self.count = 0

    def read(self, size: int, /) -> bytes:
        """The next bytes; fewer than `size` only at the end.

        Raises:
            HostError: there are more than the limit.
        """
        data = b""
        while len(data) < size:
            if self._start:
                more, self._start = self._start[: size - len(data)], self._start[size - len(data) :]
            else:
                more = self._source.read(min(size - len(data), CHUNK))
            if not more:
                break
            data = data + more if data else more
        self._hash.update(data)
        self.count += len(data)
        if self._limit and self.count > self._limit:
            raise HostError(
                f"the archive decompresses to more than {self._limit >> 20} MiB, which does not fit here",
                hint="it may be a decompression bomb; otherwise free some space",
            )
        return data

    def drain(self) -> None:
        """Reads to the end."""
        while self.read(CHUNK):
            pass

    def digest(self) -> str:
        """Of what was read, as `<algorithm>:<hex digits>`."""
        return f"{self._hash.name}:{self._hash.hexdigest()}"


class Region:
    """A part of a file, as a reader."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._file, self._at, self._left = file, offset, size

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        self._file.seek(self._at)
        data = self._file.read(min(size, self._left))
        self._at += len(data)
        self._left -= len(data)
        return data


@contextmanager
def decompressed(source: Reader, what: str) -> Iterator[Reader]:
    """The content of a stream that is compressed with gzip, zstd, xz or bzip2, or not at all; told by its start.

    Raises:
        HostUnfit: it is compressed with zstd, which is not installed.
        HostError: it is damaged or cut short; `what` says in the message what is.
    """
    start = b""
    while len(start) < _MAGIC and (more := source.read(_MAGIC - len(start))):
        start += more
    whole = io.BufferedReader(_Joined(start, source), CHUNK)
    with _telling(what):
        match compression(start):
            case "gzip":
                yield gzip.GzipFile(fileobj=whole)
            case "xz":
                yield _Xz(whole)
            case "bzip2":
                yield bz2.BZ2File(whole)
            case "zstd":
                with _zstd(whole, what) as plain:
                    yield plain
            case _:
                yield whole


def compression(start: bytes) -> str:
    """What a stream that begins so is compressed with: `gzip`, `xz`, `bzip2`, `zstd`; empty where it is not."""
    return next((tool for magic, tool in _MAGICS if start.startswith(magic)), "")


@contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise damaged(what, str(error)) from error
    except OSError as error:
        if error.errno is None:  # bz2 says so of a damaged stream
            raise damaged(what, str(error)) from error
        raise


def damaged(what: str, why: str) -> HostError:
    """The error for an archive that cannot be understood."""
    return HostError(f"{what} is damaged or cut short: {why}", hint="fetch or export it again")


class _Joined(io.RawIOBase):
    def __init__(self, start: bytes, source: Reader) -> None:
        super().__init__()
        self._start, self._source = start, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io has it
        if self._start:
            data, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        else:
            data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Xz:
    """lzma.LZMAFile has no limit for memory."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        while True:
            if self._decoder.eof:
                rest = (self._decoder.unused_data or self._source.read(CHUNK)).lstrip(b"\0")
                if not rest:
                    return b""
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
                data = self._decoder.decompress(rest, size)
            else:
                more = self._source.read(CHUNK) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not more:
                    raise EOFError("the compressed stream ends too early")
                data = self._decoder.decompress(more, size)
            if data:
                return data


@contextmanager
def _zstd(source: Reader, what: str) -> Iterator[Reader]:
    try:
        process = subprocess.Popen(
            ("zstd", "-dcq"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise HostUnfit(
            f"zstd is not installed; cannot unpack {what}", hint="apt-get install zstd"
        ) from error
    assert process.stdin is not None
    assert process.stdout is not None
    failures: list[BaseException] = []
    feeder = threading.Thread(target=_feed, args=(source, process.stdin, failures.append), daemon=True)
    feeder.start()
    try:
        yield _Checked(process, what)
    finally:
        process.kill()
        process.stdout.close()
        feeder.join()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    if failures:
        raise failures[0]


def _feed(source: Reader, pipe: IO[bytes], failed: Callable[[BaseException], None]) -> None:
    try:
        with pipe:
            while data := source.read(CHUNK):
                pipe.write(data)
    except BrokenPipeError:
        pass  # zstd's exit code says what happened
    except Exception as error:  # noqa: BLE001 - the main thread raises it
        failed(error)


class _Checked:
    """What zstd writes; at its end its exit code is looked at."""

    def __init__(self, process: "subprocess.Popen[bytes]", what: str) -> None:
        self._process, self._what = process, what

    def read(self, size: int, /) -> bytes:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        data = self._process.stdout.read(size)
        if not data and self._process.wait():
            with suppress(OSError):
                why = self._process.stderr.read(2000).decode(errors="replace").strip()
            raise damaged(self._what, why or "zstd cannot read it")
        return data
