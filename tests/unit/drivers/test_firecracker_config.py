"""What the firecracker driver sends and asks for, as values."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from driver_case import make_spec

from vmmcompose.drivers import CAPABILITIES
from vmmcompose.drivers.base import Launch
from vmmcompose.drivers.firecracker.config import (
    BASE_ARGS,
    MAX_COMMAND_LINE,
    Call,
    argv,
    calls,
    command_line_length,
    exit_meaning,
    parse_version,
)
from vmmcompose.drivers.firecracker.driver import FirecrackerDriver
from vmmcompose.model.desired import Attachment, Mount
from vmmcompose.model.observed import HostFacts, Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

PATHS = Paths(PurePosixPath("/var/lib/vmm"))
SPEC = make_spec("firecracker")
USABLE = HostFacts(kvm_usable=True)
NEWEST = (1, 16, 1)


def made(spec: VmSpec = SPEC, *, initrd: str = "", version: tuple[int, int, int] = NEWEST) -> list[Call]:
    kernel = Kernel(name="default", vmlinux="/k/vmlinux", initrd=initrd)
    launch = Launch(spec=spec, paths=PATHS, kernel=kernel, binary="firecracker", kvm=True)
    return list(calls(launch, version))


def bodies(path: str, spec: VmSpec = SPEC) -> list[dict[str, object]]:
    return [dict(call.body) for call in made(spec) if call.path.startswith(path)]


def test_the_arguments_name_socket_id_and_log() -> None:
    assert argv("/usr/bin/firecracker", PATHS, SPEC) == [
        "/usr/bin/firecracker",
        "--api-sock",
        "/var/lib/vmm/sockets/0123456789ab.sock",
        "--id",
        "vmm-0123456789ab",
        "--log-path",
        "/var/lib/vmm/logs/shop-0123/firecracker.log",
        "--level",
        "Warning",
        "--show-level",
    ]


def test_the_order_of_requests() -> None:
    spec = replace(SPEC, mounts=(Mount("site", "/srv/site", "ro"), Mount("my-data", "/srv/data")))
    assert [f"{call.method} {call.path}" for call in made(spec)] == [
        "PUT /metrics",
        "PUT /machine-config",
        "PUT /boot-source",
        "PUT /drives/rootfs",
        "PUT /drives/mount0",
        "PUT /drives/mount1",
        "PUT /network-interfaces/eth0",
        "PUT /entropy",
        "PUT /serial",
        "PUT /actions",
    ]
    assert made(spec)[-1].body == {"action_type": "InstanceStart"}


@pytest.mark.parametrize(("version", "limited"), [((1, 7, 0), False), ((1, 15, 1), False), (NEWEST, True)])
def test_what_an_older_version_lacks_is_not_used(version: tuple[int, int, int], limited: bool) -> None:
    assert ("/serial" in [call.path for call in made(version=version)]) is limited


def test_the_size_of_the_machine() -> None:
    assert bodies("/machine-config", replace(SPEC, cpus=3, memory_mib=777)) == [
        {"vcpu_count": 3, "mem_size_mib": 777}
    ]


def test_the_kernel_with_and_without_an_initrd() -> None:
    without, with_one = (
        next(call.body for call in made(initrd=initrd) if call.path == "/boot-source")
        for initrd in ("", "/k/initrd")
    )
    assert without["kernel_image_path"] == with_one["kernel_image_path"] == "/k/vmlinux"
    assert "initrd_path" not in without
    assert with_one["initrd_path"] == "/k/initrd"
    assert without["boot_args"] == with_one["boot_args"]


def test_the_users_words_come_last() -> None:
    (body,) = bodies("/boot-source", replace(SPEC, boot_args="quiet panic=9"))
    words = str(body["boot_args"]).split()
    assert words[-2:] == ["quiet", "panic=9"]
    assert str(body["boot_args"]).startswith(BASE_ARGS)


def test_what_would_break_a_distributions_kernel_is_left_out() -> None:
    words = BASE_ARGS.split()
    assert "nomodule" not in words, "the initrd loads virtio as modules"
    assert not [word for word in words if word.startswith("8250.")], "the console is a 8250"
    assert not {"i8042.nokbd", "i8042.nopnp", "acpi=off"} & set(words), "Ctrl+Alt+Del needs the keyboard"
    assert {"console=ttyS0", "reboot=k", "panic=1"} <= set(words)


def test_only_the_root_disk_is_the_root_and_writable_disks_are_flushed() -> None:
    spec = replace(SPEC, mounts=(Mount("a", "/a", "ro"), Mount("b", "/b", "rw")))
    shown = [(b["is_root_device"], b["is_read_only"], b["cache_type"]) for b in bodies("/drives", spec)]
    assert shown == [(True, False, "Writeback"), (False, True, "Unsafe"), (False, False, "Writeback")]


def test_a_drives_id_is_its_place_and_not_its_tag() -> None:
    spec = replace(SPEC, mounts=(Mount("my-data.2", "/a"),))
    (_, mount) = bodies("/drives", spec)
    assert mount["drive_id"] == "mount0"
    assert mount["path_on_host"] == "/var/lib/vmm/mounts/shop-0123/my-data.2.ext4"


def test_volumes_come_after_the_mounts_and_are_flushed() -> None:
    volumes = (Attachment("pg.data-1", "/var/lib/pg"), Attachment("shared", "/shared", "ro"))
    spec = replace(SPEC, mounts=(Mount("site", "/srv/site", "ro"),), volumes=volumes)
    assert bodies("/drives", spec)[2:] == [
        {
            "drive_id": "volume0",
            "path_on_host": "/var/lib/vmm/volumes/shop/pg.data-1.ext4",
            "is_root_device": False,
            "is_read_only": False,
            "cache_type": "Writeback",
        },
        {
            "drive_id": "volume1",
            "path_on_host": "/var/lib/vmm/volumes/shop/shared.ext4",
            "is_root_device": False,
            "is_read_only": True,
            "cache_type": "Unsafe",
        },
    ]


def test_the_network() -> None:
    assert bodies("/network-interfaces") == [
        {"iface_id": "eth0", "host_dev_name": SPEC.tap, "guest_mac": SPEC.mac}
    ]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Firecracker v1.16.1\n", (1, 16, 1)),
        ("1.7.0-dev", (1, 7, 0)),
        ("1.14", (1, 14, 0)),
        ("v10.0.0", (10, 0, 0)),
        ("", None),
        ("Firecracker", None),
    ],
)
def test_versions(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


def test_exit_codes_have_a_meaning() -> None:
    assert exit_meaning(148).startswith("exit code 148: a system call")
    assert exit_meaning(153).startswith("exit code 153: an argument")
    assert exit_meaning(77) == "exit code 77"
    assert exit_meaning(-9) == "killed by signal 9"


def problems(spec: VmSpec = SPEC, host: HostFacts = USABLE) -> list[tuple[str, str, tuple[str | int, ...]]]:
    return [(found.severity, found.code, found.at) for found in FirecrackerDriver().check(spec, host)]


def test_an_ordinary_vm_has_no_problem() -> None:
    assert problems() == []


@pytest.mark.parametrize(("cpus", "count"), [(1, 0), (32, 0), (33, 1), (0, 1)])
def test_cpus_have_a_limit(cpus: int, count: int) -> None:
    assert problems(replace(SPEC, cpus=cpus)) == [("error", "limit", ("vms", SPEC.vm, "cpus"))] * count


@pytest.mark.parametrize(("mounts", "volumes", "count"), [(12, 0, 0), (13, 0, 1), (7, 5, 0), (7, 6, 1)])
def test_mounts_and_volumes_have_a_limit_together(mounts: int, volumes: int, count: int) -> None:
    spec = replace(
        SPEC,
        mounts=tuple(Mount(f"t{index}", "/srv") for index in range(mounts)),
        volumes=tuple(Attachment(f"v{index}", f"/v{index}") for index in range(volumes)),
    )
    assert problems(spec) == [("error", "limit", ("vms", SPEC.vm, "mounts"))] * count


def test_the_command_line_has_a_limit_that_counts_what_firecracker_adds() -> None:
    room = MAX_COMMAND_LINE - command_line_length(replace(SPEC, boot_args="x")) + 1
    assert problems(replace(SPEC, boot_args="x" * room)) == []
    too_long = [("error", "command-line-too-long", ("vms", SPEC.vm, "boot_args"))]
    assert problems(replace(SPEC, boot_args="x" * (room + 1))) == too_long
    for disk in ({"mounts": (Mount("a", "/a"),)}, {"volumes": (Attachment("a", "/a"),)}):
        assert problems(replace(SPEC, boot_args="x" * room, **disk)) == too_long


def test_bytes_are_counted_and_not_characters() -> None:
    assert command_line_length(replace(SPEC, boot_args="ä")) == (
        command_line_length(replace(SPEC, boot_args="a")) + 1
    )


def test_unusable_kvm_is_a_warning_with_the_reason() -> None:
    host = HostFacts(kvm_usable=False, kvm_reason="/dev/kvm does not exist")
    (found,) = FirecrackerDriver().check(SPEC, host)
    assert found.severity == "warning"
    assert "/dev/kvm does not exist" in found.message
    assert "qemu" in found.hint


def test_capabilities() -> None:
    limits = CAPABILITIES["firecracker"]
    assert limits.kernel_forms == ("vmlinux",)
    assert (limits.max_cpus, limits.max_mounts, limits.max_command_line) == (32, 12, MAX_COMMAND_LINE)
    assert limits.needs_kvm
    assert limits.pause
    assert limits.snapshot
