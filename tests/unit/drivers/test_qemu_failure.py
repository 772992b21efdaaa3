"""What QEMU says when it does not start, in words for people. The lines are QEMU 7.2's own."""

import pytest

from vmmcompose.drivers.qemu.driver import QemuDriver
from vmmcompose.drivers.qemu.failure import hint_for, last_words
from vmmcompose.model.desired import Mount
from vmmcompose.model.observed import HostFacts

LINES = {
    'qemu-system-x86_64: -device virtio-blk-pci,drive=disk0: Failed to get "write" lock': "disk",
    "qemu-system-x86_64: -netdev tap,id=net0,ifname=vmm-x: could not configure /dev/net/tun (vmm-x): "
    "Device or resource busy": "holds the VM's TAP",
    "qemu-system-x86_64: -netdev tap,id=n: could not open /dev/net/tun: No such file or directory": "modprobe tun",
    "Could not access KVM kernel module: Permission denied": "/dev/kvm",
    "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory": "lower `memory`",
    "qemu-system-x86_64: Error loading uncompressed kernel without PVH ELF Note": "CONFIG_PVH",
    "qemu: invalid kernel header": "import it again",
    "qemu-system-x86_64: -qmp unix:/x: UNIX socket path '/x' is too long": "shorter data_dir",
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_known_failure_has_a_hint(line: str) -> None:
    assert LINES[line] in hint_for(last_words([line]))


def test_an_unknown_failure_has_none() -> None:
    assert hint_for("qemu is in a bad mood") == ""


def test_only_the_cause_is_told() -> None:
    lines = [
        "qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID.01H:ECX.x2apic",
        "qemu-system-x86_64: -drive id=disk0,file.filename=/d/a:b,read-only=off: Could not open '/d/a:b': No such file",
        "Is another process using the image [/d/a:b]?",
    ]
    assert (
        last_words(lines)
        == "Could not open '/d/a:b': No such file; Is another process using the image [/d/a:b]?"
    )


def test_limits_are_told_all_at_once() -> None:
    from driver_case import make_spec

    mounts = tuple(Mount(f"t{number}", "/x") for number in range(22))
    spec = make_spec("qemu", cpus=33, memory_mib=95, mounts=mounts, boot_args="x" * 2048)
    problems = QemuDriver().check(spec, HostFacts())
    assert [problem.at for problem in problems] == [
        ("vms", "0123", key) for key in ("cpus", "memory", "mounts", "boot_args")
    ]
    assert (
        QemuDriver().check(make_spec("qemu", cpus=32, memory_mib=96, mounts=mounts[:21]), HostFacts()) == []
    )
