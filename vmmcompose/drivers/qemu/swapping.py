"""Another file for a drive of a running QEMU.

A drive is a node of format `raw` that the device keeps, above a node for its file, which `blockdev-reopen` exchanges
(QEMU 6.1 and newer, qapi/block-core.json). The guest hears of a new size through `block_resize`, which a read-only
node refuses: so it is writable for that moment. Nothing is written: the size is the one it has.
"""

import os
from typing import Any

from vmmcompose.drivers.qemu.argv import drive_node
from vmmcompose.drivers.qemu.qmp import Qmp, QmpError
from vmmcompose.errors import DriverError
from vmmcompose.model.paths import Paths

_LIMIT_S = 10.0
_UNKNOWN = "was started by another version of vmm, whose drives stay what they are"


def swap_file(paths: Paths, vm_id: str, number: int, path: str) -> None:
    """Exchanges the file of a running VM's read-only drive `number`, of which 0 is the root disk.

    Raises:
        DriverError: refused, or no answer. The drive has its old file then, unless the guest could not be told of the
            new size: as the host counts it as old all the same, it is exchanged once more by the next run.
    """
    try:
        with Qmp(str(paths.socket(vm_id)), _LIMIT_S) as qmp:
            _swap(qmp, number, path)
    except (OSError, QmpError) as error:
        message = f"VM {vm_id}: qemu does not take {path} for drive {number}: {error}"
        raise DriverError(message, hint="a restart of the VM attaches it: vmm restart") from error


def _swap(qmp: Qmp, number: int, path: str) -> None:
    node, size = drive_node(number), os.stat(path).st_size
    nodes = {one["node-name"] for one in qmp.execute("query-named-block-nodes")}
    if node not in nodes:
        raise QmpError(f"this VM {_UNKNOWN}: there is no drive {node}")
    files = sorted(name for name in nodes if name.startswith(f"{node}-file"))
    fresh = next(name for name in (f"{node}-file{turn}" for turn in range(2)) if name not in files)
    file = {"driver": "file", "node-name": fresh, "filename": path, "locking": "on"}
    qmp.execute("blockdev-add", **file, **{"read-only": False})
    try:
        qmp.execute("blockdev-reopen", options=[_raw(node, fresh, read_only=False)])
    except QmpError:
        qmp.execute("blockdev-del", **{"node-name": fresh})
        raise
    qmp.execute("block_resize", **{"node-name": node, "size": size})
    qmp.execute("blockdev-reopen", options=[_raw(node, fresh, read_only=True), {**file, "read-only": True}])
    for name in files:  # that of the command line went with its last user
        qmp.execute("blockdev-del", **{"node-name": name})


def _raw(node: str, file: str, *, read_only: bool) -> dict[str, Any]:
    return {
        "driver": "raw",
        "node-name": node,
        "file": file,
        "read-only": read_only,
        "discard": "unmap",
        "cache": {"direct": False, "no-flush": False},
    }
