"""Running a little Python as another user of the host."""

import os
import subprocess
import sys

import pytest


def skip_unless_others_can_run() -> None:
    """Skips where another user may not run this Python or read the package: in root's home, for instance."""
    program = "import encodings.ascii, requests, vmmcompose.host.netlink"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            user=65534,
            group=65534,
            capture_output=True,
            cwd="/",
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
            timeout=60,
        )
    except PermissionError:
        pytest.skip("this Python may not be run by other users")
    if done.returncode != 0:
        pytest.skip("the package may not be read by other users")


def as_nobody(code: str) -> str:
    """What a little Python program prints that runs as another user."""
    skip_unless_others_can_run()
    done = subprocess.run(
        [sys.executable, "-c", code],
        user=65534,
        group=65534,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
