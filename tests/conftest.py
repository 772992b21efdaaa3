"""Fixtures for everybody: a throw-away network namespace that stands for the host."""

import os
import shutil
from collections.abc import Iterator

import pytest
from namespaces import Namespace


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = "root is missing" if os.geteuid() != 0 else ""
    for item in items:
        if missing and item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """The test runs in an empty network namespace with only `lo`, and so do the commands that it starts."""
    for tool in ("ip", "iptables-restore"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    with Namespace() as namespace, namespace.inside():
        yield namespace
