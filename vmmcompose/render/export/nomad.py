"""To a Nomad job: a group for each VM, or for replicas that are alike.

A VM with `hypervisor: firecracker` gets the community driver `firecracker-task-driver` (its README names the options),
any other the driver `qemu` that Nomad has itself. That one forwards ports with `port_map` for networks of tasks only,
which are deprecated (hashicorp/nomad issue 10033), so the network device is given in `args` here.
"""

from collections.abc import Iterable

from vmmcompose.guest import volume_label
from vmmcompose.model.desired import Desired, DesiredVm, Healthcheck
from vmmcompose.model.problem import Problem
from vmmcompose.render.export.hcltext import Attribute, Block, Template, Word, text_of
from vmmcompose.render.export.nomadports import Port, ports_of, service_blocks
from vmmcompose.render.export.services import Service, services
from vmmcompose.render.export.values import (
    Export,
    File,
    Installation,
    Loss,
    Target,
    file_name,
    inactive_notes,
    losses,
    note,
    seconds,
    volume_note,
)

LEAST_MIB = 128
"""The driver `qemu` refuses less."""
_STORE = "store"
LOST = {
    "image": Loss(
        "Nomad's clients fetch the image's file from a server",
        "put /var/lib/vmm/images/rootfs/<image>.ext4 there and set the job's variable `store`",
    ),
    "disk_mib": Loss("the disk is as big as the image's file", "grow the file before you publish it"),
    "ssh_keys": Loss(
        "neither driver writes into the guest", "publish an image that has them: `vmm image snapshot`"
    ),
    "hostname": Loss(
        "neither driver writes into the guest", "publish an image that has it: `vmm image snapshot`"
    ),
    "env": Loss("neither driver writes into the guest", "publish an image that has it: `vmm image snapshot`"),
    "files": Loss(
        "neither driver writes into the guest", "publish an image that has them: `vmm image snapshot`"
    ),
    "provision": Loss(
        "neither driver runs anything in the guest", "publish a provisioned image: `vmm image snapshot`"
    ),
    "mounts": Loss(
        "neither driver takes folders into the guest", "put the files into the image, or fetch them there"
    ),
    "ip": Loss("Nomad's services tell where a VM is"),
    "depends_on": Loss("Nomad starts groups at once", "let the guest wait for the service"),
    "prevent_delete": Loss("Nomad has nothing like it"),
    "watch": Loss("its rules are for `vmm watch`"),
}


def _write(desired: Desired, _installation: Installation) -> Export:
    notes: list[Problem] = []
    groups = [_group(desired.project, service, notes) for service in services(desired.vms)]
    job = Block(
        "job",
        (desired.project,),
        (Attribute("datacenters", Word("var.datacenters")), Attribute("type", "service"), *groups),
    )
    why = Loss("its size is that of the file you put on Nomad's client")
    notes += [volume_note(volume.name, "size", why) for volume in desired.volumes]
    notes += inactive_notes(desired)
    text = text_of([*_variables(volumes=bool(desired.volumes)), job])
    return Export((File(f"{desired.project}.nomad.hcl", text),), tuple(dict.fromkeys(notes)))


def _variables(*, volumes: bool) -> Iterable[Block]:
    yield _variable("datacenters", Word("list(string)"), ["dc1"], "Where the VMs may run.")
    what = "Server that has images/rootfs/ and images/kernels/ of vmm's data folder."
    yield _variable(_STORE, Word("string"), "https://store.example.com", what)
    if volumes:
        what = "Folder of the client that has the project's volumes."
        yield _variable("volumes", Word("string"), "/var/lib/vmm/volumes", what)


def _variable(name: str, kind: Word, default: object, description: str) -> Block:
    parts = (Attribute("type", kind), Attribute("default", default), Attribute("description", description))
    return Block("variable", (name,), parts)


def _group(project: str, service: Service, notes: list[Problem]) -> Block:
    vm = service.vm
    firecracker = vm.hypervisor == "firecracker"
    notes += losses(vm, LOST)
    ports = () if firecracker else ports_of(service, notes)
    if firecracker:
        notes += _firecracker_notes(vm)
    body: list[Attribute | Block] = [Attribute("count", service.count)]
    if ports:
        body.append(Block("network", (), tuple(_port(port) for port in ports)))
    body += _policies(vm, service.count)
    if not firecracker:
        body += service_blocks(project, service, ports, notes)
    task = _firecracker(project, vm) if firecracker else _qemu(project, vm, ports, notes)
    return Block("group", (service.name,), (*body, _task(service.name, vm, task, notes)))


def _port(port: Port) -> Block:
    static = (Attribute("static", port.host),) if port.host else ()
    return Block("port", (port.label,), static)


def _policies(vm: DesiredVm, count: int) -> Iterable[Block]:
    if vm.restart == "no":
        yield Block("restart", (), (Attribute("attempts", 0), Attribute("mode", "fail")))
        yield Block("reschedule", (), (Attribute("attempts", 0), Attribute("unlimited", value=False)))
    else:
        parts = (Attribute("attempts", 3), Attribute("interval", "5m"), Attribute("delay", "15s"))
        yield Block("restart", (), (*parts, Attribute("mode", "delay")))
    if count > 1:
        yield Block("update", (), (Attribute("max_parallel", min(vm.max_unavailable, count)),))


