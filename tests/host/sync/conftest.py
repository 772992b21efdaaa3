"""Both sides of a mount on one machine, with the tools of busybox and those of GNU."""

from pathlib import Path

import pytest
from sync_lab import SHELLS, SyncLab, missing_shell


@pytest.fixture(params=SHELLS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> SyncLab:
    if missing := missing_shell(request.param):
        pytest.skip(missing)
    return SyncLab(tmp_path, request.param)
