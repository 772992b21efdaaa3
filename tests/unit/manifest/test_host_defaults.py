"""What a VM gets that the manifest does not say: the manifest's `defaults`, then the host's settings."""

import pytest

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import parse_manifest
from vmmcompose.model.desired import DesiredVm
from vmmcompose.model.settings import Settings, VmDefaults

KEYS = ("ssh-ed25519 AAAA of-ada",)
HOST = VmDefaults(4, 2048, 8192, "host-image", "host-kernel", "/home/ada/.ssh/id.pub", ("9.9.9.9",))


def vm(text: str, defaults: VmDefaults = HOST) -> DesiredVm:
    settings = Settings(vm_defaults=defaults)
    read = parse_manifest(text.encode(), "vmm.yaml", "/srv/shop", settings=settings, ssh_keys=KEYS)
    return read.desired.vms[0]


def test_settings_fill_what_the_manifest_leaves_open() -> None:
    assert vm("vms: {web: }") == DesiredVm(
        "web",
        "host-image",
        "host-kernel",
        cpus=4,
        memory_mib=2048,
        disk_mib=8192,
        ssh_keys=KEYS,
        dns=("9.9.9.9",),
    )


def test_the_manifests_defaults_win_over_the_settings_and_the_vm_over_both() -> None:
    found = vm(
        "defaults: {cpus: 2, image: a, dns: [1.1.1.1], memory: 1GiB}\nvms: {web: {image: b, cpus: 3, ssh_keys: []}}"
    )
    assert (found.image, found.cpus, found.memory_mib) == ("b", 3, 1024)
    assert (found.disk_mib, found.kernel) == (8192, "host-kernel")
    assert (found.dns, found.ssh_keys) == (("1.1.1.1",), ())


def test_built_in_is_what_a_vm_gets_without_settings() -> None:
    assert vm("vms: {web: {image: a}}", VmDefaults()) == DesiredVm("web", "a", ssh_keys=KEYS)
    with pytest.raises(ManifestInvalid):
        vm("vms: {web: }", VmDefaults())


def test_a_bad_image_in_the_manifest_is_not_covered_up() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        vm("vms: {web: {image: 3}}")
    assert [problem.at for problem in caught.value.problems] == [("vms", "web", "image")]
