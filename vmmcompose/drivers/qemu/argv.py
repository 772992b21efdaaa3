"""QEMU's command line for a VM. Pure: the same launch always gives the same arguments.

Under KVM the machine is `microvm` with virtio over MMIO. Under emulation (tcg) it is `q35` with virtio over
PCI, because microvm without a hardware clock to calibrate against hangs early in some boots. Most arguments
are lists of options divided by commas, in which a comma within a value is doubled.
"""

from vmmcompose.drivers.base import Launch
from vmmcompose.guest import command_line
from vmmcompose.model.capabilities import Capabilities
from vmmcompose.model.spec import VmSpec

_TRANSPORTS = 24
"""Of virtio-mmio on microvm; root disk, network and entropy take three."""
CAPABILITIES = Capabilities(
    driver="qemu",
    kernel_forms=("bzimage", "vmlinux"),
    max_cpus=32,
    max_mounts=_TRANSPORTS - 3,
    max_command_line=2047,
    # The firmware cannot unpack a distribution's kernel and initrd into less.
    min_memory_mib=96,
    pause=True,
    swap_drive=True,
)
_BASE = "console=ttyS0 reboot=t panic=-1 random.trust_cpu=on"
"""reboot=t: a triple fault ends the VMM at once on both machines (docs/system/i386/microvm.rst)."""
_BASE_TCG = f"{_BASE} no_timer_check"
_COMM_LIMIT = 15
"""Bytes of a process name (prctl PR_SET_NAME)."""


def qemu_argv(launch: Launch) -> tuple[str, ...]:
    """The whole argv, the program first.

    Raises:
        ValueError: the control socket's path is too long.
    """
    spec, paths = launch.spec, launch.paths
    return (
        launch.binary,
        *("-name", f"vmm-{spec.id},process={_value(process_name(spec.name))}"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *_machine(launch),
        *("-m", f"{spec.memory_mib}M", "-smp", str(spec.cpus)),
        *_kernel(launch),
        *("-chardev", f"file,id=console,path={_value(paths.console(spec.name))},append=on"),
        *("-serial", "chardev:console"),
        *("-qmp", f"unix:{_value(paths.socket(spec.id))},server=on,wait=off"),
        *_disks(launch),
        *("-netdev", f"tap,id=net0,ifname={_value(spec.tap)},script=no,downscript=no,vhost=off"),
        *_device(launch, len(disk_paths(launch)), "virtio-net", f"netdev=net0,mac={spec.mac}"),
        *("-object", "rng-random,id=rng0,filename=/dev/urandom"),
        *_device(launch, len(disk_paths(launch)) + 1, "virtio-rng", "rng=rng0"),
    )


def kernel_path(launch: Launch) -> str:
    """The kernel file to boot, of the forms there are; empty when there is none."""
    return launch.kernel.bzimage or launch.kernel.vmlinux


def disk_paths(launch: Launch) -> tuple[str, ...]:
    """The root disk, which must be the guest's first, then mounts and volumes in their order."""
    spec, paths = launch.spec, launch.paths
    mounts = (paths.mount(spec.name, mount.tag) for mount in spec.mounts)
    volumes = (paths.volume(spec.project, volume.volume) for volume in spec.volumes)
    return tuple(map(str, (paths.disk(spec.name), *mounts, *volumes)))


def drive_node(number: int) -> str:
    """What QEMU calls a drive where it is given another file; 0 is the root disk."""
    return f"drive{number}"


def command_line_length(spec: VmSpec, *, kvm: bool) -> int:
    """Bytes of the kernel command line. QEMU adds none: virtio-mmio devices are found through ACPI."""
    return len(_command_line(spec, kvm=kvm).encode())


def process_name(name: str) -> str:
    """What `top` shows for a VM."""
    return f"vmm-{name}"[:_COMM_LIMIT]


def _machine(launch: Launch) -> tuple[str, ...]:
    if launch.kvm:
        # The keyboard controller carries Ctrl+Alt+Del, by which a guest is asked to shut down.
        return ("-machine", "microvm,rtc=on", "-accel", "kvm", "-cpu", "host", "-device", "i8042")
    machine = "q35,sata=off,smbus=off,vmport=off,usb=off"
    return ("-machine", machine, "-accel", "tcg,thread=multi", "-cpu", "max")


def _kernel(launch: Launch) -> tuple[str, ...]:
    initrd = ("-initrd", launch.kernel.initrd) if launch.kernel.initrd else ()
    append = _command_line(launch.spec, kvm=launch.kvm)
    return ("-kernel", kernel_path(launch), *initrd, "-append", append)


def _command_line(spec: VmSpec, *, kvm: bool) -> str:
    return command_line(spec, _BASE if kvm else _BASE_TCG)


def _disks(launch: Launch) -> tuple[str, ...]:
    spec = launch.spec
    modes = [mount.mode for mount in spec.mounts] + [volume.mode for volume in spec.volumes]
    read_only = (False, *(mode == "ro" for mode in modes))
    argv: tuple[str, ...] = ()
    for number, path in enumerate(disk_paths(launch)):
        argv += _disk(launch, number, path, read_only=read_only[number])
    return argv


def _disk(launch: Launch, number: int, path: str, *, read_only: bool) -> tuple[str, ...]:
    """A disk and its device; the lock keeps two VMMs from writing one image."""
    drive = (
        f"id=disk{number},node-name={drive_node(number)},if=none,format=raw,file.driver=file,file.filename={_value(path)},file.locking=on,"
        f"cache=writeback,discard=unmap,read-only={'on' if read_only else 'off'}"
    )
    return ("-drive", drive, *_device(launch, number, "virtio-blk", f"drive=disk{number}"))


def _device(launch: Launch, number: int, kind: str, options: str) -> tuple[str, ...]:
    """A virtio device at its own place, so that the guest finds devices in this order whatever else there is.

    Linux finds microvm's transports from the last to the first. On PCI, where it goes upwards, eight devices
    share a slot: q35 has 30 slots to give away.
    """
    if launch.kvm:
        return ("-device", f"{kind}-device,{options},bus=virtio-mmio-bus.{_TRANSPORTS - 1 - number}")
    slot, function = 1 + number // 8, number % 8
    multi = ",multifunction=on" if function == 0 else ""
    rom = ",romfile=" if kind == "virtio-net" else ""  # no network boot, and no time lost in its option ROM
    return ("-device", f"{kind}-pci,{options},bus=pcie.0,addr={slot:#x}.{function}{multi}{rom}")


def _value(text: object) -> str:
    return str(text).replace(",", ",,")
