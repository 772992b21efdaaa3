"""Files from a real server on loopback: whole and right, or not at all, and never twice what is there."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from file_server import Files, serving

from vmmcompose.errors import RemoteError
from vmmcompose.host import stored
from vmmcompose.host.download import Digest, download
from vmmcompose.host.web import CHUNK, read_json, read_page
from vmmcompose.model.paths import Paths

ROOT = Path(__file__).parents[3]
DATA = os.urandom(1 << 20)
RIGHT = Digest("sha256", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setattr("vmmcompose.host.web.time.sleep", lambda _seconds: None)
    with serving(Files({"/image": DATA})) as served:
        yield served


def fetch(files: Files, tmp_path: Path, digest: Digest | None = RIGHT) -> Path:
    target = tmp_path / "image"
    download(f"{files.url}/image", target, tmp_path / "parts", lambda _words: None, digest=digest)
    return target


def whole_chunks(share: float) -> int:
    """What has been written of this share; a broken chunk is not kept."""
    return int(len(DATA) * share) // CHUNK * CHUNK


def leftovers(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "parts").iterdir())


def test_a_file_arrives(files: Files, tmp_path: Path) -> None:
    assert fetch(files, tmp_path).read_bytes() == DATA
    assert leftovers(tmp_path) == []


def test_a_cut_connection_goes_on_where_it_ended(files: Files, tmp_path: Path) -> None:
    files.cut["/image"] = [0.6]
    assert fetch(files, tmp_path).read_bytes() == DATA
    assert files.asked("/image", "Range") == ["", f"bytes={whole_chunks(0.6)}-"]


def test_a_later_command_goes_on_too(files: Files, tmp_path: Path) -> None:
    files.cut["/image"] = [0.2, 0.4, 0.5, 0.6]
    with pytest.raises(RemoteError, match="the connection"):
        fetch(files, tmp_path)
    assert not (tmp_path / "image").exists()
    assert fetch(files, tmp_path).read_bytes() == DATA
    assert files.asked("/image", "Range")[-1] == f"bytes={whole_chunks(0.6)}-"


def test_a_server_without_ranges_begins_anew(files: Files, tmp_path: Path) -> None:
    files.ranges, files.cut["/image"] = False, [0.6]
    assert fetch(files, tmp_path).read_bytes() == DATA


def test_another_file_meanwhile_begins_anew(files: Files, tmp_path: Path) -> None:
    files.cut["/image"] = [0.5] * 4
    with pytest.raises(RemoteError):
        fetch(files, tmp_path)
    other = files.content["/image"] = os.urandom(1 << 19)
    assert fetch(files, tmp_path, Digest("sha256", hashlib.sha256(other).hexdigest())).read_bytes() == other


def test_a_wrong_checksum_leaves_nothing(files: Files, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="wrong sha256"):
        fetch(files, tmp_path, Digest("sha256", "00" * 32))
    assert not (tmp_path / "image").exists()
    assert leftovers(tmp_path) == []


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(files: Files, tmp_path: Path) -> None:
    files.codes["/image"] = [503, 502]
    assert fetch(files, tmp_path).read_bytes() == DATA
    files.requests.clear()
    with pytest.raises(RemoteError, match="404"):
        read_page(f"{files.url}/nothing")
    assert len(files.requests) == 1


def test_a_rate_limit_says_until_when_and_what_helps(files: Files) -> None:
    files.codes["/api"] = [403]
    files.headers["/api"] = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1764000000"}
    with pytest.raises(RemoteError, match="no more requests until") as caught:
        read_json(f"{files.url}/api")
    assert "GITHUB_TOKEN" in caught.value.hint


def test_a_token_stays_with_its_host(files: Files) -> None:
    with serving(Files({"/asset": b"1"})) as other:
        # 127.0.0.1 and localhost are two hosts to a client.
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        files.content["/api"] = b"moved"
        files.codes["/api"] = [302]
        files.headers["/api"] = {"Location": f"{elsewhere}/asset"}
        assert read_page(f"{files.url}/api", token="secret").text == "1"
        assert files.asked("/api", "Authorization") == ["Bearer secret"]
        assert other.asked("/asset", "Authorization") == [""]


def test_an_encrypted_server_does_not_lead_to_a_plain_one(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    subprocess.run([*argv, *subject], capture_output=True, check=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    with serving(Files({"/safe": b"1", "/moved": b""}), certificate=(certificate, key)) as safe:
        assert read_page(f"{safe.url}/safe").text == "1"
        safe.codes["/moved"], safe.headers["/moved"] = [302], {"Location": f"{files.url}/image"}
        with pytest.raises(RemoteError, match="which is not encrypted"):
            read_page(f"{safe.url}/moved")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(RemoteError, match="its certificate is not valid here"):
            read_page(f"{safe.url}/safe")


def test_what_nobody_goes_on_with_is_a_leftover(files: Files, tmp_path: Path) -> None:
    paths = Paths(PurePosixPath(tmp_path))
    files.cut["/image"] = [0.5] * 4
    with pytest.raises(RemoteError):
        download(f"{files.url}/image", tmp_path / "image", paths.downloads(), lambda _words: None)
    parts = sorted(Path(paths.downloads()).iterdir())
    assert stored.leftovers(paths) == ()
    for part in parts:
        os.utime(part, (0, 0))
    assert stored.leftovers(paths) == tuple(map(str, parts))


def test_a_proxy_of_the_environment_is_used(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", files.url)
    monkeypatch.setenv("no_proxy", "")
    download("http://images.example/image", tmp_path / "image", tmp_path / "parts", lambda _words: None)
    assert (tmp_path / "image").read_bytes() == DATA
    assert files.requests[0][0] == "http://images.example/image"


def test_no_server_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmmcompose.host.web.time.sleep", lambda _seconds: None)
    with pytest.raises(RemoteError, match="the connection was refused"):
        read_page("http://127.0.0.1:9/x")
    with pytest.raises(RemoteError, match="did not send JSON"), serving(Files({"/": b"<html>"})) as files:
        read_json(f"{files.url}/")


@pytest.mark.root
def test_a_full_disk_leaves_nothing_that_takes_room(files: Files, tmp_path: Path) -> None:
    code = (
        "import os, sys; from vmmcompose.errors import NoSpace; from vmmcompose.host import download as door\n"
        "door._require_room = door._require_room if sys.argv[2] == 'told' else lambda *_: None\n"
        "try: door.download(sys.argv[1], 'disk/image', 'disk/parts', lambda _words: None)\n"
        "except NoSpace as error: print(error.message, os.listdir('disk'), os.listdir('disk/parts'))"
    )
    for how in ("told", "surprised"):
        script = 'mkdir -p disk && mount -t tmpfs -o size=512k none disk && exec "$@"'
        command = [sys.executable, "-c", code, f"{files.url}/image", how]
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh", *command],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.endswith("['parts'] []\n"), done.stdout + done.stderr
