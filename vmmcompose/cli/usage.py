"""What to say to a command line that cannot be understood, in particular to habits from other tools."""

from collections.abc import Iterable

import click

_OTHER_COMMANDS = {
    "attach": "console",
    "build": "image build",
    "destroy": "down",
    "images": "image list",
    "init": "setup",
    "kill": "stop --grace 0",
    "ls": "list",
    "pull": "image pull",
    "rm": "delete",
    "run": "exec",
    "scale": "up --scale VM=N",
    "show": "manifest show",
    "top": "ps",
    "validate": "manifest check",
    "volumes": "volume list",
}
"""Commands of docker compose, Terraform and the shell, and what comes closest here."""
_COMES_BACK = "`vmm up` comes back when the VMs answer; --no-wait does not wait"
_ASKS = "it asks only before data is lost; --allow-data-loss answers that"
_OTHER_OPTIONS = {
    ("apply", "--auto-approve"): _ASKS,
    ("down", "-v"): "--volumes deletes the volumes",
    ("up", "--auto-approve"): _ASKS,
    ("up", "--build"): "`vmm image build` makes images",
    ("up", "--detach"): _COMES_BACK,
    ("up", "--force-recreate"): "--recreate makes new root disks; `vmm restart` starts VMs anew",
    ("up", "-d"): _COMES_BACK,
}
"""Options of the same tools, by command."""


def unknown_command(name: str, names: Iterable[str], command_path: str) -> str:
    """What to say about a command that is not there."""
    from difflib import get_close_matches

    known = list(names)
    other = _OTHER_COMMANDS.get(name, "")
    near = [other] if other.partition(" ")[0] in known else get_close_matches(name, known, 1)
    return f"there is no command {name!r}" + (f"; did you mean `{command_path} {near[0]}`?" if near else "")


def hint_for(error: click.UsageError) -> str:
    """What to do about a mistake of usage."""
    context = error.ctx
    if context is None:
        return ""
    if isinstance(error, click.NoSuchOption):
        return _option_hint(error.option_name, context)
    return f"{context.command_path} --help tells more"


def _option_hint(option: str, context: click.Context) -> str:
    root = context.find_root()
    globals_ = {name for parameter in root.command.params for name in parameter.opts}
    if option in globals_ and context is not root:
        command = context.command_path.removeprefix(f"{root.command_path} ")
        return f"{option} stands before the command: {root.command_path} {option} … {command}"
    known = _OTHER_OPTIONS.get((context.info_name or "", option))
    return known or f"{context.command_path} --help tells more"
