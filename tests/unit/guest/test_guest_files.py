"""What a VM's spec makes of a copy of an image."""

import json
from dataclasses import replace

import pytest
from guest_spec import SPEC

from vmmcompose.guest import files_digest, guest_files, removals, volume_label
from vmmcompose.guest.blocks import has_block, with_block
from vmmcompose.guest.entries import GuestEntry
from vmmcompose.model.desired import Attachment, GuestFile, Mount
from vmmcompose.model.peers import peers_of
from vmmcompose.model.spec import VmSpec


def written(spec: VmSpec, fstab: str = "", environment: str = "") -> dict[str, GuestEntry]:
    entries = guest_files(
        spec,
        managed_key="ssh-ed25519 AAAA vmm\n",
        host_key=b"PRIVATE",
        host_key_pub="ssh-ed25519 BBBB shop-web",
        existing_fstab=fstab,
        existing_environment=environment,
    )
    paths = [entry.path for entry in entries]
    assert len(paths) == len(set(paths))
    return {entry.path: entry for entry in entries}


def test_a_plain_vm_gets_its_identity_and_nothing_else() -> None:
    files = written(SPEC)
    assert sorted(files) == [
        "/etc/hostname",
        "/etc/hosts",
        "/etc/machine-id",
        "/etc/resolv.conf",
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh/ssh_host_ed25519_key.pub",
        "/root/.ssh",
        "/root/.ssh/authorized_keys",
    ]
    assert files["/etc/hostname"].content == b"front\n"
    assert files["/etc/resolv.conf"].content == b"nameserver 9.9.9.9\n"
    assert files["/etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert files["/etc/ssh/ssh_host_ed25519_key"].content == b"PRIVATE"
    assert files["/root/.ssh"].is_dir
    assert files["/root/.ssh"].mode & 0o7777 == 0o700
    assert files["/root/.ssh/authorized_keys"].mode == 0o600


def test_machine_id_is_the_vms_own() -> None:
    one = written(SPEC)["/etc/machine-id"].content
    other = written(replace(SPEC, id="ba9876543210"))["/etc/machine-id"].content
    assert one != other
    assert len(one) == 33
    assert int(one, 16)


def test_authorized_keys_are_whole_and_each_once() -> None:
    spec = replace(SPEC, ssh_keys=("ssh-rsa CCCC me", "ssh-ed25519 AAAA vmm", "ssh-rsa CCCC me\n", ""))
    content = written(spec)["/root/.ssh/authorized_keys"].content
    assert content == b"ssh-ed25519 AAAA vmm\nssh-rsa CCCC me\n"


def test_declared_name_servers_win_over_the_hosts() -> None:
    files = written(replace(SPEC, dns=("127.0.0.1", "1.1.1.1")))
    assert files["/etc/resolv.conf"].content == b"nameserver 127.0.0.1\nnameserver 1.1.1.1\n"


def test_mounts_are_found_by_label_and_keep_the_images_own_lines() -> None:
    spec = replace(SPEC, mounts=(Mount("site", "/srv", "ro"), Mount("data", "/d", "rw")))
    first = written(spec, "UUID=1 / ext4 defaults 0 1\n\n# odd \udcff byte")
    table = first["/etc/fstab"].content
    lines = table.split(b"\n")
    assert lines[0] == b"UUID=1 / ext4 defaults 0 1"
    assert b"# odd \xff byte" in lines
    assert b"LABEL=site /mnt/site ext4 ro,noatime,nofail 0 0" in lines
    assert b"LABEL=data /mnt/data ext4 rw,noatime,nofail 0 0" in lines
    assert first["/mnt/site"].is_dir
    assert first["/mnt/data"].is_dir
    again = written(spec, table.decode(errors="surrogateescape"))
    assert again["/etc/fstab"].content == table


def test_a_mount_with_a_target_is_there_and_nowhere_else() -> None:
    spec = replace(SPEC, mounts=(Mount("site", "/srv", "ro", target="/var/my www"),))
    files = written(spec)
    assert rb"LABEL=site /var/my\040www ext4 ro,noatime,nofail 0 0" in files["/etc/fstab"].content
    assert files["/var/my www"].is_dir
    assert files["/var/my www"].keep
    assert "/mnt/site" not in files
    assert files_digest(spec) != files_digest(replace(spec, mounts=(Mount("site", "/srv", "ro"),)))


def test_the_last_mount_takes_its_lines_along() -> None:
    spec = replace(SPEC, mounts=(Mount("site", "/srv", "ro"),))
    table = written(spec, "a b c d 0 0\n")["/etc/fstab"].content.decode()
    assert written(SPEC, table)["/etc/fstab"].content == b"a b c d 0 0\n"
    assert "/etc/fstab" not in written(SPEC, "a b c d 0 0\n")


def test_a_volume_is_found_by_its_label_and_the_guest_does_not_boot_without_it() -> None:
    volumes = (Attachment("pgdata", "/var/lib/post gres"), Attachment("shared", "/srv", "ro"))
    spec = replace(SPEC, volumes=volumes, mounts=(Mount("site", "/x", "ro"),))
    files = written(spec)
    own = [line for line in files["/etc/fstab"].content.decode().split("\n") if line.startswith("LABEL")]
    assert own == [
        "LABEL=site /mnt/site ext4 ro,noatime,nofail 0 0",
        f"LABEL={volume_label('shared')} /srv ext4 ro,noatime 0 0",
        f"LABEL={volume_label('pgdata')} /var/lib/post\\040gres ext4 rw,noatime 0 0",
    ]
    assert files["/var/lib/post gres"].is_dir
    assert files["/srv"].keep, "what the image says of an existing folder stays"


def test_env_is_written_in_each_spelling() -> None:
    env = (("PLAIN", "a b"), ("ODD", 'it\'s $HOME `x` "q" \\ %'), ("HASH", "p#w"))
    files = written(replace(SPEC, env=env), environment="PATH=/bin\n")
    pam = files["/etc/environment"].content.decode()
    assert pam.startswith("PATH=/bin\n")
    assert 'PLAIN="a b"\n' in pam
    assert "HASH" not in pam
    systemd = files["/etc/environment.d/50-vmm.conf"].content.decode()
    assert 'ODD="it\'s $$HOME \\`x\\` \\"q\\" \\\\ %"\n' in systemd
    assert "export HASH='p#w'\n" in files["/etc/profile.d/vmm.sh"].content.decode()
    gone = written(SPEC, environment=pam)
    assert gone["/etc/environment"].content == b"PATH=/bin\n"
    assert {"/etc/environment.d/50-vmm.conf", "/etc/profile.d/vmm.sh"} <= set(removals()) - set(gone)


def test_the_users_file_wins() -> None:
    spec = replace(SPEC, files=(GuestFile("/etc/hosts", "mine\n", mode=0o640, uid=7, gid=8),))
    assert written(spec)["/etc/hosts"] == GuestEntry("/etc/hosts", b"mine\n", 0o640, 7, 8)


def test_keys_that_copies_of_an_image_would_share_are_removed() -> None:
    gone = set(removals())
    assert {
        "/etc/ssh/ssh_host_rsa_key",
        "/etc/ssh/ssh_host_ecdsa_key.pub",
        "/var/lib/dbus/machine-id",
    } <= gone
    assert "/etc/dropbear/dropbear_rsa_host_key" in gone
    assert not gone & set(written(SPEC))


CHANGES = [
    {"id": "x"},
    {"hostname": "other"},
    {"peers": peers_of([("web", "172.16.0.2")])},
    {"ssh_keys": ("ssh-rsa C",)},
    {"dns": ("1.1.1.1",)},
    {"mounts": (Mount("a", "/a", "ro"),)},
    {"volumes": (Attachment("a", "/a"),)},
    {"env": (("A", "b"),)},
    {"files": (GuestFile("/a", "b"),)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_the_digest_follows_what_decides_the_files(change: dict[str, object]) -> None:
    changed = replace(SPEC, **change)  # type: ignore[arg-type]
    assert files_digest(changed) != files_digest(SPEC)


def test_the_digest_does_not_follow_the_rest() -> None:
    rest = replace(SPEC, resolvers=("8.8.8.8",), cpus=4, memory_mib=1, tap="t", mac="m", labels=(("a", "b"),))
    assert files_digest(rest) == files_digest(SPEC)
    one = replace(SPEC, mounts=(Mount("a", "/x", "ro"), Mount("b", "/x", "rw")))
    other = replace(SPEC, mounts=(Mount("b", "/y", "rw"), Mount("a", "/y", "ro")))
    assert files_digest(one) == files_digest(other)
    assert files_digest(SPEC, "key") != files_digest(SPEC)
    volumes = [
        Attachment("a", "/a"),
        Attachment("a", "/b"),
        Attachment("a", "/a", "ro"),
        Attachment("b", "/a"),
    ]
    assert len({files_digest(replace(SPEC, volumes=(volume,))) for volume in volumes}) == 4
    assert json.dumps(files_digest(SPEC))


def test_a_block_without_its_end_takes_nothing_along() -> None:
    begin = with_block("", ["x"]).split("\n")[0]
    assert with_block(f"a\n{begin}\nb\n", []) == "a\nb\n"
    assert with_block(f"a\n{begin}\nb\n", ["x"]).startswith("a\nb\n")
    assert has_block(f"a\n{begin}\nb\n")
    assert with_block("", []) == ""
