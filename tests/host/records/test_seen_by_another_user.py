"""What a user without root sees of a project that root brought up: everything but the secrets."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from other_user import as_nobody
from projects import converged, edit, shop

from vmmcompose.apply.context import Context
from vmmcompose.apply.mounts import build_mount
from vmmcompose.host.records import write_record
from vmmcompose.model.actions import BuildMount
from vmmcompose.model.desired import Mount
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings

pytestmark = pytest.mark.root

PROGRAM = """
from pathlib import PurePosixPath
from vmmcompose.host import records, stored
from vmmcompose.model.paths import Paths
paths = Paths(PurePosixPath({root!r}))
(record,), unreadable = records.read_records(paths)
print(record.sealed, record.spec.env, unreadable)
print(stored.mount_tags(paths, "shop-web"), stored.read_mount(paths, "shop-web", "site").digest)
for path in (paths.mount("shop-web", "site"), paths.secrets("shop-web")):
    try:
        open(str(path), "rb")
    except PermissionError:
        print("sealed")
"""


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="vmm-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_mounts_are_seen_and_secrets_are_not(root: Path) -> None:
    site = root / "site"
    site.mkdir()
    (site / "index.html").write_text("hello")
    paths = Paths(PurePosixPath(root / "data"))
    mount = Mount("site", str(site), "ro")
    record = converged(edit(shop(), "web", mounts=(mount,), env=(("TOKEN", "s3cret"),))).records["shop-web"]
    write_record(paths, replace(record, created="2026-01-02T03:04:05Z"))
    context = Context(Settings(data_dir=str(paths.root)), paths, HostFacts(), {})
    build_mount(context, BuildMount("shop-web", mount), lambda _words: None)
    seen, mounts, *sealed = as_nobody(PROGRAM.format(root=str(paths.root))).splitlines()
    assert seen == "True () ()"
    assert mounts.startswith("['site'] ")
    assert sealed == ["sealed", "sealed"]
