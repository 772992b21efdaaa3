"""`vmm manifest …`: the manifest as vmm understands it, what is wrong with it, and its schema."""

from typing import TYPE_CHECKING

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.lazy import Entry, LazyGroup

if TYPE_CHECKING:
    from vmmcompose.manifest import Manifest

_HERE = "vmmcompose.cli.manifest"
_SECTION = "Manifest"
_SHOW = """Print the manifest as vmm understands it: all files as one, variables filled in, paths absolute.

What is printed is a manifest that plans the same. It holds the values of all variables, passwords too.

\b
Examples:
  vmm manifest show
  vmm -f vmm.yaml -f ci.yaml manifest show --origins
  vmm manifest show --format json | jq .vms.web"""
_SCHEMA = """Print the JSON Schema of vmm.yaml, for completion and checks in an editor.

A variable may stand for any value; what it comes to is checked by `vmm manifest check`.

\b
Examples:
  vmm manifest schema > vmm.schema.json
  # yaml-language-server: $schema=./vmm.schema.json     (the first line of vmm.yaml)"""


class _Commands(LazyGroup):
    entries = {  # noqa: RUF012 - as LazyGroup declares it
        "show": Entry(_HERE, "show", "Print the manifest that all its files make together", _SECTION),
        "check": Entry(_HERE, "check", "Look for mistakes in the manifest", _SECTION),
        "schema": Entry(_HERE, "schema", "Print the JSON Schema of vmm.yaml", _SECTION),
    }


@click.group(cls=_Commands)
def manifest() -> None:
    """The manifest: what its files, variables and VMs that extend others come to, and whether it is right."""


@click.command(help=_SHOW)
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", help="[default: yaml]")
@click.option("--origins", is_flag=True, help="Say for each value which file and line it comes from.")
@pass_invocation
def show(invocation: Invocation, form: str, *, origins: bool) -> None:
    """`vmm manifest show`."""
    from vmmcompose.manifest import show as showing

    found = _read(invocation)
    root = showing.shown_manifest(found.root, found.desired.project)
    if form == "yaml":
        click.echo(showing.as_yaml(root, with_origins=origins), nl=False)
        return
    value = {"manifest": root.data, "origins": showing.origins(root)} if origins else root.data
    click.echo(showing.as_json(value), nl=False)


@click.command()
@pass_invocation
def check(invocation: Invocation) -> None:
    """Look for mistakes in all files of the manifest, without a look at the host.

    Says what is wrong, where and what to do about it, and exits with 65; or with 0 if all is well.
    """
    found = _read(invocation)
    names = ", ".join(found.files)
    count = len(found.desired.vms)
    vms = "one VM" if count == 1 else f"{count} VMs"
    invocation.say(f"project {found.desired.project}, {vms}: no mistakes in {names}")


@click.command(help=_SCHEMA)
def schema() -> None:
    """`vmm manifest schema`."""
    from vmmcompose.manifest import editor_schema

    click.echo(editor_schema(), nl=False)


def _read(invocation: Invocation) -> "Manifest":
    from vmmcompose.loading import load_manifest

    return load_manifest(invocation.settings(), invocation.reading())
