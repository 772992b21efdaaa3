"""What vmm writes into a guest, as cloud-init's user data (https://cloudinit.readthedocs.io/en/latest/reference/)."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from vmmcompose.guest import environment
from vmmcompose.guest.scripts import interpreter
from vmmcompose.model.desired import DesiredVm, Provision
from vmmcompose.render.export.yamltext import document

SCRIPTS = "/var/lib/vmm/provision"


def user_data(vm: DesiredVm, devices: Mapping[str, str]) -> str:
    """The user data of a VM. `devices` are those of its volumes, which are formatted when they are blank."""
    value: dict[str, Any] = {"hostname": vm.hostname or vm.name}
    if vm.ssh_keys:
        root = {"name": "root", "ssh_authorized_keys": list(vm.ssh_keys)}
        value |= {"disable_root": False, "users": ["default", root]}
    files = [*_environment(vm), *_files(vm), *_scripts(vm)]
    if files:
        value["write_files"] = files
    if vm.volumes:
        value["fs_setup"] = [
            {"device": devices[a.volume], "partition": "none", "filesystem": "ext4", "overwrite": False}
            for a in vm.volumes
            if a.mode == "rw"
        ]
        value["mounts"] = [
            [devices[a.volume], a.target, "ext4", f"{a.mode},noatime,nofail", "0", "2"] for a in vm.volumes
        ]
    commands = [*_owners(vm), *_runs(vm)]
    if commands:
        value["runcmd"] = commands
    return "#cloud-config\n" + document({key: part for key, part in value.items() if part != []})


def _environment(vm: DesiredVm) -> Iterable[dict[str, Any]]:
    if not vm.env:
        return
    yield {**_file(environment.PAM, _lines(environment.pam_lines(vm.env)), 0o644), "append": True}
    yield _file(environment.SYSTEMD, _lines(environment.systemd_lines(vm.env)), 0o644)
    yield _file(environment.SHELL, _lines(environment.shell_lines(vm.env)), 0o644)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _files(vm: DesiredVm) -> Iterable[dict[str, Any]]:
    return (_file(file.path, file.content, file.mode) for file in vm.files)


def _scripts(vm: DesiredVm) -> Iterable[dict[str, Any]]:
    for number, script in enumerate(vm.provision, 1):
        yield _file(_path(number, script), script.content, 0o700)


def _runs(vm: DesiredVm) -> Iterable[list[str]]:
    """With what vmm runs them; see `guest.scripts`."""
    for number, script in enumerate(vm.provision, 1):
        yield ["env", "DEBIAN_FRONTEND=noninteractive", *interpreter(script.content), _path(number, script)]


def _path(number: int, script: Provision) -> str:
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in script.name)[:40].strip("-")
    return f"{SCRIPTS}/{number:02d}-{name}" if name else f"{SCRIPTS}/{number:02d}"


def _file(path: str, content: str, mode: int) -> dict[str, Any]:
    """Bytes that are no text, and texts that YAML would not give back as they are, go as base64."""
    entry: dict[str, Any] = {"path": path, "permissions": f"0{mode:03o}"}
    if all(c.isprintable() or c == "\n" for c in content) and not content.startswith((" ", "\n")):
        return {**entry, "content": content}
    return {
        **entry,
        "encoding": "b64",
        "content": b64encode(content.encode("utf-8", "surrogateescape")).decode(),
    }


def _owners(vm: DesiredVm) -> Iterable[list[str]]:
    """`write_files` knows owners by name only."""
    return (["chown", f"{file.uid}:{file.gid}", file.path] for file in vm.files if file.uid or file.gid)
