"""The names that the guests of a project know each other by."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Peers:
    """(short name, address) of every VM of a project, sorted; equal when the digests are.

    A record keeps the digest alone, and `entries` are empty where nobody knows them any more: n records with n
    names each would be more than anybody can read.
    """

    digest: str = ""
    entries: tuple[tuple[str, str], ...] = field(default=(), compare=False)


NOBODY = Peers()


def peers_of(entries: Iterable[tuple[str, str]]) -> Peers:
    """The names with their digest."""
    from hashlib import sha256  # loads libcrypto, which a listing does without

    ordered = tuple(sorted(entries))
    text = "".join(f"{name} {address}\n" for name, address in ordered)
    return Peers(sha256(text.encode()).hexdigest()[:32], ordered)
