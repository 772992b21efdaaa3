"""Kernels and images from elsewhere: releases on GitHub, Firecracker's bucket, or built here, in this order."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from vmmcompose.errors import RemoteError, UsageError
from vmmcompose.host import locks, store
from vmmcompose.host.download import download
from vmmcompose.host.files import remove_tree
from vmmcompose.host.stored import leftovers
from vmmcompose.images import bucket, build, firecrackerci, kernels, publish, releases, rootfsfile
from vmmcompose.images.chain import Link, T, first
from vmmcompose.images.offers import Offer, answers, secure
from vmmcompose.images.packages import Progress
from vmmcompose.model.observed import Image, Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings

DEFAULT_IMAGE = "ubuntu-24.04"
_UBUNTU = re.compile(r"^ubuntu-\d\d\.\d\d$")
_VERSION = re.compile(r"^\d+\.\d+(\.\d+)?$")
BUCKET = "Firecracker's bucket"


def default_image(settings: Settings) -> str:
    """The image that is pulled where none is named: that of `vm_defaults`, else ubuntu-24.04."""
    wanted = settings.vm_defaults.image
    return wanted if wanted and "/" not in wanted else DEFAULT_IMAGE


def pull_image(
    paths: Paths,
    settings: Settings,
    name: str,
    on_progress: Progress,
    *,
    force: bool = False,
    origin: str = "",
) -> Image:
    """Puts an image into the store. One that is there is left alone unless `force`, and no server is asked.

    Args:
        paths: where the store lies.
        settings: whose `release_repos` are asked.
        name: which one, and what to call it; empty for `default_image`.
        on_progress: told what is tried, and how far it is.
        force: replace an image of that name.
        origin: `github`, `s3` or `build`, to try this one alone; empty for all.

    Raises:
        UsageError: nothing of that name can be pulled.
        HostError: no source gave it.
    """
    name = publish.check_name(name or default_image(settings))

    def existing() -> Image | None:
        image = store.list_images(paths).get(name)
        return image if image and image.digest and not force else None

    def links() -> list[Link[Image]]:
        return _only(origin, _image_links(paths, settings, name, on_progress, force=force), f"image {name}")

    return _pull(paths, f"image {name}", existing, links, on_progress)


def pull_kernel(
    paths: Paths,
    settings: Settings,
    name: str,
    on_progress: Progress,
    *,
    force: bool = False,
    origin: str = "",
) -> Kernel:
    """Puts a kernel into the store; see `pull_image`.

    A name such as `6.1` or `6.1.150` is a version too. Without one it is the newest, called by its version, and
    nothing is done where there is a default kernel already.

    Raises:
        HostError: no source gave it.
    """
    name = "" if name == "default" else name
    if name:
        publish.check_name(name)

    def existing() -> Kernel | None:
        return None if force else store.list_kernels(paths).get(name or "default")

    what = f"kernel {name or 'default'}"

    def links() -> list[Link[Kernel]]:
        return _only(origin, _kernel_links(paths, settings, name, on_progress, force=force), what)

    return _pull(paths, what, existing, links, on_progress)


def _pull(
    paths: Paths,
    what: str,
    existing: Callable[[], T | None],
    links: Callable[[], Sequence[Link[T]]],
    on_progress: Progress,
) -> T:
    there = existing()
    if there is None:
        chain = links()
        publish.prepare(paths)
        with locks.hold(paths.lock("pull"), "the downloads", timeout_s=7200, on_wait=on_progress):
            there = existing()
            if there is None:
                _sweep(paths)
                return first(chain, f"the {what}", on_progress)
    on_progress(f"{what} is in the store already")
    return there


def _only(origin: str, links: list[Link[T]], what: str) -> list[Link[T]]:
    """The links of one origin, or all.

    Raises:
        UsageError: there are none.
    """
    chosen = [link for link in links if origin in ("", link.origin)]
    if chosen:
        return chosen
    if origin == "github":
        raise UsageError(
            "no repository is known whose releases hold kernels and images",
            hint="vmm config set release_repos OWNER/NAME",
        )
    elsewhere = sorted({link.origin for link in links})
    hint = (
        f"it comes from {' or '.join(elsewhere)}"
        if elsewhere
        else "`vmm image list --remote` shows what there is"
    )
    raise UsageError(
        f"{what} does not come from {origin}" if origin else f"{what} cannot be pulled from anywhere",
        hint=hint,
    )


def _image_links(
    paths: Paths, settings: Settings, name: str, on_progress: Progress, *, force: bool
) -> list[Link[Image]]:
    def take(find: Callable[[], list[Offer]]) -> Image:
        offer = _matching(
            find(), lambda one: one.name == name, f"no image {name} with a file for this machine"
        )
        return _fetch_image(paths, offer, name, on_progress)

    links: list[Link[Image]] = [
        Link("github", f"releases of {repo}", partial(take, partial(releases.list_offers, repo, "image")))
        for repo in settings.release_repos
    ]
    if _UBUNTU.match(name):
        find = partial(bucket.list_offers, "image", lambda offer: offer.name == name)
        links.append(Link("s3", BUCKET, partial(take, find)))
    recipe = build.RECIPES.get(name)
    if recipe:
        make = partial(build.build, paths, recipe, name, on_progress, force=force)
        links.append(Link("build", "building it here", make))
    return links


def _kernel_links(
    paths: Paths, settings: Settings, name: str, on_progress: Progress, *, force: bool
) -> list[Link[Kernel]]:
    asked = name if _VERSION.match(name) else ""

    def wanted(offer: Offer) -> bool:
        return not asked or answers(offer.version, asked)

    def take(find: Callable[[], list[Offer]]) -> Kernel:
        offer = _matching(find(), wanted, f"no kernel {asked} for this machine".replace("  ", " "))
        return _fetch_kernel(paths, offer, name or offer.name, on_progress)

    links: list[Link[Kernel]] = [
        Link("github", f"releases of {repo}", partial(take, partial(releases.list_offers, repo, "kernel")))
        for repo in settings.release_repos
    ]
    links.append(Link("s3", BUCKET, partial(take, partial(bucket.list_offers, "kernel", wanted))))
    if not asked:  # the distribution has one version, whichever that is
        make = partial(kernels.import_package, paths, on_progress, name=name, force=force)
        links.append(Link("build", "the distribution's package", make))
    return links


def _matching(offers: Sequence[Offer], wanted: Callable[[Offer], bool], otherwise: str) -> Offer:
    found = next((offer for offer in offers if wanted(offer)), None)
    if found is None:
        raise RemoteError(otherwise)
    return found


def _fetch_image(paths: Paths, offer: Offer, name: str, on_progress: Progress) -> Image:
    customize = firecrackerci.customize if offer.origin == "s3" else _as_it_is
    with (
        _fetched(paths, offer, paths.image(name), on_progress) as (file, work),
        locks.hold(paths.lock("images"), "the image store", on_wait=on_progress),
    ):
        rootfsfile.publish_file(paths, name, file, work, offer.fields(), on_progress, customize=customize)
    return store.list_images(paths)[name]


def _as_it_is(_tree: Path) -> None:
    pass


def _fetch_kernel(paths: Paths, offer: Offer, name: str, on_progress: Progress) -> Kernel:
    with _fetched(paths, offer, paths.kernel(name), on_progress) as (file, _work):
        try:
            return kernels.import_file(paths, file, on_progress, name=name, force=True, origin=offer.fields())
        except UsageError as error:  # it is the server's fault, not the user's
            raise RemoteError(f"{offer.url}: {error.message}", hint=error.hint) from error


@contextmanager
def _fetched(
    paths: Paths, offer: Offer, target: PurePosixPath, on_progress: Progress
) -> Iterator[tuple[Path, Path]]:
    """The file, checked, and a folder to work in; both are gone at the end."""
    base = releases.api_url() if offer.origin == "github" else bucket.bucket_url()
    url = secure(offer.url, base)
    digest = releases.read_digest(offer) if offer.origin == "github" else offer.digest
    size = f" ({offer.size_bytes / (1 << 20):.0f} MiB)" if offer.size_bytes else ""
    on_progress(f"fetching {offer.source}{size}")
    with publish.scratch(target) as work:
        file = work / "download"
        download(url, file, paths.downloads(), on_progress, digest=digest)
        if offer.size_bytes and file.stat().st_size != offer.size_bytes:
            raise RemoteError(f"{url} has {file.stat().st_size} bytes and should have {offer.size_bytes}")
        yield file, work


def _sweep(paths: Paths) -> None:
    """Removes what interrupted pulls and builds have left beside kernels and images."""
    below = (f"{paths.kernels()}/", f"{paths.rootfs()}/")
    for path in leftovers(paths):
        if path.startswith(below):
            remove_tree(path)
