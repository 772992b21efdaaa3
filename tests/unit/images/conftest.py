"""A server and a store for the tests of downloads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Files, serving
from pull_lab import Scene
from release_server import set_environment


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with serving(Files()) as files:
        set_environment(files, monkeypatch)
        yield Scene(files, tmp_path)
