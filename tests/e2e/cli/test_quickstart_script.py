"""`tools/quickstart --netns`, with a kernel and an image that are there already."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lab import STORE, missing_for_guests

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.root, pytest.mark.guest, pytest.mark.slow]


def test_from_nothing_to_a_page_and_back(tmp_path: Path) -> None:
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    data = tmp_path / "d"
    data.mkdir()
    (data / "images").symlink_to(Path(STORE) / "images")
    done = subprocess.run(
        [ROOT / "tools" / "quickstart", "--netns"],
        env={**os.environ, "VMM_DATA_DIR": str(data)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello from a microVM" in done.stdout
    assert re.search(r"^Linux web ", done.stdout, re.MULTILINE)
    assert "Nothing to do: project hello" in done.stdout
    assert re.search(r"\d s +vmm up$", done.stdout, re.MULTILINE)
    assert list((data / "vms").iterdir()) == []
    namespaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert "vmm-quick-" not in namespaces
