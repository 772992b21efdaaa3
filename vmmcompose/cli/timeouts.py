"""`--timeout` and `--wait-timeout`, which every command that starts guests takes."""

import click

from vmmcompose.cli.invocation import Seconds

timeout_option = click.option(
    "--timeout",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="How long one VM may take until it answers [default: its healthcheck's timeout, or 120].",
)
wait_timeout_option = click.option(
    "--wait-timeout",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="How long waiting for all VMs may take in all, their provision scripts included [default: no limit].",
)
