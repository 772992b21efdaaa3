"""The image debian-12, booted for real."""

import pytest
from bare_guest import BareGuest
from guest_duties import check_duties

from vmmcompose.model.observed import Image, Kernel

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.slow]
MEMORY_MIB = 512


def test_debian_does_its_duties_and_obeys_ctrl_alt_delete(debian: Image, kernel: Kernel) -> None:
    with BareGuest(debian, kernel, memory_mib=MEMORY_MIB) as guest:
        guest.start().wait_for_ssh()
        check_duties(guest)
        assert guest.says("systemctl is-system-running --wait || systemctl --failed") == "running"
        assert guest.says("ls /etc/ssh | grep ^ssh_host") == "ssh_host_ed25519_key"
        assert guest.says("locale | grep ^LANG=") == "LANG=C.UTF-8"
        guest.press_ctrl_alt_delete()
        guest.wait_for_end()
        assert "Restarting system" in guest.console()


def test_debian_obeys_the_power_button(debian: Image, kernel: Kernel) -> None:
    with BareGuest(debian, kernel, memory_mib=MEMORY_MIB) as guest:
        guest.start().wait_for_ssh()
        assert guest.says("systemctl is-system-running --wait || systemctl --failed") == "running"
        guest.press_power_button()
        guest.wait_for_end()
        assert "Power down" in guest.console()


def test_debian_powers_off(debian: Image, kernel: Kernel) -> None:
    with BareGuest(debian, kernel, memory_mib=MEMORY_MIB) as guest:
        guest.start().wait_for_ssh()
        guest.ssh("poweroff")
        guest.wait_for_end()
        assert "Power down" in guest.console()
