"""Which VMs are brought up when the host boots: those that ran when it went down, of what is enabled."""

from collections.abc import Iterable

from vmmcompose.model.autostart import Enabled
from vmmcompose.model.record import Record

_WANTED = ("starting", "running", "paused")
"""What a record says of a VM whose user wanted it to run. A paused one has lost its memory and starts anew."""


def due(record: Record, enabled: Enabled, boot_id: str) -> bool:
    """Whether a VM is to be brought up in this boot.

    A VM whose process was of this boot is not: whatever ended it, the host did not. The host's going down counts as a
    failure, so of the restart policies only `no` keeps a VM down.
    """
    if not enabled.covers(record.spec) or record.spec.restart == "no" or record.state not in _WANTED:
        return False
    return record.process is None or record.process.boot_id != boot_id


def groups(
    records: Iterable[Record], enabled: Enabled, boot_id: str
) -> dict[tuple[str, str], tuple[str, ...]]:
    """What is brought up together, as short names: a project's VMs, or a single VM, by (project, VM)."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        spec = record.spec
        if due(record, enabled, boot_id):
            found.setdefault((spec.project, "" if spec.project else spec.vm), []).append(spec.vm)
    return {key: tuple(sorted(names)) for key, names in sorted(found.items())}
