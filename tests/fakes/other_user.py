"""Running a little Python as another user of the host."""

import os
import subprocess
import sys

import pytest


def as_nobody(code: str) -> str:
    """What a little Python program prints that runs as another user."""
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
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip("the package may not be read by other users")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
