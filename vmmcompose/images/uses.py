"""Who needs an image or a kernel: it is not deleted under them."""

from vmmcompose.host import store
from vmmcompose.host.records import read_records
from vmmcompose.model.paths import Paths


def image_users(paths: Paths, name: str) -> list[str]:
    """Names on the host of the VMs that were made from an image, sorted.

    Raises:
        HostError: the records cannot be read.
    """
    return sorted(record.spec.name for record in read_records(paths)[0] if record.spec.image == name)


def kernel_users(paths: Paths, name: str) -> list[str]:
    """Names on the host of the VMs that boot a kernel, by its own name or as `default`, sorted.

    Raises:
        HostError: the records cannot be read.
    """
    names = {name, "default"} if store.default_kernel(paths) == name else {name}
    return sorted(record.spec.name for record in read_records(paths)[0] if record.spec.kernel in names)
