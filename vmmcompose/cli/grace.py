"""`--grace`, which every command that shuts guests down takes."""

import click

from vmmcompose.cli.invocation import Seconds

grace_option = click.option(
    "--grace",
    type=Seconds(min=0),
    metavar="SECONDS",
    help="How long a guest may take to shut down before it is ended [default: its own time, or 30].",
)
