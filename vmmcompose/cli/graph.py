"""`vmm graph`."""

from typing import TYPE_CHECKING

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.output import OUTPUT_HELP, show
from vmmcompose.cli.project import load_desired
from vmmcompose.errors import UsageError

if TYPE_CHECKING:
    from vmmcompose.render.graph import Graph, Seen

FORMATS = ("mermaid", "dot", "svg")
_SUFFIXES = {"mmd": "mermaid", "dot": "dot", "gv": "dot", "svg": "svg"}
_OTHER_PICTURES = ("gif", "jpg", "pdf", "png", "ps", "webp")

_HELP = """Draw the project: its VMs on their bridge, the ports that lead to them, folders, volumes, dependencies.

VMs are shown with their state and address where this host knows them; VMs whose profile is not chosen are
pale. With --plan it draws the steps of what `vmm up` would do, and which waits for which. Needs no root.
Mermaid is what forges draw inside Markdown; dot and SVG are Graphviz's, and SVG needs it installed.

\b
Examples:
  vmm graph                    as Mermaid text
  vmm graph -o shop.svg        as a picture
  vmm graph --plan --format dot | dot -Tpng -o plan.png"""


@click.command(help=_HELP)
@click.option("--plan", "planned", is_flag=True, help="The steps of what `vmm up` would do.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How to write it [default: what the file's name ends in, or mermaid].",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help=OUTPUT_HELP)
@pass_invocation
def graph(invocation: Invocation, form: str | None, output: str | None, *, planned: bool) -> None:
    """`vmm graph`."""
    from vmmcompose.render.graph import WRITERS

    chosen = form or _format_of(output or "")
    picture = _plan(invocation) if planned else _project(invocation)
    if chosen == "svg":
        from vmmcompose.host.graphviz import svg

        show(output, svg(WRITERS["dot"](picture)))
    else:
        show(output, WRITERS[chosen](picture))


def _format_of(output: str) -> str:
    suffix = output.rpartition("/")[2].rpartition(".")[2].lower()
    if suffix in _OTHER_PICTURES:
        raise UsageError(
            f"{output}: there is no format {suffix!r}; there are {', '.join(FORMATS)}",
            hint=f"Graphviz makes it: vmm graph --format dot | dot -T{suffix} -o {output}",
        )
    return _SUFFIXES.get(suffix, FORMATS[0])


def _project(invocation: Invocation) -> "Graph":
    from vmmcompose.render.graph import project_graph

    desired = load_desired(invocation, from_records=True)
    settings = invocation.settings()
    network = f"network {settings.bridge_name} · {settings.subnet}"
    return project_graph(desired, network, _seen(invocation, desired.project))


def _seen(invocation: Invocation, project: str) -> "dict[str, Seen]":
    """What this host knows of the project's VMs; where its records are out of reach, the manifest is drawn alone."""
    from vmmcompose.cli.project import read_all
    from vmmcompose.cli.ps import busy_names, live_state
    from vmmcompose.errors import HostError
    from vmmcompose.render.graph import Seen

    try:
        records = [record for record in read_all(invocation)[0] if record.spec.project == project]
        busy = busy_names(invocation, records)
    except HostError as error:
        invocation.say(f"not seen: the VMs on this host: {error.message}")
        return {}
    return {
        record.spec.vm: Seen(live_state(record, busy), record.spec.ip, record.spec.added_ports)
        for record in records
    }


def _plan(invocation: Invocation) -> "Graph":
    from vmmcompose.cli.converging import refuse_problems, show_notes
    from vmmcompose.model.options import Options
    from vmmcompose.reconcile import plan_project
    from vmmcompose.render.graph import plan_graph

    desired = load_desired(invocation, from_records=False)
    plan, observed = plan_project(invocation.settings(), desired, Options(remove_surplus=True))
    show_notes(invocation, plan, observed.unseen)
    refuse_problems(invocation, plan)
    return plan_graph(plan)
