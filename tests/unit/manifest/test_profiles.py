"""Which VMs are there."""

import pytest

from vmmcompose.manifest import parse_manifest
from vmmcompose.model.choice import Choice

TEXT = b"""
name: shop
defaults: {image: tiny}
vms:
  web: {}
  tracer: {profiles: [debug, trace], depends_on: [store, web]}
  store: {profiles: [debug], depends_on: [disk], replicas: 2}
  disk: {profiles: [debug, data]}
  shell: {profiles: [debug]}
  dump: {profiles: [data], depends_on: [shell]}
"""


@pytest.mark.parametrize(
    ("choice", "there"),
    [
        (Choice(), "web"),
        (Choice(profiles=("debug",)), "disk shell store-1 store-2 tracer web"),
        (Choice(profiles=("trace",)), "tracer web"),
        (Choice(profiles=("data", "trace")), "disk dump tracer web"),
        (Choice(profiles=("*",)), "disk dump shell store-1 store-2 tracer web"),
        (Choice(profiles=("nobody-has-it",)), "web"),
        (Choice(names=("tracer",)), "disk store-1 store-2 tracer web"),
        (Choice(names=("store-2",)), "disk store-1 store-2 web"),
        (Choice(names=("shop-shell",)), "shell web"),
        (Choice(names=("dump",)), "dump web"),
        (Choice(names=("web", "nobody")), "web"),
        (Choice(profiles=("data",), names=("shell",)), "disk dump shell web"),
    ],
    ids=str,
)
def test_there_are(choice: Choice, there: str) -> None:
    desired = parse_manifest(TEXT, "vmm.yaml", "/home/ada/shop", choice=choice).desired
    assert " ".join(vm.name for vm in desired.vms) == there
    everybody = {"web", "tracer", "store-1", "store-2", "disk", "shell", "dump"}
    assert {vm.name for vm in desired.inactive} == everybody - set(there.split())


def test_replicas_of_a_vm_that_is_not_there_are_not_counted() -> None:
    assert parse_manifest(TEXT, "vmm.yaml", "/a").desired.replicas == ()
    chosen = Choice(profiles=("debug",))
    assert parse_manifest(TEXT, "vmm.yaml", "/a", choice=chosen).desired.replicas == (("store", 2),)
