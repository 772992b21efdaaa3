"""What the user asked of one run, beside the manifest."""

from dataclasses import dataclass

from vmmcompose.model.snapshot import Restore


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of one `up`, `down`, `start`, …; the planner and the executor read them."""

    only: tuple[str, ...] = ()
    """Short names to act on, their dependencies included; empty means all. That of a VM with replicas, beside the
    replicas' own, means those too many as well."""
    recreate: bool = False
    """Replace root disks although nothing asks for it."""
    rebuild: bool = False
    """The same as a rule of `watch` asks for it, which is the consent to lose those disks, and nothing else."""
    remove_orphans: bool = False
    """Delete VMs of this project that the manifest no longer names."""
    remove_surplus: bool = False
    """Delete replicas beyond the number that there are to be: of all VMs with replicas, or of those in `only`."""
    keep_disks: bool = False
    """When deleting a VM keep its record, address and disk."""
    wait: bool = True
    """Wait until each VM answers. Dependencies on `healthy` wait in any case."""
    provision: bool = True
    """Run the provision scripts that a VM's disk has not seen. Commands for something else leave them alone."""
    timeout_s: float | None = None
    """How long one VM may take until it answers; None means its healthcheck's timeout, or 120 s without one."""
    wait_timeout_s: float | None = None
    """How long all waiting of the run may take together; None means no limit beyond each VM's own."""
    grace_s: float | None = None
    """How long a guest may take to shut down before its process is ended; None means each VM's own time."""
    delete_volumes: bool = False
    """Delete the project's volumes as well."""
    volumes: tuple[str, ...] = ()
    """Volumes that are deleted, each by its name."""
    alone: bool = False
    """Leave alone what the chosen VMs depend on."""
    register: bool = False
    """VMs that are to stay stopped get a record and an address, or what is new of them into the record they have."""
    fresh: bool = False
    """Refuse VMs that are there already."""
    adopt: tuple[str, ...] = ()
    """Names of records of baremetalvmm that become ours: they are not in the way."""
    rebuild_mounts: tuple[str, ...] = ()
    """Tags of mounts of the chosen VMs whose images are made anew although nothing asks for it."""
    restore: Restore | None = None
    """The snapshot that the one chosen VM goes back to."""
    restart: bool = False
    """Stop and start the chosen VMs although nothing asks for it."""
    contents: bool = True
    """Look into mounted directories; otherwise they count as unchanged."""
