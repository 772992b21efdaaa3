"""A store, and a server that is GitHub and a bucket at once."""

from pathlib import Path, PurePosixPath

from file_server import Files
from release_server import MACHINE, REPO, Bucket, GitHub
from tiny_kernel import tiny_kernel

from vmmcompose.host import store
from vmmcompose.images import pull
from vmmcompose.model.observed import Image, Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings

SETTINGS = Settings(release_repos=(REPO,))
NEW, OLD = tiny_kernel("new: up\n"), tiny_kernel("old: up\n")
BUILD = "firecracker-ci/20260105-abc123-0"


class Scene:
    """A server, a store, and what was said."""

    def __init__(self, files: Files, folder: Path) -> None:
        self.files = files
        self.github = GitHub(files)
        self.bucket = Bucket(files)
        self.paths = Paths(PurePosixPath(folder / "data"))
        self.said: list[str] = []

    def pull(self, name: str = "6.1", **options: object) -> Kernel:
        return pull.pull_kernel(self.paths, SETTINGS, name, self.said.append, **options)  # type: ignore[arg-type]

    def pull_image(self, name: str, **options: object) -> Image:
        return pull.pull_image(self.paths, SETTINGS, name, self.said.append, **options)  # type: ignore[arg-type]

    def content(self, name: str = "6.1") -> bytes:
        return Path(self.paths.kernel(name) / "vmlinux").read_bytes()

    def info(self, name: str = "6.1") -> dict[str, object]:
        return store.read_info(self.paths.kernel(name) / store.KERNEL_INFO)

    def leftovers(self) -> list[str]:
        root = Path(self.paths.root / "images")
        return sorted(
            str(path.relative_to(root))
            for path in root.rglob("*")
            if ".tmp." in path.name or path.parent.name == "downloads"
        )


def both(scene: Scene) -> None:
    scene.github.release("kernel-6.1.150", {"vmlinux.bin": NEW})
    scene.bucket.put(f"{BUILD}/{MACHINE}/vmlinux-6.1.141", OLD)
