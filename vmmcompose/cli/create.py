"""`vmm create` and `vmm delete`: VMs without a manifest."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import click

from vmmcompose.cli import complete
from vmmcompose.cli.given import given, size
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.errors import Refused, UsageError, VmmError
from vmmcompose.model.desired import CPUS, DISK_MIB, MEMORY_MIB, DesiredVm, Forward, Mount, Restart

if TYPE_CHECKING:
    from vmmcompose.model.settings import VmDefaults

_CREATE_HELP = """Create a VM without a manifest: write its record and give it an address, nothing else.

`vmm start` copies the image and boots it. What is not given comes from `vm_defaults` of the settings, and
without one from what is built in. Sizes are such as 512MiB or 2GiB; a plain number counts MiB. The public keys
of --ssh-key may log in as root, beside vmm's own key; without it the usual ones in your ~/.ssh.

\b
Examples:
  vmm create dev --image debian-12
  vmm create web --cpus 2 --memory 1GiB --disk 4GiB --image tiny \\
      --port 8080:80 --mount ./site:site:ro
  vmm start web"""


@click.command(help=_CREATE_HELP)
@click.argument("name", metavar="NAME")
@click.option("--cpus", type=click.IntRange(*CPUS), help="Virtual CPUs.")
@click.option("--memory", metavar="SIZE", help="Memory.")
@click.option("--disk", metavar="SIZE", help="Root disk; at least the image's size.")
@click.option(
    "--image", metavar="NAME", shell_complete=complete.images, help="Image in the store, or a path."
)
@click.option(
    "--kernel", metavar="NAME", shell_complete=complete.kernels, help="Kernel in the store, or a path."
)
@click.option(
    "--ssh-key",
    "ssh_keys",
    type=click.Path(),
    metavar="PATH",
    multiple=True,
    help="Public key file (repeatable).",
)
@click.option("--dns", metavar="ADDRESS", multiple=True, help="Name server (repeatable).")
@click.option(
    "--mount",
    "mounts",
    metavar="HOST:TAG[:ro|rw]",
    multiple=True,
    help="Directory, at /mnt/TAG (repeatable).",
)
@click.option(
    "--port", "ports", metavar="[BIND:]HOST:GUEST[/udp]", multiple=True, help="Forward (repeatable)."
)
@click.option(
    "--restart",
    type=click.Choice(get_args(Restart)),
    default="always",
    show_default=True,
    help="Whether the start at boot brings it up.",
)
@click.option("--hypervisor", type=click.Choice(["auto", "firecracker", "qemu"]), help="What runs it.")
@click.option("--boot-args", metavar="TEXT", help="More kernel arguments.")
@click.option("--ip", metavar="ADDRESS", help="A fixed address of the VM subnet.")
@click.option("--hostname", metavar="NAME", help="The guest's host name [default: NAME].")
@pass_invocation
def create(
    invocation: Invocation,
    name: str,
    *,
    cpus: int | None,
    memory: str | None,
    disk: str | None,
    image: str | None,
    kernel: str | None,
    ssh_keys: tuple[str, ...],
    dns: tuple[str, ...],
    mounts: tuple[str, ...],
    ports: tuple[str, ...],
    restart: Restart,
    hypervisor: str | None,
    boot_args: str | None,
    ip: str | None,
    hostname: str | None,
) -> None:
    """`vmm create`."""
    from vmmcompose.manifest import locations, network, values

    _check_name(invocation, name)
    settings = invocation.settings()
    defaults, here = settings.vm_defaults, os.getcwd()
    vm = DesiredVm(
        name=name,
        image=given("--image", locations.store_item, image, here) if image else _image(invocation, defaults),
        kernel=given("--kernel", locations.store_item, kernel or defaults.kernel, here),
        boot_args=given("--boot-args", values.boot_args, boot_args) if boot_args else "",
        cpus=cpus or defaults.cpus,
        memory_mib=size("--memory", memory, *MEMORY_MIB) if memory else defaults.memory_mib,
        disk_mib=size("--disk", disk, *DISK_MIB) if disk else _disk(invocation, image, defaults),
        hypervisor=hypervisor or "auto",
        ssh_keys=_keys(ssh_keys, defaults),
        dns=tuple(dict.fromkeys(given("--dns", network.name_server, server) for server in dns))
        or defaults.dns_servers,
        hostname=given("--hostname", values.hostname, hostname) if hostname else "",
        ip=given("--ip", network.pinned_ip, ip, settings) if ip else "",
        mounts=_mounts(mounts, here),
        ports=_ports(ports),
        restart=restart,
        power="stopped",
    )
    _create(invocation, vm)


_DELETE_HELP = """Delete VMs with their disks, addresses, forwards, mounts, snapshots, logs and keys.

