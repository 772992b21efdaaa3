"""A stranger's link with the name of a VM's TAP: starting is refused, stopping and deleting leave it alone."""

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]


def test_it_is_in_the_way_of_a_start_only(lab: Lab) -> None:
    lab.write("vms: {web: {image: tiny, memory: 128MiB, disk: 64MiB}}")
    lab.vmm("up", "--no-wait")
    tap = lab.record("web")["spec"]["tap"]
    lab.vmm("stop", "--grace", "0")
    lab.run("ip", "link", "add", tap, "type", "bridge")
    assert f"ip link delete {tap}" in lab.vmm("up", code=1).stderr
    lab.vmm("stop")
    lab.vmm("down")
    traces = lab.traces()
    assert tap in traces["links"]
    assert traces["files"] == []
