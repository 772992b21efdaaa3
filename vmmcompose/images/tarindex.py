"""What a tar file on the disk holds and where, without reading its content."""

import posixpath
import tarfile
from dataclasses import dataclass
from typing import IO

from vmmcompose.errors import HostError
from vmmcompose.images.streams import Region
from vmmcompose.images.tarread import HEADER_BYTES, understanding

_ENTRIES = 100_000
_LINKS = 8
"""Links in a row; old docker versions save a layer that two images share as a link."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies, or where a link leads."""

    offset: int
    size: int
    link: str = ""


class TarIndex:
    """The files of a tar by name."""

    def __init__(self, file: IO[bytes], what: str) -> None:
        self._file = file
        self._places = _scan(file, what)

    def names(self) -> list[str]:
        """Of files and links."""
        return list(self._places)

    def open(self, name: str) -> Region | None:
        """A file's content; None where there is none of that name."""
        for _ in range(_LINKS):
            place = self._places.get(name)
            if place is None:
                return None
            if not place.link:
                return Region(self._file, place.offset, place.size)
            name = place.link
        return None


def _scan(file: IO[bytes], what: str) -> dict[str, Place]:
    places: dict[str, Place] = {}
    seeking = _Seeking(file)
    with understanding(what):
        archive = tarfile.TarFile(fileobj=seeking, mode="r", encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type] # it only reads
        while member := archive.next():
            archive.members.clear()  # type: ignore[attr-defined] # millions of entries would stay in memory
            seeking.header_bytes = 0
            if len(places) > _ENTRIES:
                raise HostError(f"{what} holds more than {_ENTRIES} files", hint="it is no archive of images")
            name = posixpath.normpath(member.name)
            if member.isreg() and getattr(member, "sparse", None) is None:
                places[name] = Place(member.offset_data, member.size)
            elif member.issym():
                target = posixpath.join(posixpath.dirname(name), member.linkname)
                places[name] = Place(0, 0, posixpath.normpath(target))
            elif member.islnk():
                places[name] = Place(0, 0, posixpath.normpath(member.linkname))
    return places


class _Seeking:
    """The file that tarfile reads: headers get no more than their share of memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.header_bytes = 0

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position, whence)

    def read(self, size: int = -1) -> bytes:
        self.header_bytes += size
        if size < 0 or self.header_bytes > HEADER_BYTES:
            raise tarfile.ReadError(f"headers of more than {HEADER_BYTES} bytes")
        return self._file.read(size)
