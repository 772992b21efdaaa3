"""Whether KVM is usable, and why not."""

import os
from pathlib import Path

import pytest

from vmmcompose.host.kvm import cpu_model, find_binary, kvm_usable
from vmmcompose.model.settings import Settings

X86 = os.uname().machine == "x86_64"


def cpuinfo(tmp_path: Path, flags: str) -> str:
    file = tmp_path / "cpuinfo"
    file.write_text(
        f"processor\t: 0\nflags\t\t: fpu {flags} sse\nvmx flags\t: vnmi\nprocessor\t: 1\nflags\t\t: svm\n"
    )
    return str(file)


@pytest.mark.parametrize("flag", ["vmx", "svm"])
def test_a_device_and_a_flag_make_it_usable(tmp_path: Path, flag: str) -> None:
    assert kvm_usable(device="/dev/null", cpuinfo=cpuinfo(tmp_path, flag)) == (True, "")


@pytest.mark.skipif(not X86, reason="an x86 machine is missing")
@pytest.mark.parametrize("flags", ["", "vmxx", "svm_lock npt"])
def test_a_device_without_the_flag_is_not_usable(tmp_path: Path, flags: str) -> None:
    usable, why = kvm_usable(device="/dev/null", cpuinfo=cpuinfo(tmp_path, flags))
    assert not usable
    assert "neither vmx nor svm" in why


def test_the_cpu_is_known_by_its_numbers_and_its_name(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    one = (
        "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Some Xeon\nstepping\t: 7\n"
    )
    file.write_text(one + "\n" + one.replace("85", "99"))
    assert cpu_model(cpuinfo=str(file)) == "GenuineIntel/6/85/7 Some Xeon"
    assert cpu_model(cpuinfo="/nowhere").strip("/ ") == ""


def test_a_missing_device_is_not_usable(tmp_path: Path) -> None:
    usable, why = kvm_usable(device=str(tmp_path / "kvm"), cpuinfo=cpuinfo(tmp_path, "vmx"))
    assert not usable
    assert "does not exist" in why


def test_this_host_gets_a_verdict_with_a_reason() -> None:
    usable, why = kvm_usable()
    assert usable == (not why)


def test_programs_are_found_on_the_path_and_by_their_own(tmp_path: Path) -> None:
    program = tmp_path / "fc"
    program.write_text("#!/bin/sh\n")
    settings = Settings(qemu_binary="sh", firecracker_binary=str(program))
    assert find_binary(settings, "qemu").endswith("/sh")
    assert find_binary(settings, "firecracker") == ""
    program.chmod(0o755)
    assert find_binary(settings, "firecracker") == str(program)
    assert find_binary(Settings(qemu_binary="no-such-program"), "qemu") == ""
