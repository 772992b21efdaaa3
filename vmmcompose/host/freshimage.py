"""A mount's image made beside the one that a running guest has, and put in its place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.host.files import PathLike, failed, sync_dir, sync_file, temp_path, write_atomic
from vmmcompose.host.mounts import make_image_of, note_mount
from vmmcompose.model.desired import Mount


@dataclass(frozen=True, slots=True)
class FreshImage:
    """An image under a temporary name, as it is until it is in its place."""

    mount: Mount
    target: Path
    info: Path
    temp: Path
    digest: str

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The image has the name of the old one; when this block fails, the old one and its sidecar have it again.

        Until `keep` there is no sidecar, so that whoever is interrupted leaves an image that counts as unfinished.

        Raises:
            HostError: the system refused.
        """
        old = temp_path(f"{self.target}.old")
        try:
            sidecar = self.info.read_bytes()
            old.unlink(missing_ok=True)
            old.hardlink_to(self.target)
            self.info.unlink()
            sync_dir(self.info.parent)
            self.temp.rename(self.target)
        except OSError as error:
            raise failed(f"cannot exchange {self.target}", error) from error
        try:
            yield
        except BaseException:
            old.rename(self.target)
            write_atomic(self.info, sidecar)
            raise
        finally:
            with suppress(OSError):
                old.unlink(missing_ok=True)

    def keep(self) -> None:
        """Writes the sidecar: the guest has it.

        Raises:
            HostError: it could not be written.
        """
        note_mount(self.mount, self.info, self.digest)


@contextmanager
def fresh_image(mount: Mount, target: PathLike, info_path: PathLike) -> Iterator[FreshImage]:
    """Makes the image; what was not put in its place goes at the end.

    Raises:
        HostError: as `mounts.build_mount`.
    """
    temp = temp_path(target)
    try:
        temp.unlink(missing_ok=True)
        digest = make_image_of(mount, temp)
        sync_file(temp)
        yield FreshImage(mount, Path(target), Path(info_path), temp, digest)
    except OSError as error:
        raise failed(f"cannot make the image {os.fspath(target)}", error) from error
    finally:
        with suppress(OSError):
            temp.unlink(missing_ok=True)
