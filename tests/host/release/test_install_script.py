"""`tools/build-release.sh` and `tools/install.sh` as a user runs them, into a folder of the test's own.

The wheel's dependencies are not fetched: the installed program finds those of the Python that runs the tests.
"""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools"
pytestmark = [
    pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is missing"),
    pytest.mark.skipif(find_spec("ensurepip") is None, reason="ensurepip is missing"),
]


def build(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(TOOLS / "build-release.sh"), "--output", str(output), *arguments]
    venv = {"VIRTUAL_ENV": sys.prefix}
    return subprocess.run(command, env={**os.environ, **venv}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a release holds."""
    output = tmp_path_factory.mktemp("release")
    done = build(output)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture
def address(release: Path) -> Iterator[str]:
    """The same over HTTP."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(release)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def install(prefix: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`install.sh` through a pipe, as `curl … | sh` does."""
    libraries = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(prefix.parent),
        "PYTHON": sys.executable,
        "PYTHONPATH": libraries,
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "VMM_DATA_DIR": str(prefix.parent / "data"),
    }
    with (TOOLS / "install.sh").open() as script:
        return subprocess.run(
            ["sh", "-s", "--", "--prefix", str(prefix), *arguments],
            stdin=script,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            start_new_session=True,  # no terminal to ask at
        )


def wheel(release: Path) -> Path:
    (found,) = release.glob("*.whl")
    return found


def test_the_same_commit_gives_the_same_bytes(release: Path, tmp_path: Path) -> None:
    assert build(tmp_path).returncode == 0
    assert (tmp_path / "SHA256SUMS").read_text() == (release / "SHA256SUMS").read_text()
    for line in (release / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest
    assert "but the package is" in build(tmp_path, "--tag", "v99.0.0").stderr


def test_install_upgrade_and_uninstall(release: Path, address: str, tmp_path: Path) -> None:
    prefix, url = tmp_path / "a place", f"{address}/{wheel(release).name}"
    digest = hashlib.sha256(wheel(release).read_bytes()).hexdigest()
    for source in ((str(wheel(release)),), (url, "--sha256", digest.upper())):
        done = install(prefix, "--from", *source)
        assert done.returncode == 0, done.stderr
        assert f"installed vmm {wheel(release).name.split('-')[1]}: {prefix}/bin/vmm" in done.stderr
    shown = subprocess.run([str(prefix / "bin" / "vmm"), "--version"], capture_output=True, check=True)
    assert shown.stdout.startswith(b"vmm ")
    for script in ("bash-completion/completions/vmm", "zsh/site-functions/_vmm"):
        assert "_VMM_COMPLETE" in (prefix / "share" / script).read_text()
    (prefix / "lib" / "vmm" / "notes").write_text("mine")
    assert install(prefix, "--uninstall", "--yes").returncode == 0
    assert [path for path in prefix.rglob("*") if not path.is_dir()] == [prefix / "lib" / "vmm" / "notes"]
    assert "not installed" in install(prefix, "--uninstall", "--yes").stderr


def test_what_is_fetched_is_checked(release: Path, address: str, tmp_path: Path) -> None:
    url = f"{address}/{wheel(release).name}"
    assert "--sha256 is needed" in install(tmp_path / "p", "--from", url).stderr
    wrong = install(tmp_path / "p", "--from", url, "--sha256", "0" * 64)
    assert (wrong.returncode, "nothing was installed" in wrong.stderr) == (1, True)
    cut = install(tmp_path / "p", "--from", f"{address}/vmmcompose-none.whl", "--sha256", "0" * 64)
    assert "could not be fetched" in cut.stderr
    assert not (tmp_path / "p").exists()


def test_nothing_of_others_is_replaced(release: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "p" / "bin" / "vmm"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("another program")
    assert "is another program" in install(tmp_path / "p", "--from", str(wheel(release))).stderr
    assert install(tmp_path / "p", "--uninstall", "--yes").returncode == 1
    assert theirs.read_text() == "another program"
    home = tmp_path / "q" / "lib" / "vmm"
    home.mkdir(parents=True)
    (home / "x").write_text("mine")
    assert "not made by install.sh" in install(tmp_path / "q", "--from", str(wheel(release))).stderr


@pytest.mark.parametrize("arguments", [("--nonsense",), ("--from",)])
def test_wrong_words_are_told(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert install(tmp_path / "p", *arguments).returncode == 64