A running VM is refused unless --force says so. A manifest's VM comes back with the next `vmm up`.

\b
Examples:
  vmm delete dev
  vmm delete --force web db"""


@click.command(help=_DELETE_HELP)
@click.argument("vms", metavar="VM...", nargs=-1, required=True, shell_complete=complete.recorded_vms)
@click.option("-f", "--force", is_flag=True, help="Also those that run.")
@pass_invocation
def delete(invocation: Invocation, vms: tuple[str, ...], *, force: bool) -> None:
    """`vmm delete`."""
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.cli.project import find_records
    from vmmcompose.cli.ps import live_state
    from vmmcompose.cli.targets import recorded
    from vmmcompose.model.options import Options

    records = [record for name in vms for record in find_records(invocation, name)]
    running = [r.spec.vm for r in records if live_state(r, frozenset()) in ("running", "paused")]
    if running and not force:
        names = " ".join(running)
        verb = "runs" if len(running) == 1 else "run"
        raise VmmError(f"{names} {verb}; nothing was deleted", hint=f"vmm stop {names}, or say --force")
    for target in recorded(invocation, vms):
        options = Options(only=target.only, alone=True)
        converge_shown(invocation, target.with_power("absent"), options, Consent(allowed=True))


def _create(invocation: Invocation, vm: DesiredVm) -> None:
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.model.desired import Desired
    from vmmcompose.model.options import Options

    options = Options(only=(vm.name,), register=True, fresh=True, wait=False)
    try:
        converge_shown(invocation, Desired("", (vm,)), options, Consent(allowed=False))
    except Refused as error:
        # There is no file that they could point into.
        error.problems = tuple(replace(problem, at=()) for problem in error.problems)
        raise
    click.echo(vm.name)


def _check_name(invocation: Invocation, name: str) -> None:
    from vmmcompose.cli.project import read_all
    from vmmcompose.manifest import values

    fault = values.name_fault(name)
    if fault or len(name) > values.NAME_LENGTH:
        raise UsageError(
            f"{name!r} cannot be a VM's name", hint=fault or f"at most {values.NAME_LENGTH} characters"
        )
    owner = next((r.spec for r in read_all(invocation)[0] if r.spec.name == name), None)
    if owner is not None:
        whose = f" (of project {owner.project})" if owner.project else ""
        raise UsageError(
            f"there is a VM {name} already{whose}", hint=f"`vmm start {name}`, or `vmm delete {name}`"
        )


def _image(invocation: Invocation, defaults: "VmDefaults") -> str:
    """The image of the settings, or the only one there is."""
    if defaults.image:
        return defaults.image
    from vmmcompose.host.store import list_images

    known = list(list_images(invocation.paths()))
    if len(known) == 1:
        return known[0]
    hint = f"there are {', '.join(known)}" if known else "`vmm image pull` or `vmm image build` gets one"
    raise UsageError("which image? Give --image", hint=hint)


def _disk(invocation: Invocation, image: str | None, defaults: "VmDefaults") -> int:
    """The default size, or the image's own where that is more."""
    from vmmcompose.host.store import list_images

    known = list_images(invocation.paths()).get(image or defaults.image)
    return max(defaults.disk_mib, -(-known.size_bytes >> 20)) if known else defaults.disk_mib


def _keys(paths: tuple[str, ...], defaults: "VmDefaults") -> tuple[str, ...]:
    """Public key lines, read now: later the files may be others'."""
    from vmmcompose.host.userkeys import user_public_keys

    chosen = [os.path.abspath(os.path.expanduser(path)) for path in paths] or [defaults.ssh_key_path]
    keys = (key for path in chosen for key in user_public_keys(os.environ, path))
    return tuple(sorted(set(keys)))


def _mounts(texts: tuple[str, ...], base_dir: str) -> tuple[Mount, ...]:
    from vmmcompose.manifest.storage import mount

    found = [given("--mount", mount, text, base_dir) for text in texts]
    twice = {one.tag for one in found if sum(other.tag == one.tag for other in found) > 1}
    if twice:
        raise UsageError(
            f"--mount has the tag {min(twice)} twice", hint=f"/mnt/{min(twice)} can be one directory only"
        )
    return tuple(sorted(found))


def _ports(texts: tuple[str, ...]) -> tuple[Forward, ...]:
    from vmmcompose.manifest.network import forward

    found = [given("--port", forward, text) for text in texts]
    keys = [(one.protocol, one.bind, one.host) for one in found]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise UsageError(
            f"--port forwards host port {twice[2]}/{twice[0]} twice", hint="a host port leads to one place"
        )
    return tuple(sorted(found))
