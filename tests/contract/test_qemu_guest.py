"""The qemu driver and the wait with a real Linux guest."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from case_qemu import CASE
from driver_case import Bench, bench, make_spec
from lab import STORE, missing_for_guests
from namespaces import Namespace

from vmmcompose.drivers import driver
from vmmcompose.drivers.base import Launch
from vmmcompose.drivers.qemu.argv import CAPABILITIES
from vmmcompose.errors import DriverError
from vmmcompose.host.ready import Waited, wait_ready
from vmmcompose.model.desired import Attachment, Mount
from vmmcompose.model.observed import Kernel
from vmmcompose.model.record import Process

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]
TIMEOUT_S = 120


@pytest.fixture
def qemu(netns: Namespace) -> Iterator[Bench]:
    """QEMU with a bridge for its guests."""
    netns.run("ip", "link", "add", "vmm-br0", "type", "bridge")
    netns.run("ip", "address", "add", "172.16.0.1/16", "dev", "vmm-br0")
    netns.run("ip", "link", "set", "vmm-br0", "up")
    with bench(CASE, driver("qemu")) as made:
        yield made


def tiny(qemu: Bench, mounts: tuple[Mount, ...] = (), volumes: tuple[Attachment, ...] = ()) -> Launch:
    """The tiny image on a TAP that is in the bridge; mounts and volumes are disks of a size of their own."""
    launch = qemu.launch()
    spec = replace(launch.spec, memory_mib=256, mounts=mounts, volumes=volumes)
    os.system(f"ip link set {spec.tap} master vmm-br0")
    shutil.copyfile(f"{STORE}/images/rootfs/tiny.ext4", qemu.paths.disk(spec.name))
    images = [qemu.paths.mount(spec.name, mount.tag) for mount in mounts]
    images += [qemu.paths.volume(spec.project, volume.volume) for volume in volumes]
    for number, image in enumerate(map(Path, images), start=1):
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
        os.truncate(image, number << 20)
    folder = Path(STORE) / "images" / "kernels" / "default"
    kernel = Kernel("default", bzimage=str(folder / "bzImage"), initrd=str(folder / "initrd"))
    return replace(launch, spec=spec, kernel=kernel)


def wait(launch: Launch, process: Process, phases: list[str]) -> Waited:
    return wait_ready(
        launch.paths,
        launch.spec,
        process,
        timeout_s=TIMEOUT_S,
        on_phase=phases.append,
        cancelled=threading.Event(),
    )


def console(launch: Launch) -> str:
    return Path(launch.paths.console(launch.spec.name)).read_text(errors="replace")


def test_as_many_mounts_and_volumes_as_promised_are_found_in_order(qemu: Bench) -> None:
    modes: tuple[Literal["ro", "rw"], ...] = ("ro", "rw")
    numbers = range(CAPABILITIES.max_mounts)
    mounts = tuple(Mount(f"t{number:02}", "/x", modes[number % 2]) for number in numbers[:-4])
    volumes = tuple(Attachment(f"v{number:02}", "/x", modes[number % 2]) for number in numbers[-4:])
    launch = tiny(qemu, mounts, volumes)
    process = qemu.driver.start(launch)
    phases: list[str] = []
    assert wait(launch, process, phases).detail == "SSH answers"
    assert phases == ["booting", "kernel up", "waiting for SSH"]
    sectors = dict(re.findall(r"\[(vd[a-z]+)\] (\d+) 512-byte", console(launch)))
    expected = {f"vd{chr(ord('a') + number)}": str(number * 2048) for number in range(1, len(numbers) + 1)}
    assert {name: size for name, size in sectors.items() if name != "vda"} == expected
    qemu.stop(process, grace_s=TIMEOUT_S)
    assert "Restarting system" in console(launch) or "Power down" in console(launch), "it was not asked"


def test_a_guest_asked_early_in_its_boot_still_shuts_down(qemu: Bench) -> None:
    launch = tiny(qemu)
    process = qemu.driver.start(launch)
    begin = time.monotonic()
    qemu.stop(process, grace_s=TIMEOUT_S)
    assert time.monotonic() - begin < TIMEOUT_S
    assert qemu.running() == []


def test_a_killed_vmm_ends_the_wait_with_the_consoles_last_lines(qemu: Bench) -> None:
    launch = tiny(qemu)
    process = qemu.driver.start(launch)
    phases: list[str] = []

    def kill() -> None:
        while "kernel up" not in phases:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(DriverError, match="the VM ended") as failure:
        wait(launch, process, phases)
    killer.join()
    assert "last lines of its console" in failure.value.hint
    assert f"vmm logs {make_spec('qemu').vm}" in failure.value.hint
