"""What every image built here owes to vmm, whatever is in it."""

import io
import tarfile
import urllib.request

from bare_guest import HOSTNAME, BareGuest


def check_duties(guest: BareGuest) -> None:
    """The running guest honours the files that were put on its disk."""
    _is_itself(guest)
    _lets_in_whom_it_should(guest)
    _has_its_disks(guest)
    _moves_files(guest)


def _is_itself(guest: BareGuest) -> None:
    assert guest.says("hostname") == HOSTNAME
    assert "inet 10.0.2.15/24" in guest.says("ip addr show eth0")
    assert "default via 10.0.2.2" in guest.says("ip route")
    assert guest.says("cat /etc/resolv.conf") == "nameserver 192.0.2.53"
    assert guest.says("ping -c 1 web.shop").splitlines()[0].startswith("PING web")
    assert "10.0.2.99" in guest.ssh("ping -c 1 -W 1 db").stdout.decode().splitlines()[0]
    assert guest.says("echo $COLOR") == "dark red"
    assert guest.says("id -u") == "0"


def _lets_in_whom_it_should(guest: BareGuest) -> None:
    """The host key was checked by each `says` already."""
    refused = guest.ssh("true", key="stranger")
    assert refused.returncode == 255
    assert b"Permission denied (publickey" in refused.stderr
    assert guest.ssh("exit 42").returncode == 42


def _has_its_disks(guest: BareGuest) -> None:
    assert guest.says("cat /mnt/site/index.html") == "a page of the mount"
    mounts = {line.split()[1]: line.split() for line in guest.says("cat /proc/mounts").splitlines()}
    assert mounts["/"][2] == "ext4"
    assert mounts["/"][3].split(",")[0] == "rw"
    assert mounts["/mnt/site"][3].split(",")[0] == "ro"


def _moves_files(guest: BareGuest) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("moved/file")
        entry.size, entry.mode = 5, 0o640
        tar.addfile(entry, io.BytesIO(b"hello"))
    assert guest.ssh("tar -xf - -C /root", stdin=archive.getvalue()).returncode == 0
    assert guest.says("stat -c %a /root/moved/file") == "640"
    back = guest.ssh("tar -cf - -C /root moved")
    with tarfile.open(fileobj=io.BytesIO(back.stdout)) as tar:
        member = tar.extractfile("moved/file")
        assert member is not None
        assert member.read() == b"hello"


def fetch(guest: BareGuest) -> str:
    """The page that the guest's web server shows."""
    with urllib.request.urlopen(f"http://127.0.0.1:{guest.web_port}/", timeout=30) as page:
        text: str = page.read().decode()
        return text
