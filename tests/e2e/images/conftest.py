"""A store built from packages, once for all tests of images."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

import pytest
from bare_guest import missing

from vmmcompose.errors import HostError
from vmmcompose.images import build, kernels
from vmmcompose.model.observed import Image, Kernel
from vmmcompose.model.paths import Paths

T = TypeVar("T")


def unless_offline(make: Callable[[], T]) -> T:
    """What `make` builds from packages; the test is skipped where no mirror can be reached."""
    try:
        return make()
    except HostError as error:
        if "cannot be reached" in error.hint:
            pytest.skip("a reachable package mirror is missing")
        raise


@pytest.fixture(scope="session")
def store() -> Iterator[Paths]:
    """A new data folder, where guests can be built and booted."""
    if missing():
        pytest.skip(missing())
    with tempfile.TemporaryDirectory(prefix="vmm-store-") as folder:
        yield Paths(PurePosixPath(folder) / "data")


@pytest.fixture(scope="session")
def kernel(store: Paths) -> Kernel:
    """The distribution's kernel, imported from its package."""
    return unless_offline(lambda: kernels.import_package(store, print))


@pytest.fixture(scope="session")
def tiny(store: Paths) -> Image:
    """The image tiny, built from packages."""
    return unless_offline(lambda: build.build_tiny(store, print))


@pytest.fixture(scope="session")
def debian(store: Paths) -> Image:
    """The image debian-12, built with mmdebstrap."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is missing")
    return unless_offline(lambda: build.build_debian(store, print))
