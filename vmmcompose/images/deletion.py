"""`vmm image delete`: an image that no VM was made from leaves the store."""

import os

from vmmcompose.errors import Refused, UsageError
from vmmcompose.host import locks, store
from vmmcompose.host.files import failed
from vmmcompose.images.packages import Progress
from vmmcompose.images.uses import image_users
from vmmcompose.model.paths import Paths


def delete_image(paths: Paths, name: str, on_wait: Progress) -> None:
    """Deletes an image and its sidecar.

    A VM has a copy of its own, yet `--recreate` and the next VM like it need the image: so it is kept for them.

    Raises:
        UsageError: there is no such image.
        Refused: a VM was made from it.
        HostError: it could not be deleted.
    """
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_wait):
        known = list(store.list_images(paths))
        if name not in known:
            raise UsageError(f"there is no image {name!r}", hint=_nearest(name, known))
        users = image_users(paths, name)
        if users:
            hint = "delete those VMs first, or give them another image"
            raise Refused(f"image {name} is used by {', '.join(users)}; it was not deleted", hint=hint)
        for path in (paths.image_info(name), paths.image(name)):
            try:
                os.unlink(str(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise failed(f"cannot delete image {name}", error) from error


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(known)}" if known else "there are none"
