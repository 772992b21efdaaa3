"""`vmm apply`."""

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.patience import lock_timeout_option
from vmmcompose.errors import Refused, UsageError

_HELP = """Do a plan that `vmm plan --out FILE` saved, exactly as it was shown, or nothing.

Looks at the host and plans again; when that is not the saved plan any more, it says what differs and changes nothing.
A plan is applied once. The manifest is not needed: what it meant is in the file, secrets too, so keep it to yourself.
Data that the plan loses is asked about on a terminal; elsewhere it takes --allow-data-loss.

\b
Examples:
  vmm plan --out friday.plan    look at it, let others look at it
  vmm apply friday.plan         do this and nothing else"""


@click.command(help=_HELP)
@click.argument("file", metavar="FILE", required=False, type=click.Path())
@click.option("--allow-data-loss", is_flag=True, help="Do not ask when data would be lost.")
@lock_timeout_option
@pass_invocation
def apply(invocation: Invocation, file: str | None, lock_timeout: float, *, allow_data_loss: bool) -> None:
    """`vmm apply`."""
    if file is None:
        raise UsageError(
            "which saved plan?", hint="vmm plan --out FILE saves one; `vmm up` plans and does it at once"
        )
    from vmmcompose.cli.converging import Consent, Terms, converge_shown
    from vmmcompose.cli.saving import check_place, expectation, tell_edited
    from vmmcompose.host.access import require_root
    from vmmcompose.host.savedplans import read_saved

    require_root("changing VMs")
    saved = read_saved(file)
    check_place(invocation, file, saved)
    if any(problem.severity == "error" for problem in saved.plan.problems):
        raise Refused(f"{file} holds a plan with problems; it cannot be applied", hint="vmm plan shows them")
    tell_edited(invocation, saved)
    if not saved.plan.steps:
        invocation.say("nothing to do: the plan is empty")
        return
    terms = Terms(expect=expectation(invocation, saved), plan_id=saved.id, patience_s=lock_timeout)
    converge_shown(invocation, saved.desired, saved.options, Consent(allow_data_loss), terms=terms)
