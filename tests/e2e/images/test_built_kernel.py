"""A kernel made by `vmm kernel build` carries a guest alone: no initrd, no modules, and it hears what it is asked.

Building one takes minutes, so the test takes one that was built: VMM_BUILT_KERNEL names its bzImage or vmlinux.
"""

import json
import os
from collections.abc import Iterator

import pytest
from lab import Lab, missing_for_guests

KERNEL = os.environ.get("VMM_BUILT_KERNEL", "")
pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
    pytest.mark.skipif(
        not KERNEL, reason="VMM_BUILT_KERNEL names no kernel that `vmm kernel build` has made"
    ),
]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab().own_images() as made:
        kernels = made.data / "images" / "kernels"
        kernels.unlink()
        kernels.mkdir()
        yield made


def test_it_boots_alone_and_shuts_down_when_asked(lab: Lab) -> None:
    lab.vmm("kernel", "import", KERNEL, "--name", "built")
    (row,) = json.loads(lab.vmm("kernel", "list", "--json").stdout)["kernels"]
    assert not row["initrd"]
    lab.vmm("create", "vm", "--image", "tiny", "--memory", "128", "--kernel", "built", "--port", "8080:80")
    lab.vmm("start", "vm")
    assert lab.vmm(
        "exec", "vm", "--", "sh", "-c", "ls /proc/modules; cat /proc/mounts", code=None
    ).stdout.count(" ext4 ")
    assert "This VM runs" in lab.get("http://127.0.0.1:8080/")
    lab.vmm("stop", "vm", "--grace", "60")
    assert "tiny: stopping" in lab.vmm("console", "vm", "--full").stdout
