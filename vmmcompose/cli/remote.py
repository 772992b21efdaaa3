"""`vmm image list --remote` and `vmm kernel list --remote`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vmmcompose.cli.invocation import Invocation, print_json
from vmmcompose.cli.stored import SCHEMA_VERSION, print_table

if TYPE_CHECKING:
    from vmmcompose.images.offers import Kind, Offer


def show_remote(invocation: Invocation, kind: "Kind", *, as_json: bool) -> None:
    """What can be pulled, as a table or as JSON. Sources that do not answer are named, and are no error."""
    from vmmcompose.host import store
    from vmmcompose.images.remote import list_remote

    paths = invocation.paths()
    stored = store.list_images(paths) if kind == "image" else store.list_kernels(paths)
    found = list_remote(invocation.settings(), kind)
    for one in found.silent:
        invocation.say(f"{one.source}: {one.message}" + (f" ({one.hint})" if one.hint else ""))
    if as_json:
        rows = [_row(offer) | {"in_store": offer.name in stored} for offer in found.offers]
        silent = [asdict(one) for one in found.silent]
        print_json({"schema_version": SCHEMA_VERSION, f"{kind}s": rows, "unreachable": silent})
        return
    cells = [
        (offer.name, offer.origin, _size(offer), "yes" if offer.name in stored else "no", _source(offer))
        for offer in found.offers
    ]
    print_table(("NAME", "FROM", "SIZE", "IN STORE", "SOURCE"), cells)
    if not invocation.settings().release_repos:
        invocation.say("no GitHub repository is asked: vmm config set release_repos OWNER/NAME")


def _row(offer: "Offer") -> dict[str, Any]:
    return {
        "name": offer.name,
        "version": offer.version,
        "origin": offer.origin,
        "source": offer.source,
        "url": offer.url,
        "size_bytes": offer.size_bytes or None,
        "signed": offer.origin != "s3",
    }


def _size(offer: "Offer") -> str:
    from vmmcompose.render.tables import mib

    return mib(offer.size_bytes) if offer.size_bytes else "-"


def _source(offer: "Offer") -> str:
    return f"{offer.source} ({offer.note})" if offer.note else offer.source
