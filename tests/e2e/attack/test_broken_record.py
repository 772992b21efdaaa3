"""A record that cannot be read: its VM keeps running on its network, others come and go, and it can be repaired."""

import json

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]

WEB = "vms: {web: {image: tiny, memory: 128MiB, disk: 64MiB}}"
API = "name: two\nvms: {api: {image: tiny, memory: 128MiB, disk: 64MiB}}"


def test_others_do_not_take_its_network_away(lab: Lab) -> None:
    lab.write(WEB)
    lab.write(API, "two.yaml")
    before = lab.traces()
    lab.vmm("up")
    path = lab.data / "vms" / "lab-web.json"
    good = path.read_text()
    value = json.loads(good)
    value["spec"]["tap"] = "lo"
    path.write_text(json.dumps(value))
    refused = lab.vmm("up", code=1)
    assert "spec.tap cannot be 'lo'" in refused.stderr
    assert lab.vmm("ps").returncode == 0
    lab.vmm("-f", "two.yaml", "up", "--no-wait")
    address = json.loads((lab.data / "vms" / "two-api.json").read_text())["spec"]["ip"]
    assert address != json.loads(good)["spec"]["ip"], "a damaged record's address stays taken"
    lab.vmm("-f", "two.yaml", "down", "--grace", "0")
    assert "vmm-br0" in lab.traces()["links"]
    path.write_text(good)
    assert lab.vmm("exec", "web", "--", "hostname").stdout == "web\n"
    assert lab.plan()["changes"] == []
    path.write_text("{")
    lab.vmm("down")
    assert lab.traces() == before
