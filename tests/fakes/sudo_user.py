"""A user of the host with a home of their own, and commands run as sudo runs them for that user.

The user stands in a copy of the passwd database that only the command sees: it runs in a mount namespace of its own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

NAME, UID = "ada", 54321
_PROGRAM = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'


class SudoUser:
    """The user `ada`, whose home lies where nobody would guess it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vmm-sudo-"))
        self.root.chmod(0o755)
        self.home = self.root / "homes" / "a"
        self.home.mkdir(parents=True)
        os.chown(self.home, UID, UID)
        self.passwd = self.root / "passwd"
        entry = f"{NAME}:x:{UID}:{UID}:Ada:{self.home}:/bin/sh\n"
        self.passwd.write_text(Path("/etc/passwd").read_text() + entry)

    def __enter__(self) -> Self:
        done = self.run("true")
        if done.returncode != 0:
            self.__exit__()
            pytest.skip(f"no mount namespace here: {done.stderr}")
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root)

    def environ(self, **more: str) -> dict[str, str]:
        """What sudo leaves of an environment, and what it adds."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HOME": "/root",
            "SUDO_USER": NAME,
            "SUDO_UID": str(UID),
            **more,
        }

    def run(
        self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command as root, called by the user through sudo."""
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", _PROGRAM, "sh", str(self.passwd), *command],
            env=self.environ(**(env or {})),
            cwd=cwd or self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def vmm(self, *args: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """`sudo vmm …`."""
        return self.run(sys.executable, "-m", "vmmcompose", *args, cwd=cwd, env=env)

    def python(self, code: str, **env: str) -> str:
        """What a little Python program prints."""
        done = self.run(sys.executable, "-c", code, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        """A file of the user's, in their home."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in (file.parent, *file.parent.parents):
            if folder.is_relative_to(self.home):
                os.chown(folder, UID, UID)
        file.write_text(text)
        file.chmod(mode)
        os.chown(file, UID, UID)
        return file
