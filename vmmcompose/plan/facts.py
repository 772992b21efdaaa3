"""What a plan was made from, fact by fact: kept with a saved plan, to name what has changed on the host since.

Facts only explain. Whether a plan is still the one that was saved is decided by the plan made anew.
"""

from collections.abc import Iterator
from dataclasses import fields
from hashlib import sha256

from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Link, Observed, RuleSet
from vmmcompose.model.paths import tap_name
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import host_name
from vmmcompose.network.addresses import vm_id
from vmmcompose.plan.view import MIB

_RECORDED = ("image", "kernel", "cpus", "memory_mib", "disk_mib", "ip", "driver")


def gather_facts(desired: Desired, observed: Observed, settings: Settings) -> tuple[tuple[str, str], ...]:
    """Names and values, sorted by name; what is not there has no entry."""
    found = dict(_host(observed, settings))
    names = {host_name(desired.project, vm.name): vm.name for vm in desired.vms}
    # A VM without a record has the id it would get: its process and its TAP may be there all the same.
    ids = {vm_id(settings.data_dir, name): vm for name, vm in names.items()}
    for record in observed.records:
        if record.spec.name in names or (desired.project and record.spec.project == desired.project):
            names[record.spec.name] = ids[record.spec.id] = record.spec.vm
            found |= dict(_record(record))
    links = observed.links or {}
    for identity, vm in ids.items():
        tap = links.get(tap_name(identity))
        if tap is not None:
            found[f"vm/{vm}: its TAP {tap.name}"] = _link(tap)
    for process in observed.processes:
        if process.vm_id in ids:
            found[f"vm/{ids[process.vm_id]}: its process"] = f"pid {process.process.pid}"
    for name, vm in names.items():
        disk = observed.disks.get(name)
        if disk is not None:
            of = f" of image {disk.info.image}" if disk.info is not None else ""
            found[f"vm/{vm}: its root disk"] = f"{disk.size_bytes // MIB} MiB{of}"
    found |= {f"volume/{name}": f"{image.size_bytes // MIB} MiB" for name, image in observed.volumes.items()}
    found |= dict(_sources(desired, observed))
    return tuple(sorted(found.items()))


def _host(observed: Observed, settings: Settings) -> Iterator[tuple[str, str]]:
    yield "the host's boot", observed.host.boot_id
    yield "the host's name servers", ", ".join(observed.host.nameservers)
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, str) and value:
            yield f"setting {field.name}", value
    bridge = (observed.links or {}).get(settings.bridge_name)
    if bridge is not None:
        yield f"bridge {bridge.name}", _link(bridge)
    if observed.rules is not None:
        yield "iptables rules of vmm's", _rules(observed.rules)


def _record(record: Record) -> Iterator[tuple[str, str]]:
    spec = record.spec
    yield f"vm/{spec.vm}: its record", " ".join(filter(None, (record.state, record.health)))
    for name in _RECORDED:
        yield f"vm/{spec.vm}: {name.removesuffix('_mib')} in its record", str(getattr(spec, name))


def _link(link: Link) -> str:
    parts = ("up" if link.up else "down", f"on {link.master}" if link.master else "", *link.addresses)
    return " ".join(filter(None, parts))


def _rules(rules: RuleSet) -> str:
    text = "\n".join(f"{rule.table} {rule.chain} {rule.text}" for rule in (*rules.rules, *rules.jumps))
    return f"{len(rules.rules) + len(rules.jumps)} ({sha256(text.encode()).hexdigest()[:8]})"


def _sources(desired: Desired, observed: Observed) -> Iterator[tuple[str, str]]:
    for path, source in observed.sources.items():
        yield path, f"{source.kind} {source.digest[:12]}".rstrip()
    for (path, ignore), digest in observed.filtered.items():
        yield f"{path} without {', '.join(ignore)}", digest[:12] or "unreadable"
    for vm in desired.vms:
        image = observed.images.get(vm.image) or observed.foreign_images.get(vm.image)
        if image is not None:
            yield f"image {vm.image}", image.digest[:12] or f"{image.size_bytes} bytes"
