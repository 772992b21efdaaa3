"""QEMU's arguments for a VM."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from driver_case import VM_ID, make_spec

from vmmcompose.drivers.base import Launch
from vmmcompose.drivers.qemu.argv import CAPABILITIES, command_line_length, qemu_argv
from vmmcompose.model.desired import Attachment, Mount
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths

KERNEL = Kernel("default", bzimage="/k/bzImage", vmlinux="/k/vmlinux", initrd="/k/initrd")


def launch(*, kvm: bool = False, root: str = "/d", kernel: Kernel = KERNEL, **changes: object) -> Launch:
    return Launch(make_spec("qemu", VM_ID, **changes), Paths(PurePosixPath(root)), kernel, "/bin/qemu", kvm)


def value(argv: tuple[str, ...], option: str) -> str:
    assert argv.count(option) == 1, argv
    return argv[argv.index(option) + 1]


def values(argv: tuple[str, ...], option: str) -> list[str]:
    return [argv[place + 1] for place, word in enumerate(argv) if word == option]


def test_emulation_takes_q35_and_kvm_takes_microvm() -> None:
    emulated, native = qemu_argv(launch()), qemu_argv(launch(kvm=True))
    assert value(emulated, "-machine").startswith("q35,")
    assert (value(emulated, "-accel"), value(emulated, "-cpu")) == ("tcg,thread=multi", "max")
    assert value(native, "-machine").startswith("microvm,")
    assert (value(native, "-accel"), value(native, "-cpu")) == ("kvm", "host")
    assert "i8042" in values(native, "-device"), "Ctrl+Alt+Del needs the keyboard controller"


@pytest.mark.parametrize("kvm", [False, True])
def test_a_guest_is_closed_off_and_found_again_by_its_id(kvm: bool) -> None:
    argv = qemu_argv(launch(kvm=kvm, cpus=3, memory_mib=777))
    assert argv[0] == "/bin/qemu"
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(argv)
    assert value(argv, "-display") == "none"
    assert value(argv, "-name").startswith(f"vmm-{VM_ID},")
    assert value(argv, "-qmp") == f"unix:/d/sockets/{VM_ID}.sock,server=on,wait=off"
    assert (value(argv, "-m"), value(argv, "-smp")) == ("777M", "3")
    assert value(argv, "-serial") == "chardev:console"


@pytest.mark.parametrize("kvm", [False, True])
def test_disks_come_in_order_with_locks_and_modes(kvm: bool) -> None:
    mounts = (Mount("zeta", "/x", "ro"), Mount("alpha", "/y", "rw"))
    drives = values(qemu_argv(launch(kvm=kvm, mounts=mounts)), "-drive")
    names = [drive.split("file.filename=")[1].split(",")[0] for drive in drives]
    assert names == [
        "/d/vms/shop-0123/root.ext4",
        "/d/mounts/shop-0123/zeta.ext4",
        "/d/mounts/shop-0123/alpha.ext4",
    ]
    assert [drive.rpartition("read-only=")[2] for drive in drives] == ["off", "on", "off"]
    for drive in drives:
        assert {"format=raw", "cache=writeback", "file.locking=on", "discard=unmap"} <= set(drive.split(","))


@pytest.mark.parametrize("kvm", [False, True])
def test_volumes_come_after_the_mounts(kvm: bool) -> None:
    volumes = (Attachment("pgdata", "/var/lib/pg"), Attachment("shared", "/shared", "ro"))
    argv = qemu_argv(launch(kvm=kvm, mounts=(Mount("zeta", "/x", "ro"),), volumes=volumes))
    drives = values(argv, "-drive")
    names = [drive.split("file.filename=")[1].split(",")[0] for drive in drives]
    assert names[1:] == [
        "/d/mounts/shop-0123/zeta.ext4",
        "/d/volumes/shop/pgdata.ext4",
        "/d/volumes/shop/shared.ext4",
    ]
    assert [drive.rpartition("read-only=")[2] for drive in drives] == ["off", "on", "off", "on"]
    assert all("cache=writeback" in drive for drive in drives), "a guest's flush must reach the disk"
    places = [device for device in values(argv, "-device") if "bus=" in device]
    assert len(places) == len({device.split("bus=")[1] for device in places}) == 6


def test_pci_devices_fill_slots_of_eight_from_the_first() -> None:
    mounts = tuple(Mount(f"t{number:02}", "/x") for number in range(20))
    devices = values(qemu_argv(launch(mounts=mounts)), "-device")
    assert len(devices) == 23
    places = [device.split("addr=")[1].split(",")[0] for device in devices]
    assert places[:2] == ["0x1.0", "0x1.1"]
    assert places[7:10] == ["0x1.7", "0x2.0", "0x2.1"]
    assert len(set(places)) == len(places)
    shared = ["multifunction=on" in device for device in devices]
    assert shared == [number % 8 == 0 for number in range(23)]


def test_mmio_devices_fill_transports_from_the_last() -> None:
    mounts = tuple(Mount(f"t{number:02}", "/x") for number in range(CAPABILITIES.max_mounts))
    devices = [
        word for word in values(qemu_argv(launch(kvm=True, mounts=mounts)), "-device") if "bus" in word
    ]
    assert [int(device.rpartition(".")[2]) for device in devices] == list(range(23, -1, -1))


def test_the_network_is_the_vms_tap_without_scripts() -> None:
    argv = qemu_argv(launch())
    netdev = value(argv, "-netdev").split(",")
    assert netdev[0] == "tap"
    assert {f"ifname=vmm-{VM_ID[:11]}", "script=no", "downscript=no", "vhost=off"} <= set(netdev)
    nic = next(device for device in values(argv, "-device") if device.startswith("virtio-net"))
    assert "mac=06:00:ac:10:00:02" in nic
    assert "romfile=" in nic


def test_commas_in_paths_are_doubled() -> None:
    argv = qemu_argv(launch(root="/a,b"))
    assert "path=/a,,b/logs/" in value(argv, "-chardev")
    assert "unix:/a,,b/sockets/" in value(argv, "-qmp")
    assert "file.filename=/a,,b/vms/" in value(argv, "-drive")


def test_a_bzimage_is_preferred_and_a_vmlinux_does() -> None:
    assert value(qemu_argv(launch()), "-kernel") == "/k/bzImage"
    only = Kernel("default", vmlinux="/k/vmlinux")
    argv = qemu_argv(launch(kernel=only))
    assert value(argv, "-kernel") == "/k/vmlinux"
    assert "-initrd" not in argv


def test_the_command_line_is_one_argument_whatever_stands_in_it() -> None:
    odd = 'quiet x="a,b c" -device evil'
    argv = qemu_argv(launch(boot_args=odd))
    append = value(argv, "-append")
    assert append.endswith(odd)
    assert append.startswith("console=ttyS0 ")
    assert len(append.encode()) == command_line_length(make_spec("qemu", boot_args=odd), kvm=False)


def test_a_data_folder_too_deep_for_a_socket_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than the 107 bytes"):
        qemu_argv(launch(root="/" + "x" * 100))


def test_the_same_launch_gives_the_same_arguments() -> None:
    one = launch(mounts=(Mount("a", "/x"),))
    assert qemu_argv(one) == qemu_argv(replace(one))
