"""`vmm plan`."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.project import choose, load_desired
from vmmcompose.model.options import Options

_HELP = """Show what `vmm up` would do and why, field by field. Changes nothing and needs no root.

\b
  +    create          ~  change, start, restart or repair
  -/+  replace: the root disk is lost          -  delete

\b
Examples:
  vmm plan                       for people
  vmm plan --json | jq .changes  for tools
  vmm plan --detailed-exitcode   0 nothing to do, 2 changes, 1 an error"""


def _print_schema(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.resources import files

    click.echo((files("vmmcompose") / "schemas" / "plan.schema.json").read_text(encoding="utf-8"), nl=False)
    ctx.exit()


@click.command(help=_HELP)
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.vms)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of --json and exit.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.option("--recreate", is_flag=True, help="As if `up --recreate` was asked for.")
@click.option("--remove-orphans", is_flag=True, help="As if `up --remove-orphans` was asked for.")
@pass_invocation
def plan(
    invocation: Invocation,
    vms: tuple[str, ...],
    *,
    as_json: bool,
    detailed_exitcode: bool,
    recreate: bool,
    remove_orphans: bool,
) -> int:
    """`vmm plan`."""
    from vmmcompose.cli.converging import show_plan

    desired = load_desired(invocation, from_records=False)
    options = Options(only=choose(desired, vms), recreate=recreate, remove_orphans=remove_orphans)
    changes = show_plan(invocation, desired, options, as_json=as_json)
    return 2 if changes and detailed_exitcode else 0
