"""`vmm setup`: from a bare host to one that can run VMs."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import click

from vmmcompose.cli.complete import pullable_images
from vmmcompose.cli.invocation import Invocation, pass_invocation, tell
from vmmcompose.errors import HostError, Refused, VmmError
from vmmcompose.model.problem import Problem

_HELP = """Get this host ready: Firecracker, a kernel and an image, then `vmm doctor`.

What is there already is left alone, so a second run does little. Firecracker comes from its project's newest
release, with a checked SHA-256, and goes to /usr/local/bin, or where the setting firecracker_binary says; it is
left out where KVM cannot be used, unless --firecracker is said. Kernel and image come as with `vmm kernel pull`
and `vmm image pull`; where no image is named and the usual one cannot be had, tiny is built.

\b
Examples:
  vmm setup                      asks before it begins
  vmm setup --yes --image tiny
  vmm setup --yes --firecracker  also where KVM cannot be used"""
_FALLBACK = "tiny"


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing to get; `get` says what came."""

    what: str
    get: Callable[[], str]


@click.command(help=_HELP)
@click.option(
    "--image",
    metavar="NAME",
    default="",
    shell_complete=pullable_images,
    help="Which image [default: as `vmm image pull`].",
)
@click.option("--firecracker", is_flag=True, help="Install Firecracker even where KVM cannot be used.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_invocation
def setup(invocation: Invocation, image: str, *, firecracker: bool, yes: bool) -> None:
    """`vmm setup`."""
    from vmmcompose.cli.doctor import doctor
    from vmmcompose.host.access import require_root

    require_root("setting this host up")
    steps = [
        *_firecracker_step(invocation, wanted=firecracker),
        *_kernel_step(invocation),
        *_image_step(invocation, image),
    ]
    if steps:
        _agree(invocation, [step.what for step in steps], yes=yes)
    faults = _take(invocation, steps)
    try:
        click.get_current_context().invoke(doctor, as_json=False)
    except VmmError:
        if not faults:
            raise
    if faults:
        raise HostError(
            f"{len(faults)} of {len(steps)} steps failed", hint="run `vmm setup` again", problems=faults
        )


def _firecracker_step(invocation: Invocation, *, wanted: bool) -> list[_Step]:
    from vmmcompose.host.kvm import find_binary, kvm_usable
    from vmmcompose.images import firecracker

    settings = invocation.settings()
    found = find_binary(settings, "firecracker")
    usable, reason = kvm_usable()
    if found:
        invocation.say(f"firecracker: {found} is there")
        return []
    if not usable and not wanted:
        invocation.say(f"firecracker: left out, it needs KVM: {reason}")
        return []
    what = f"Firecracker, into {firecracker.target_path(settings)}"
    return [_Step(what, lambda: firecracker.install(invocation.paths(), settings, invocation.say))]


def _kernel_step(invocation: Invocation) -> list[_Step]:
    from vmmcompose.host import store
    from vmmcompose.images import pull

    paths = invocation.paths()
    if "default" in store.list_kernels(paths):
        invocation.say(f"kernel: {store.default_kernel(paths)} is there")
        return []
    return [
        _Step("a kernel", lambda: pull.pull_kernel(paths, invocation.settings(), "", invocation.say).name)
    ]


def _image_step(invocation: Invocation, name: str) -> list[_Step]:
    from vmmcompose.host import store
    from vmmcompose.images import pull

    paths, settings = invocation.paths(), invocation.settings()
    there = [one for one, image in store.list_images(paths).items() if image.digest]
    wanted = name or pull.default_image(settings)
    if wanted in there or (there and not name):
        invocation.say(f"image: {wanted if wanted in there else ', '.join(there)} is there")
        return []

    def get() -> str:
        try:
            return pull.pull_image(paths, settings, wanted, invocation.say).name
        except VmmError as error:
            if name or settings.vm_defaults.image:
                raise
            invocation.say(f"{error.message}; building {_FALLBACK} instead")
            return pull.pull_image(paths, settings, _FALLBACK, invocation.say).name

    return [_Step(f"the image {wanted}", get)]


def _agree(invocation: Invocation, lines: list[str], *, yes: bool) -> None:
    say = invocation.say if yes else tell  # -q hides no question's reason
    for line in ("to be fetched:", *(f"  {line}" for line in lines)):
        say(line)
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("nothing was fetched: nobody can be asked here", hint="say --yes if that is meant")
    if not click.confirm("Go on?", default=True, err=True):
        raise Refused("nothing was fetched")


def _take(invocation: Invocation, steps: list[_Step]) -> list[Problem]:
    """Takes every step, also after one has failed; gives what went wrong."""
    faults: list[Problem] = []
    for step in steps:
        try:
            invocation.say(f"{step.what}: {step.get()}")
        except VmmError as error:
            invocation.say(f"{step.what}: {error.message}")
            faults += error.problems or [Problem("setup", f"{step.what}: {error.message}", hint=error.hint)]
    return faults
