"""Which init a stranger's image gets, what is said where there is none for it, and what is changed in its tree."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from image_lab import Tree, fingerprint, plant

from vmmcompose.errors import HostError, UsageError
from vmmcompose.host.rooted import Rooted
from vmmcompose.images import equip, tinyinit
from vmmcompose.images.elf import interpreter, with_interpreter

SYSTEMD: Tree = {
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/sshd.service": "",
    "usr/sbin/sshd": "",
    "usr/sbin/init": Path("../lib/systemd/systemd"),
    "sbin": Path("usr/sbin"),
    "etc/ssh/sshd_config": "UsePAM yes\n",
    "etc/ssh/ssh_host_rsa_key": "another's",
    "etc/systemd/system/sshd.service.requires/sshd.socket": Path("/usr/lib/systemd/system/sshd.socket"),
    "etc/shadow": "root:!locked:1::::::\nada:!:1::::::\n",
    "etc/cloud/cloud.cfg": "",
    "etc/fstab": "LABEL=cloudimg-rootfs / ext4\n",
    "boot/vmlinuz": "",
}
OPENRC: Tree = {
    "sbin/openrc": "",
    "usr/sbin/sshd": "",
    "etc/init.d/sshd": "",
    "etc/init.d/localmount": "",
    "etc/inittab": "tty1::respawn:/sbin/getty 38400 tty1\n",
}


def made(tmp_path: Path, parts: Tree) -> Path:
    tree = plant(tmp_path / "tree", parts)
    for name in parts:
        if (tree / name).is_file():
            (tree / name).chmod(0o755)
    return tree


def silent(_text: str) -> None:
    pass


def test_an_image_with_systemd_is_told_that_it_is_a_guest(tmp_path: Path) -> None:
    tree = made(tmp_path, SYSTEMD)
    assert equip.equip(tree, "auto", tmp_path, silent) == {}
    assert not os.path.lexists(tree / "etc/ssh/ssh_host_rsa_key")
    assert (
        (tree / "etc/ssh/sshd_config").read_text().startswith("Include /etc/ssh/sshd_config.d/*.conf\nUsePAM")
    )
    assert "prohibit-password" in (tree / "etc/ssh/sshd_config.d/vmm.conf").read_text()
    assert (tree / "etc/shadow").read_text() == "root:*:1::::::\nada:!:1::::::\n"
    units = tree / "etc/systemd/system"
    assert (
        os.readlink(units / "multi-user.target.wants/sshd.service") == "/usr/lib/systemd/system/sshd.service"
    )
    assert "ssh-keygen" in (units / "sshd.service.d/vmm.conf").read_text()
    assert not os.path.lexists(units / "sshd.service.requires/sshd.socket"), "it is masked"
    assert os.readlink(units / "networking.service") == "/dev/null"
    assert (tree / "etc/cloud/cloud-init.disabled").exists()
    assert "cloudimg" not in (tree / "etc/fstab").read_text()
    assert (tree / "etc/machine-id").read_bytes() == b""
    assert list((tree / "boot").iterdir()) == []
    assert stat.S_IMODE((tree / "root/.ssh").stat().st_mode) == 0o700


def test_equipping_twice_is_equipping_once(tmp_path: Path) -> None:
    tree = made(tmp_path, SYSTEMD)
    equip.equip(tree, "systemd", tmp_path, silent)
    first = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    equip.equip(tree, "systemd", tmp_path, silent)
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == first


def test_an_image_with_openrc_is_told_that_it_is_a_guest(tmp_path: Path) -> None:
    tree = made(tmp_path, OPENRC)
    equip.equip(tree, "auto", tmp_path, silent)
    assert os.readlink(tree / "etc/runlevels/default/sshd") == "/etc/init.d/sshd"
    assert os.readlink(tree / "etc/runlevels/boot/localmount") == "/etc/init.d/localmount"
    assert not os.path.lexists(tree / "etc/runlevels/boot/networking"), "not in this image"
    assert "ttyS0" in (tree / "etc/inittab").read_text()
    assert "eth0 inet" not in (tree / "etc/network/interfaces").read_text()


def test_no_init_asked_for_changes_nothing(tmp_path: Path) -> None:
    tree = made(tmp_path, SYSTEMD)
    before = fingerprint(tree)
    assert equip.equip(tree, "none", tmp_path, silent) == {}
    assert fingerprint(tree) == before


@pytest.mark.parametrize("init", ["auto", "systemd", "openrc"])
def test_an_image_that_can_have_neither_is_told_about_tiny(tmp_path: Path, init: str) -> None:
    tree = made(tmp_path, {"etc/os-release": 'PRETTY_NAME="Oddix 1"\n', "bin/sh": ""})
    before = fingerprint(tree)
    with pytest.raises(UsageError) as caught:
        equip.equip(tree, init, tmp_path, silent)
    assert "--init tiny" in caught.value.hint
    assert init != "auto" or "Oddix 1" in caught.value.message
    assert fingerprint(tree) == before


def test_an_unknown_init_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'upstart' is no init"):
        equip.equip(tmp_path, "upstart", tmp_path, silent)


@pytest.mark.parametrize("link", ["{host}", "../host"])
@pytest.mark.parametrize("name", ["etc", "root", "usr", "dev", "boot", "mnt", "var"])
def test_a_tree_whose_folders_are_links_to_the_hosts_changes_nothing_there(
    tmp_path: Path, name: str, link: str
) -> None:
    host = plant(
        tmp_path / "host",
        {
            "ssh/ssh_host_rsa_key": "the host's",
            "hosts": "the host's",
            ".ssh/authorized_keys": "",
            "lib/x": "",
        },
    )
    before = fingerprint(host)
    tree = made(tmp_path, {key: value for key, value in SYSTEMD.items() if not key.startswith(f"{name}/")})
    (tree / name).symlink_to(link.format(host=host))
    with suppress(HostError, UsageError):
        equip.equip(tree, "systemd", tmp_path, silent)
    assert fingerprint(host) == before


def test_the_shell_that_root_had_is_kept(tmp_path: Path) -> None:
    parts: Tree = {"etc/passwd": "ada:x:1:1::/a:/bin/sh\nroot:x:0:0:r:/home/r:/bin/bash\n", "bin/bash": "#!"}
    tree = made(tmp_path, parts)
    for _ in range(2):
        root = Rooted(tree)
        tinyinit._install_scripts(root, tinyinit._adopt_root(root))
    lines = (tree / "etc/passwd").read_text().splitlines()
    assert lines == ["root:x:0:0:r:/root:/usr/lib/vmm/bin/session", "ada:x:1:1::/a:/bin/sh"]
    assert "exec /bin/bash -l" in (tree / "usr/lib/vmm/bin/session").read_text()
    assert (tree / "etc/shells").read_text() == "/bin/sh\n/usr/lib/vmm/bin/session\n"


def test_no_script_of_ours_asks_for_a_program_of_the_image(tmp_path: Path) -> None:
    tree = made(tmp_path, {})
    root = Rooted(tree)
    tinyinit._boot_from_here(root)
    tinyinit._install_scripts(root, tinyinit._adopt_root(root))
    texts = [path.read_text() for path in (tree / "usr/lib/vmm").rglob("*") if path.is_file()]
    assert len(texts) == 6
    for text in [*texts, (tree / "etc/inittab").read_text()]:
        assert "/etc/init.d" not in text
        assert "#!/bin/sh" not in text
        assert "PATH=/bin\n" not in text


def test_a_program_gets_another_linker() -> None:
    program = Path("/bin/true").read_bytes()
    changed = with_interpreter(program, "/usr/lib/vmm/lib/ld.so")
    assert interpreter(changed) == "/usr/lib/vmm/lib/ld.so"
    assert len(changed) == len(program)
    with pytest.raises(ValueError, match="/long"):
        with_interpreter(program, "/long" * 20)
    with pytest.raises(ValueError, match="/x"):
        with_interpreter(b"#!/bin/sh\n", "/x")
