"""Every choice about a VM, made once: address, MAC, TAP, driver, and the content of the files it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vmmcompose.model.desired import Desired, DesiredVm, Forward, GuestFile, Provision
from vmmcompose.model.observed import HostFacts, Observed
from vmmcompose.model.paths import tap_name
from vmmcompose.model.peers import NOBODY, Peers, peers_of
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec, host_name
from vmmcompose.network.addresses import AddressPool, is_host_address, mac_of, prefix_len, vm_id
from vmmcompose.network.conflicts import exhausted
from vmmcompose.plan.leaving import set_aside


@dataclass(slots=True)
class Specs:
    """What was chosen, by short name, and what could not be."""

    by_vm: dict[str, VmSpec] = field(default_factory=dict)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    peers: Peers = NOBODY
    """The names that all VMs of the project know each other by."""


@dataclass(frozen=True, slots=True)
class _Lease:
    """What a VM is given on the network."""

    ip: str
    peers: Peers


def choose_specs(
    desired: Desired,
    observed: Observed,
    settings: Settings,
    only: frozenset[str],
    records: Mapping[str, Record],
    *,
    register: bool = False,
) -> Specs:
    """The full spec of every VM that is wanted, addresses kept where a record has one.

    `only` limits which VMs may get a first address; `records` are this project's, by short name. With `register`
    VMs that are to stay stopped get one too.
    """
    specs = Specs()
    fresh = {
        vm.name
        for vm in desired.vms
        if (not only or vm.name in only) and (vm.power != "stopped" or register or vm.name in records)
    }
    addresses = _addresses(desired, observed, settings, fresh, records, specs)
    # They may run: they keep their names.
    others = {name: records[name].spec.ip for name in set_aside(desired, records)}
    specs.peers = peers_of({**others, **addresses}.items())
    for vm in desired.vms:
        if vm.name in addresses:
            record = records.get(vm.name)
            problems = specs.problems.setdefault(vm.name, [])
            ip = addresses[vm.name]
            # Single VMs do not know of each other.
            lease = _Lease(ip, specs.peers if desired.project else peers_of([(vm.name, ip)]))
            specs.by_vm[vm.name] = _spec(desired, vm, lease, observed, settings, record, problems)
    return specs


def _addresses(
    desired: Desired,
    observed: Observed,
    settings: Settings,
    fresh: set[str],
    records: Mapping[str, Record],
    specs: Specs,
) -> dict[str, str]:
    ours = {host_name(desired.project, vm.name) for vm in desired.vms}
    taken = {record.spec.ip for record in observed.records if record.spec.name not in ours}
    taken |= {record.ip for record in observed.unreadable if record.ip}
    wanted = [vm for vm in desired.vms if vm.power != "absent"]
    chosen: dict[str, str] = {}
    for vm in wanted:
        record = records.get(vm.name)
        if vm.ip:
            chosen[vm.name] = vm.ip
        elif record and is_host_address(record.spec.ip, settings) and record.spec.ip not in taken:
            chosen[vm.name] = record.spec.ip
    pool = AddressPool(settings, taken | set(chosen.values()))
    for vm in wanted:
        if vm.name in chosen or vm.name not in fresh:
            continue
        address = pool.take()
        if address is None:
            specs.problems[vm.name] = [exhausted(vm.name, settings)]
        else:
            chosen[vm.name] = address
    return chosen


def _spec(
    desired: Desired,
    vm: DesiredVm,
    lease: _Lease,
    observed: Observed,
    settings: Settings,
    record: Record | None,
    problems: list[Problem],
) -> VmSpec:
    name = host_name(desired.project, vm.name)
    identity = record.spec.id if record else vm_id(settings.data_dir, name)
    return VmSpec(
        name=name,
        id=identity,
        project=desired.project,
        vm=vm.name,
        driver=choose_driver(vm, observed.host, settings, record),
        image=vm.image,
        kernel=vm.kernel,
        boot_args=vm.boot_args,
        cpus=vm.cpus,
        memory_mib=vm.memory_mib,
        disk_mib=vm.disk_mib,
        hostname=vm.hostname or vm.name,
        ip=lease.ip,
        prefix_len=prefix_len(settings),
        gateway=settings.gateway,
        mac=mac_of(lease.ip),
        tap=tap_name(identity),
        ssh_keys=_ssh_keys(vm, observed, problems),
        dns=vm.dns,
        resolvers=observed.host.nameservers,
        mounts=vm.mounts,
        ports=vm.ports,
        added_ports=_added_ports(vm, record),
        depends_on=vm.depends_on,
        healthcheck=vm.healthcheck,
        labels=vm.labels,
        env=vm.env,
        files=tuple(_file(vm, entry, observed, problems) for entry in vm.files),
        peers=lease.peers,
        volumes=vm.volumes,
        provision=tuple(_script(vm, script, observed, problems) for script in vm.provision),
        restart=vm.restart,
        stop_grace_s=vm.stop_grace_s,
        prevent_delete=vm.prevent_delete,
        replica_of=vm.replica_of,
        replica=vm.replica,
        max_unavailable=vm.max_unavailable,
    )


def _added_ports(vm: DesiredVm, record: Record | None) -> tuple[Forward, ...]:
    """What was added by hand and is not declared meanwhile."""
    added = vm.added_ports
    if added is None:
        added = record.spec.added_ports if record else ()
    declared = {(port.protocol, port.bind, port.host) for port in vm.ports}
    return tuple(port for port in added if (port.protocol, port.bind, port.host) not in declared)


def choose_driver(vm: DesiredVm, host: HostFacts, settings: Settings, record: Record | None) -> str:
    """The driver named; for `auto` the one the VM had before, firecracker where KVM is usable, else qemu."""
    wish = vm.hypervisor if vm.hypervisor != "auto" else settings.hypervisor
    if wish != "auto":
        return wish
    if record and record.spec.driver in host.binaries:
        return record.spec.driver
    return "firecracker" if "firecracker" in host.binaries and host.kvm_usable else "qemu"


def _ssh_keys(vm: DesiredVm, observed: Observed, problems: list[Problem]) -> tuple[str, ...]:
    keys: list[str] = []
    for entry in vm.ssh_keys:
        if not entry.startswith("/"):
            keys.append(entry)
            continue
        source = observed.sources.get(entry)
        if source is None or source.kind != "file":
            problems.append(
                Problem(
                    "no-such-file",
                    f"VM `{vm.name}`: no SSH key file {entry}",
                    ("vms", vm.name, "ssh_keys"),
                )
            )
            continue
        lines = [line.strip() for line in source.text.splitlines()]
        keys += [line for line in lines if line and not line.startswith("#")]
        if "PRIVATE KEY" in source.text:
            problems.append(
                Problem(
                    "private-key",
                    f"VM `{vm.name}`: {entry} is a private key",
                    ("vms", vm.name, "ssh_keys"),
                    "name the public key, usually the same path with .pub behind it",
                )
            )
    return tuple(dict.fromkeys(keys))


def _file(vm: DesiredVm, entry: GuestFile, observed: Observed, problems: list[Problem]) -> GuestFile:
    if not entry.source:
        return entry
    source = observed.sources.get(entry.source)
    if source is None or source.kind != "file":
        problems.append(
            Problem(
                "no-such-file",
                f"VM `{vm.name}`: cannot read {entry.source} for {entry.path}",
                ("vms", vm.name, "files", entry.path),
                "is it a file of at most 1 MiB that you may read?",
            )
        )
        return entry
    return replace(entry, content=source.text)


def _script(vm: DesiredVm, script: Provision, observed: Observed, problems: list[Problem]) -> Provision:
    """A script with its content, and without its origin: what a record knows of it is enough to run it again."""
    if not script.source:
        return script
    source = observed.sources.get(script.source)
    if source is None or source.kind != "file":
        problems.append(
            Problem(
                "no-such-file",
                f"VM `{vm.name}`: cannot read {script.source} to provision it",
                ("vms", vm.name, "provision", script.name),
                "is it a file of at most 1 MiB that you may read?",
            )
        )
        return script
    return Provision(script.name, source.text)
