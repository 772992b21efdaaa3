"""The kernel from a package and the image tiny, booted for real."""

import pytest
from bare_guest import BareGuest
from guest_duties import check_duties, fetch

from vmmcompose.model.observed import Image, Kernel

pytestmark = [pytest.mark.guest, pytest.mark.root]


def test_tiny_does_its_duties_and_obeys_ctrl_alt_delete(tiny: Image, kernel: Kernel) -> None:
    with BareGuest(tiny, kernel) as guest:
        guest.start().wait_for_ssh()
        check_duties(guest)
        assert fetch(guest) == "a page of the mount\n"
        assert guest.says("wget -qO- http://web/") == "a page of the mount"
        assert "tiny: web is ready" in guest.console()
        guest.press_ctrl_alt_delete()
        guest.wait_for_end()
        assert "Restarting system" in guest.console()


@pytest.mark.parametrize("command", ["poweroff", "reboot"])
def test_tiny_ends_when_it_is_told_to(tiny: Image, kernel: Kernel, command: str) -> None:
    with BareGuest(tiny, kernel) as guest:
        # The ELF form is what Firecracker boots; here it comes up through QEMU's PVH entry.
        guest.start(kernel_file=kernel.vmlinux).wait_for_ssh()
        assert guest.says("echo kept > /root/kept; cat /root/kept") == "kept"
        guest.ssh(command)
        guest.wait_for_end()
        assert "tiny: stopping" in guest.console()


def test_tiny_without_a_host_key_makes_one(tiny: Image, kernel: Kernel) -> None:
    from vmmcompose.host import ext4

    with BareGuest(tiny, kernel) as guest:
        ext4.write_files(guest.disk, [], ["/etc/ssh/ssh_host_ed25519_key"])
        guest.start().wait_for_ssh()
        refused = guest.ssh("true")
        assert refused.returncode == 255
        assert b"Host key verification failed" in refused.stderr


def test_a_guest_without_a_root_says_so_and_ends(tiny: Image, kernel: Kernel) -> None:
    with BareGuest(tiny, kernel) as guest:
        guest.start(root="LABEL=nowhere")
        guest.wait_for_end()
        assert "no root filesystem: LABEL=nowhere did not appear" in guest.console()
        assert "/sys/block/vda /sys/block/vdb" in guest.console()
