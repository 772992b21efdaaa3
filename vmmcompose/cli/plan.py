"""`vmm plan`."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.project import choose, load_desired, target_option, targets
from vmmcompose.cli.scale import Scale, scale_option
from vmmcompose.cli.timeouts import timeout_option, wait_timeout_option
from vmmcompose.errors import UsageError
from vmmcompose.model.options import Options

_HELP = """Show what `vmm up` would do and why, field by field. Changes nothing and needs no root.

\b
  +    create          ~  change, start, restart or repair
  -/+  replace: the root disk is lost          -  delete

\b
Examples:
  vmm plan                       for people
  vmm plan --json | jq .changes  for tools
  vmm plan --out friday.plan     save it: `vmm apply friday.plan` does exactly this
  vmm plan --detailed-exitcode   0 nothing to do, 2 changes, 1 an error"""


def _print_schema(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.resources import files

    click.echo((files("vmmcompose") / "schemas" / "plan.schema.json").read_text(encoding="utf-8"), nl=False)
    ctx.exit()


@click.command(help=_HELP)
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.vms)
@target_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of --json and exit.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Save the plan for `vmm apply FILE`; needs root. It may hold secrets of the manifest.",
)
@click.option(
    "--refresh",
    type=click.BOOL,
    default=True,
    metavar="true|false",
    shell_complete=lambda _ctx, _param, word: [one for one in ("true", "false") if one.startswith(word)],
    help="Whether to look at the host; false compares with the records alone [default: true].",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.option("--no-wait", is_flag=True, help="As if `up --no-wait` was asked for.")
@timeout_option
@wait_timeout_option
@click.option("--recreate", is_flag=True, help="As if `up --recreate` was asked for.")
@click.option("--remove-orphans", is_flag=True, help="As if `up --remove-orphans` was asked for.")
@scale_option
@pass_invocation
def plan(
    invocation: Invocation,
    vms: tuple[str, ...],
    target: tuple[str, ...],
    scale: Scale,
    out: str | None,
    timeout: float | None,
    wait_timeout: float | None,
    *,
    no_wait: bool,
    refresh: bool,
    as_json: bool,
    detailed_exitcode: bool,
    recreate: bool,
    remove_orphans: bool,
) -> int:
    """`vmm plan`."""
    from vmmcompose.cli.converging import show_plan

    if out and not refresh:
        raise UsageError(
            "a plan made without a look at the host cannot be saved: nobody knows its steps",
            hint="leave --refresh=false away",
        )
    names = (*vms, *targets(target))
    desired = load_desired(invocation, from_records=False, names=names, scale=scale)
    options = Options(
        only=choose(desired, names),
        recreate=recreate,
        remove_orphans=remove_orphans,
        remove_surplus=True,
        wait=not no_wait,
        timeout_s=timeout,
        wait_timeout_s=wait_timeout,
    )
    changes = show_plan(invocation, desired, options, as_json=as_json, refresh=refresh, out=out or "")
    return 2 if changes and detailed_exitcode else 0
