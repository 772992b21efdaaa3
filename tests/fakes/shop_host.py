"""A host's files with VMs, images and kernels, and a project's folder, for commands that only read."""

import os
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

from projects import converged, edit, shop

from vmmcompose.host.records import write_record
from vmmcompose.model.desired import Mount
from vmmcompose.model.paths import Paths

ROOT = Path(__file__).parents[2]
MANIFEST = """\
name: shop
vms:
  # those of the shop
  web: {image: tiny}
  db:
    image: tiny
    ports: ["80:80"]

  cache: {image: tiny}
x-more: {other: 1}
"""


def make_shop(tmp_path: Path) -> Path:
    """A project's folder: its `web` and `db`, a single VM and another project's are on the host."""
    paths = Paths(PurePosixPath(tmp_path / "data"))
    mounts = (Mount("site", "/srv/site"), Mount("logs", "/srv/logs"))
    records = converged(edit(shop(), "web", mounts=mounts)).records
    records = {name: replace(record, created="2026-01-02T03:04:05Z") for name, record in records.items()}
    for record in records.values():
        write_record(paths, record)
    solo = records["shop-db"]
    write_record(paths, replace(solo, spec=replace(solo.spec, project="", vm="solo", name="solo")))
    write_record(paths, replace(solo, spec=replace(solo.spec, project="bank", vm="vault", name="bank-vault")))
    Path(str(paths.record("old"))).write_text('{"name": "old", "ip_address": "172.16.0.9"}')
    Path(str(paths.snapshot("shop-web", "before"))).mkdir(parents=True)
    for name in ("tiny", "debian-12"):
        Path(str(paths.image(name))).parent.mkdir(parents=True, exist_ok=True)
        Path(str(paths.image(name))).write_bytes(b"")
    Path(str(paths.kernel("6.1"))).mkdir(parents=True)
    Path(str(paths.kernel("6.1") / "vmlinux")).write_bytes(b"")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "vmm"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m vmmcompose "$@"\n')
    script.chmod(0o755)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "vmm.yaml").write_text(MANIFEST)
    return tmp_path / "shop"


def environ(place: Path, **more: str) -> dict[str, str]:
    """What a shell of a user there has, with `vmm` on its PATH."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VMM_")}
    path = f"{place.parent / 'bin'}:{os.environ['PATH']}"
    mine = {"PATH": path, "PYTHONPATH": str(ROOT), "VMM_DATA_DIR": str(place.parent / "data"), "TERM": "dumb"}
    return {**clean, **mine, "HOME": str(place.parent), **more}
