"""Ubuntu's key from a mirror nobody vouches for: it is the right one, or nothing is unpacked."""

import gzip
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Files, serving

from vmmcompose.cli.image.building import RECIPES
from vmmcompose.errors import HostError, UsageError
from vmmcompose.images import build, openpgp, ubuntu

LIST = "/dists/noble/main/binary-amd64/Packages.gz"
POOL = "/pool/main/u/ubuntu-keyring/ubuntu-keyring_1_all.deb"


def packet(tag: int, body: bytes, *, new: bool = False) -> bytes:
    if not new:
        return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body
    if len(body) < 192:
        return bytes([0xC0 | tag, len(body)]) + body
    size = len(body) - 192
    return bytes([0xC0 | tag, (size >> 8) + 192, size & 0xFF]) + body


def fingerprint(key: bytes) -> str:
    return hashlib.sha1(b"\x99" + len(key).to_bytes(2, "big") + key, usedforsecurity=False).hexdigest()


ONE, TWO = b"\4first key" * 60, b"\4second key"
FIRST = packet(6, ONE) + packet(13, b"Ada") + packet(2, b"signature" * 99)
SECOND = packet(6, TWO, new=True) + packet(13, b"Bob", new=True) + packet(2, b"s" * 300, new=True)


@pytest.mark.parametrize(("key", "whole"), [(ONE, FIRST), (TWO, SECOND)])
def test_one_certificate_is_taken_from_a_keyring(key: bytes, whole: bytes) -> None:
    assert openpgp.certificate(FIRST + SECOND, fingerprint(key).upper()) == whole
    assert openpgp.certificate(SECOND + FIRST, fingerprint(key)) == whole


def test_another_key_is_not_taken() -> None:
    assert openpgp.certificate(FIRST + SECOND, fingerprint(b"\4third")) == b""


@pytest.mark.parametrize(
    "keyring", [b"", b"\x99", b"\x99\xff\xff", b"\xc6\xff", b"\xc6\xe0" * 9, b"text " * 9, FIRST[:100]]
)
def test_a_keyring_that_makes_no_sense_holds_nothing(keyring: bytes) -> None:
    assert openpgp.certificate(keyring, fingerprint(ONE)) == b""


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Files]:
    """A mirror whose package ubuntu-keyring holds our keys."""
    monkeypatch.setattr("vmmcompose.host.web.time.sleep", lambda _seconds: None)
    monkeypatch.setattr(ubuntu, "_KEYRING", Path("/usr/share/keyrings/ubuntu-of-a-test.gpg"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    folder = tmp_path / "package"
    (folder / "usr/share/keyrings").mkdir(parents=True)
    (folder / "usr/share/keyrings/ubuntu-of-a-test.gpg").write_bytes(FIRST + SECOND)
    (folder / "DEBIAN").mkdir()
    (folder / "DEBIAN/control").write_text(
        "Package: ubuntu-keyring\nVersion: 1\nArchitecture: all\nMaintainer: a test\nDescription: keys\n"
    )
    subprocess.run(["dpkg-deb", "-b", folder, tmp_path / "keyring.deb"], check=True, capture_output=True)
    entry = f"Package: ubuntu-keyring\nVersion: 1\nFilename: {POOL[1:]}\n"
    index = gzip.compress(f"Package: other\nFilename: wrong\n\n{entry}\n".encode())
    with serving(Files({LIST: index, POOL: (tmp_path / "keyring.deb").read_bytes()})) as served:
        yield served


def fetch(files: Files, tmp_path: Path) -> bytes:
    (tmp_path / "work").mkdir()
    return ubuntu._fetch_key(files.url, tmp_path / "work", lambda _words: None).read_bytes()


def test_the_key_is_the_one_with_the_fingerprint(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ubuntu, "_FINGERPRINT", fingerprint(TWO).upper())
    assert fetch(files, tmp_path) == SECOND, "and no other key of the package"


def test_a_mirror_with_other_keys_is_refused(files: Files, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"keys that .* gave are not Ubuntu's") as caught:
        fetch(files, tmp_path)
    assert "VMM_UBUNTU_MIRROR" in caught.value.hint


@pytest.mark.parametrize(
    ("index", "words"),
    [(b"no gzip", "cannot be read"), (gzip.compress(b"Package: other\n"), "names no ubuntu-keyring")],
)
def test_a_list_that_makes_no_sense_is_refused(
    files: Files, tmp_path: Path, index: bytes, words: str
) -> None:
    files.content[LIST] = index
    with pytest.raises(HostError, match=words):
        fetch(files, tmp_path)


def test_a_mirror_that_has_nothing_is_named(files: Files, tmp_path: Path) -> None:
    files.content.clear()
    with pytest.raises(HostError, match="cannot fetch Ubuntu's archive key") as caught:
        fetch(files, tmp_path)
    assert files.url in caught.value.hint


def test_the_variable_names_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ubuntu.MIRROR_VARIABLE, "http://mirror.example/ubuntu/")
    assert ubuntu.mirror() == "http://mirror.example/ubuntu"
    monkeypatch.setenv(ubuntu.MIRROR_VARIABLE, "")
    assert ubuntu.mirror().endswith(("/ubuntu", "/ubuntu-ports"))
    for wrong in ("mirror.example", "file:///etc", "http://a b"):
        monkeypatch.setenv(ubuntu.MIRROR_VARIABLE, wrong)
        with pytest.raises(UsageError, match="VMM_UBUNTU_MIRROR is no address"):
            ubuntu.mirror()


def test_each_recipe_can_be_asked_for() -> None:
    assert tuple(build.RECIPES) == RECIPES
