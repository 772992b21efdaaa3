"""Which files make a copy of an image this VM and no other."""

import hashlib
import json

from vmmcompose.guest import environment
from vmmcompose.guest.blocks import has_block, with_block
from vmmcompose.guest.entries import GuestEntry, folder, mount_point
from vmmcompose.guest.names import fstab_path, host_name, hosts_file, resolv_conf, volume_label
from vmmcompose.model.spec import VmSpec

FORMAT = 1
"""Counts up when the same spec gives other files, so that existing disks are written anew."""
FSTAB = "/etc/fstab"
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
_FOREIGN_KEYS = tuple(
    f"/etc/ssh/ssh_host_{kind}_key{suffix}"
    for kind in ("rsa", "ecdsa", "dsa")
    for suffix in ("", ".pub", "-cert.pub")
)
_DROPBEAR_KEYS = tuple(
    f"/etc/dropbear/dropbear_{kind}_host_key" for kind in ("rsa", "ecdsa", "ed25519", "dss")
)


def removals() -> tuple[str, ...]:
    """What has to go from the image because it would be shared by all its copies, or be stale.

    Other host keys than the VM's own, certificates of them, a second machine id, and `env` of an earlier run.
    A path that `guest_files` gives as well is written, not removed.
    """
    return (
        *_FOREIGN_KEYS,
        f"{_HOST_KEY}-cert.pub",
        *_DROPBEAR_KEYS,
        "/var/lib/dbus/machine-id",
        environment.SYSTEMD,
        environment.SHELL,
    )


def guest_files(
    spec: VmSpec,
    *,
    managed_key: str,
    host_key: bytes,
    host_key_pub: str,
    existing_fstab: str,
    existing_environment: str = "",
) -> tuple[GuestEntry, ...]:
    """The files of this VM, each path once; the manifest's `files` come last and win.

    `host_key` is in OpenSSH's format. `existing_fstab` and `existing_environment` are the disk's /etc/fstab
    and /etc/environment (undecodable bytes as surrogates), whose own lines are kept.
    """
    entries = [
        GuestEntry("/etc/hostname", _text(host_name(spec))),
        GuestEntry("/etc/machine-id", _text(machine_id(spec)), 0o444),
        GuestEntry("/etc/hosts", hosts_file(spec).encode()),
        GuestEntry("/etc/resolv.conf", resolv_conf(spec).encode()),
        GuestEntry(_HOST_KEY, host_key, 0o600),
        GuestEntry(f"{_HOST_KEY}.pub", _text(host_key_pub)),
        folder("/root/.ssh", 0o700),
        GuestEntry("/root/.ssh/authorized_keys", authorized_keys(spec, managed_key).encode(), 0o600),
        *_mounts(spec, existing_fstab),
        *_environment(spec, existing_environment),
        *(
            GuestEntry(file.path, _bytes(file.content), file.mode & 0o7777, file.uid, file.gid)
            for file in spec.files
        ),
    ]
    return tuple({entry.path: entry for entry in entries}.values())


def machine_id(spec: VmSpec) -> str:
    """machine-id(5) from the VM's id: 32 hex digits, the same for the VM's whole life."""
    return hashlib.sha256(f"vmm:{spec.id}".encode()).hexdigest()[:32]


def authorized_keys(spec: VmSpec, managed_key: str) -> str:
    """The whole file: the managed key and the user's, each once."""
    keys = dict.fromkeys(key.strip() for key in (managed_key, *spec.ssh_keys))
    return "".join(f"{key}\n" for key in keys if key)


def _mounts(spec: VmSpec, existing_fstab: str) -> list[GuestEntry]:
    """fstab(5) and the mount points; parents come before what is mounted in them.

    A guest does without a mount that fails. Without a volume it stops booting (no `nofail`): what a service
    would write to the root disk instead, nobody would find again.
    """
    mounts, volumes = sorted(spec.mounts), sorted(spec.volumes, key=lambda volume: volume.target)
    if not mounts and not volumes and not has_block(existing_fstab):
        return []
    lines = [f"LABEL={m.tag} {fstab_path(m.place)} ext4 {m.mode},noatime,nofail 0 0" for m in mounts]
    lines += [
        f"LABEL={volume_label(v.volume)} {fstab_path(v.target)} ext4 {v.mode},noatime 0 0" for v in volumes
    ]
    return [
        GuestEntry(FSTAB, _bytes(with_block(existing_fstab, lines))),
        *(mount_point(m.target) if m.target else folder(m.place) for m in mounts),
        *(mount_point(v.target) for v in volumes),
    ]


def _environment(spec: VmSpec, existing: str) -> list[GuestEntry]:
    entries = []
    if spec.env or has_block(existing):
        content = with_block(existing, environment.pam_lines(spec.env))
        entries.append(GuestEntry(environment.PAM, _bytes(content)))
    if spec.env:
        systemd, shell = environment.systemd_lines(spec.env), environment.shell_lines(spec.env)
        entries.append(GuestEntry(environment.SYSTEMD, _bytes("\n".join(systemd) + "\n")))
        entries.append(GuestEntry(environment.SHELL, _bytes("\n".join(shell) + "\n")))
    return entries


def files_digest(spec: VmSpec, managed_key: str = "") -> str:
    """A digest of everything in the spec that decides the files; the host's own name servers do not count."""
    deciding: list[object] = [
        FORMAT,
        spec.id,
        spec.project,
        spec.vm,
        host_name(spec),
        spec.ip,
        spec.peers.digest,
        [managed_key, *spec.ssh_keys],
        spec.dns,
        sorted((m.tag, m.mode, *filter(None, [m.target])) for m in spec.mounts),
        spec.env,
        [(file.path, file.content, file.mode, file.uid, file.gid) for file in spec.files],
    ]
    if spec.volumes:  # so that disks without any, written before there were volumes, stay as they are
        deciding.append(sorted((v.volume, v.target, v.mode) for v in spec.volumes))
    return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()


def _text(line: str) -> bytes:
    return f"{line.strip()}\n".encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
