"""The `vmm` command: global options and the table of commands."""

import os
from collections.abc import Sequence

import click

from vmmcompose import __version__
from vmmcompose.cli.failures import guard
from vmmcompose.cli.invocation import Invocation
from vmmcompose.cli.lazy import Entry, LazyGroup

_PROJECT = "Project (from vmm.yaml, or named with -p)"
_VM = "VMs, with a manifest or without"
_HOST = "Host"
_CLI = "vmmcompose.cli"

COMMANDS = {
    "up": Entry(f"{_CLI}.up", "up", "Make the host match the manifest", _PROJECT),
    "down": Entry(f"{_CLI}.up", "down", "Delete the project's VMs and everything of theirs", _PROJECT),
    "plan": Entry(f"{_CLI}.plan", "plan", "Show what `up` would do, and why", _PROJECT),
    "apply": Entry(f"{_CLI}.apply", "apply", "Do a saved plan, exactly that or nothing", _PROJECT),
    "watch": Entry(f"{_CLI}.watch", "watch", "Keep the host as the manifest says", _PROJECT),
    "graph": Entry(f"{_CLI}.graph", "graph", "Draw the project, or the steps of a plan", _PROJECT),
    "export": Entry(f"{_CLI}.export", "export", "Write the project down for another engine", _PROJECT),
    "ps": Entry(f"{_CLI}.ps", "ps", "List VMs", _PROJECT),
    "list": Entry(f"{_CLI}.ps", "list_all", "List the VMs of all projects", _PROJECT),
    "volume": Entry(f"{_CLI}.volume", "volume", "List and delete the disks that outlive VMs", _PROJECT),
    "logs": Entry(f"{_CLI}.logs", "logs", "Show what guests printed on their consoles", _PROJECT),
    "manifest": Entry(
        f"{_CLI}.manifest", "manifest", "Show the manifest as it is understood, check it", _PROJECT
    ),
    "create": Entry(f"{_CLI}.create", "create", "Create a VM without a manifest", _VM),
    "start": Entry(f"{_CLI}.power", "start", "Start stopped VMs", _VM),
    "stop": Entry(f"{_CLI}.power", "stop", "Shut VMs down and keep their disks", _VM),
    "restart": Entry(f"{_CLI}.power", "restart", "Stop and start VMs", _VM),
    "pause": Entry(f"{_CLI}.power", "pause", "Stop VMs' CPUs where they are", _VM),
    "resume": Entry(f"{_CLI}.power", "resume", "Let paused VMs run on", _VM),
    "delete": Entry(f"{_CLI}.create", "delete", "Delete VMs and everything of theirs", _VM),
    "ssh": Entry(f"{_CLI}.ssh", "ssh", "Log in to a VM", _VM),
    "exec": Entry(f"{_CLI}.ssh", "exec_", "Run a command in a VM", _VM),
    "cp": Entry(f"{_CLI}.cp", "cp", "Copy files and folders into a VM or out of it", _VM),
    "console": Entry(f"{_CLI}.logs", "console", "Show one VM's console", _VM),
    "port-forward": Entry(f"{_CLI}.forwards", "port_forward", "Forward ports of this host to a VM", _VM),
    "mount": Entry(f"{_CLI}.mount", "mount", "List and renew the host directories in a VM", _VM),
    "snapshot": Entry(f"{_CLI}.snapshot", "snapshot", "Keep VMs' memory and disks, and go back", _VM),
    "inspect": Entry(f"{_CLI}.inspect", "inspect", "Show everything known about a VM, as JSON", _VM),
    "kernel": Entry(f"{_CLI}.kernel", "kernel", "List, pull, import, build and delete kernels", _HOST),
    "image": Entry(f"{_CLI}.image", "image", "List, pull, import, build, snapshot and delete images", _HOST),
    "config": Entry(f"{_CLI}.config", "config", "Show and change the settings", _HOST),
    "adopt": Entry(f"{_CLI}.adopt", "adopt", "Take over VMs of baremetalvmm", _HOST),
    "autostart": Entry(f"{_CLI}.autostart", "autostart", "Bring up at boot what was up before", _HOST),
    "history": Entry(f"{_CLI}.history", "history", "Show what was done on this host, and by whom", _HOST),
    "events": Entry(f"{_CLI}.history", "events", "Show what happens on this host, step by step", _HOST),
    "setup": Entry(f"{_CLI}.setup", "setup", "Get this host ready: Firecracker, a kernel, an image", _HOST),
    "doctor": Entry(f"{_CLI}.doctor", "doctor", "Check what this host can do, and say what to do", _HOST),
    "completion": Entry(f"{_CLI}.completion", "completion", "Print a shell's completion script", _HOST),
    "uninstall": Entry(f"{_CLI}.uninstall", "uninstall", "Remove what vmm has put on this host", _HOST),
    "version": Entry(f"{_CLI}.version", "version", "Show the version", _HOST),
}

_EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 changes pending (plan --detailed-exitcode), 64 usage,
65 manifest invalid, 69 this host cannot do it, 75 locked by another vmm, 130 interrupted.
`ssh` and `exec` return the remote command's code."""


class Commands(LazyGroup):
    """All commands."""

    entries = COMMANDS


def _profiles(context: click.Context, parameter: click.Parameter, word: str) -> list[str]:
    from vmmcompose.cli import complete

    return complete.profiles(context, parameter, word)


@click.group(
    cls=Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-f",
    "--file",
    type=click.Path(),
    multiple=True,
    metavar="PATH",
    help="Manifest; of several, later ones are merged onto earlier ones "
    "[default: vmm.yaml here or in a parent folder, with vmm.override.yaml].",
)
@click.option("-p", "--project-name", metavar="NAME", default="", help="Project [default: the manifest's].")
@click.option(
    "--env-file",
    type=click.Path(),
    multiple=True,
    metavar="PATH",
    help="Variables of the manifest; of several, later ones win [default: .env beside the manifest].",
)
@click.option(
    "--profile",
    multiple=True,
    metavar="NAME",
    shell_complete=_profiles,
    help="Profiles of VMs to have as well [default: VMM_PROFILES, comma separated].",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    metavar="PATH",
    help="Where everything is kept [default: /var/lib/vmm].",
)
@click.option("-q", "--quiet", is_flag=True, help="Only data and errors.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Progress and errors on standard error.",
)
@click.version_option(__version__, prog_name="vmm", message="%(prog)s %(version)s")
@click.pass_context
def vmm(  # noqa: D103 - the docstring would be the help text, which stands below
    ctx: click.Context,
    file: tuple[str, ...],
    project_name: str,
    env_file: tuple[str, ...],
    profile: tuple[str, ...],
    data_dir: str | None,
    log_format: str,
    *,
    quiet: bool,
    debug: bool,
) -> None:
    ctx.obj = ctx.ensure_object(Invocation)
    ctx.obj.files = file
    ctx.obj.env_files = env_file
    ctx.obj.profiles = profile
    ctx.obj.project = project_name
    ctx.obj.data_dir = data_dir
    ctx.obj.quiet = quiet
    ctx.obj.debug = debug
    ctx.obj.log_format = log_format


vmm.help = """Virtual machines as a project: `vmm.yaml` says which ones, `vmm plan` shows what differs
on this host, `vmm up` makes it so, `vmm down` leaves no trace.

\b
  vmm plan                 what would happen, field by field
  vmm up                   make it happen, wait until the VMs answer
  vmm ssh web              log in
  vmm exec web -- uname -r run one command
  vmm logs -f web          follow the console
  vmm down                 everything away"""


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code; never raises."""
    question = os.environ.get("_VMM_COMPLETE")
    if question:
        from vmmcompose.cli.completion import answer

        return answer(vmm, question)
    invocation = Invocation()

    def command() -> int:
        result = vmm.main(list(arguments), prog_name="vmm", standalone_mode=False, obj=invocation)
        return result if isinstance(result, int) else 0

    return guard(command, debug=lambda: invocation.debug, as_json=lambda: invocation.log_format == "json")
