"""What could be pulled, from every source, as far as the sources answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.images import bucket, build, kernels, releases
from vmmcompose.images.offers import Kind, Offer, Origin
from vmmcompose.images.pull import BUCKET
from vmmcompose.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Silent:
    """A source that gave no list, and why."""

    origin: Origin
    source: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Remote:
    """Everything that is offered."""

    offers: tuple[Offer, ...]
    silent: tuple[Silent, ...]


def list_remote(settings: Settings, kind: Kind) -> Remote:
    """What every source offers, in the order in which they are tried. A source that does not answer is noted."""
    found: list[Offer] = []
    silent: list[Silent] = []
    for origin, words, ask in _sources(settings, kind):
        try:
            found += ask()
        except (HostError, HostUnfit) as error:
            silent.append(Silent(origin, words, error.message, error.hint))
    return Remote(tuple(found), tuple(silent))


def _sources(settings: Settings, kind: Kind) -> Sequence[tuple[Origin, str, Callable[[], list[Offer]]]]:
    repos: list[tuple[Origin, str, Callable[[], list[Offer]]]] = [
        ("github", f"releases of {repo}", lambda repo=repo: releases.list_offers(repo, kind))  # type: ignore[misc]
        for repo in settings.release_repos
    ]
    here = _recipes if kind == "image" else _package
    return [*repos, ("s3", BUCKET, lambda: bucket.list_offers(kind)), ("build", "this host", here)]


def _recipes() -> list[Offer]:
    return [Offer(name, "", "build", f"build {name}") for name in build.RECIPES]


def _package() -> list[Offer]:
    """The distribution's kernel; its version is known only once the package lists are read."""
    return [Offer("default", "", "build", f"package {kernels.default_package()}")]
