"""Values given as options, read with the manifest's own rules: one spelling for `vmm.yaml` and command line."""

from collections.abc import Callable
from typing import TypeVar

from vmmcompose.errors import UsageError

T = TypeVar("T")


def given(option: str, read: Callable[..., T], *arguments: object) -> T:
    """What `read` makes of an option's value.

    Raises:
        UsageError: it will not do; says why, as the manifest's problems do.
    """
    from vmmcompose.manifest.report import BadValueError

    try:
        return read(*arguments)
    except BadValueError as error:
        raise UsageError(f"{option} {error.message}", hint=error.hint) from error


def size(option: str, text: str, least: int, most: int) -> int:
    """A size in MiB; a plain number counts MiB.

    Raises:
        UsageError: it is none.
    """
    from vmmcompose.manifest.values import size_mib

    return given(option, size_mib, int(text) if text.isascii() and text.isdigit() else text, least, most)