def _task(name: str, vm: DesiredVm, config: Block, notes: list[Problem]) -> Block:
    firecracker = vm.hypervisor == "firecracker"
    memory = vm.memory_mib if firecracker else max(vm.memory_mib, LEAST_MIB)
    if memory != vm.memory_mib:
        notes.append(
            note(vm, "memory", Loss(f"the driver takes no less than {LEAST_MIB} MiB, which it gets"))
        )
    image, kernel = file_name(vm.image), file_name(vm.kernel)
    # The plugin finds both in the task's folder by these names; paths it takes literally.
    folder, form = ("", "vmlinux") if firecracker else ("local/", "bzImage")
    body: list[Attribute | Block] = [
        Attribute("driver", "firecracker-task-driver" if firecracker else "qemu"),
        Attribute("kill_timeout", seconds(vm.stop_grace_s)),
        _artifact(f"/images/rootfs/{image}.ext4", f"{folder}rootfs.ext4"),
        _artifact(f"/images/kernels/{kernel}/{form}", f"{folder}{form}"),
        config,
        Block("resources", (), (Attribute("cores", vm.cpus), Attribute("memory", memory))),
    ]
    if vm.labels:
        body.insert(2, Attribute("meta", dict(vm.labels)))
    return Block("task", (name,), tuple(body))


def _artifact(path: str, destination: str) -> Block:
    source = Template((Word(f"var.{_STORE}"), path))
    parts = (Attribute("source", source), Attribute("destination", destination), Attribute("mode", "file"))
    return Block("artifact", (), parts)


def _qemu(project: str, vm: DesiredVm, ports: tuple[Port, ...], notes: list[Problem]) -> Block:
    device = ["user,id=vmm"]
    pieces: list[str | Word] = [*device]
    if vm.dns:
        pieces.append(f",dns={vm.dns[0]}")
        why = Loss("QEMU's own network passes one name server on")
        notes += [note(vm, "dns", why, unused) for unused in vm.dns[1:]]
    for port in ports:
        pieces += [
            f",hostfwd={port.protocol}:{port.bind}:",
            Word(f"NOMAD_HOST_PORT_{port.label}"),
            f"-:{port.guest}",
        ]
    args: list[object] = ["-netdev", Template(tuple(pieces)), "-device", "virtio-net-pci,netdev=vmm"]
    args += ["-kernel", "local/bzImage", "-append", " ".join(_command_line(vm))]
    for attachment in vm.volumes:
        mode = ",readonly=on" if attachment.mode == "ro" else ""
        drive = (Word("var.volumes"), f"/{project}/{attachment.volume}.ext4,format=raw,if=virtio{mode}")
        args += ["-drive", Template(("file=", *drive))]
    notes += _volume_notes(vm)
    initrd = Loss(
        "a kernel that needs an initrd needs it in `args` as well", "-initrd, and an artifact for it"
    )
    notes.append(note(vm, "kernel", initrd))
    parts = (
        Attribute("image_path", "local/rootfs.ext4"),
        Attribute("drive_interface", "virtio"),
        Attribute("accelerator", "kvm"),
        Attribute("graceful_shutdown", value=True),
        Attribute("args", args),
    )
    return Block("config", (), parts)


def _command_line(vm: DesiredVm) -> list[str]:
    return ["root=/dev/vda", "rw", "console=ttyS0", *([vm.boot_args] if vm.boot_args else [])]


def _firecracker(project: str, vm: DesiredVm) -> Block:
    parts = [
        Attribute("Network", "default"),
        Attribute("Vcpus", vm.cpus),
        Attribute("Mem", vm.memory_mib),
    ]
    if vm.boot_args:
        parts.append(Attribute("BootOptions", vm.boot_args))
    disks: list[object] = [
        Template((Word("var.volumes"), f"/{project}/{a.volume}.ext4:{a.mode}")) for a in vm.volumes
    ]
    if disks:
        parts.append(Attribute("Disks", disks))
    return Block("config", (), tuple(parts))


def _firecracker_notes(vm: DesiredVm) -> Iterable[Problem]:
    yield note(
        vm,
        "hypervisor",
        Loss(
            "the driver is a plugin that its author knows to work with Firecracker 0.25.2",
            "without the key the job uses QEMU, whose driver is part of Nomad",
        ),
    )
    yield from (
        note(
            vm,
            "ports",
            Loss("the driver forwards none", "the CNI network `default` can: `portmap`"),
            port.entry,
        )
        for port in vm.ports
    )
    if vm.healthcheck is not None:
        yield note(
            vm,
            "healthcheck",
            Loss("Nomad does not learn the address that CNI gave the VM"),
            _kind(vm.healthcheck),
        )
    if vm.dns:
        yield note(vm, "dns", Loss("the CNI network gives name servers"))
    yield from _volume_notes(vm)


def _volume_notes(vm: DesiredVm) -> Iterable[Problem]:
    for attachment in vm.volumes:
        why = Loss(
            f"its file has to be on the client, and the guest to mount it at {attachment.target} itself",
            f"`LABEL={volume_label(attachment.volume)}` finds it in /etc/fstab",
        )
        yield note(vm, "volumes", why, attachment.volume)


def _kind(check: Healthcheck) -> str:
    return "command" if check.command else "tcp" if check.tcp is not None else "http"


TARGET = Target(
    _write,
    frozenset({"cpus", "boot_args", "labels", "restart", "stop_grace_s", "max_unavailable"}),
    frozenset({"kernel", "memory_mib", "hypervisor", "dns", "ports", "healthcheck", "volumes", "profiles"}),
    LOST,
)
