"""`--lock-timeout`, which the commands that work on a whole project take."""

import click

from vmmcompose.cli.invocation import Seconds

lock_timeout_option = click.option(
    "--lock-timeout",
    type=Seconds(min=0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another vmm that works on the project; 0 does not wait.",
)
