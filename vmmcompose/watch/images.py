"""Images that were imported anew under the same name: who still runs on the old one is told, once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmmcompose.host.store import list_images
from vmmcompose.host.stored import read_disk_info
from vmmcompose.model.desired import Desired
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record
from vmmcompose.watch.notice import Notice, Tell


@dataclass(slots=True)
class Renewed:
    """What has been told. A new root disk is made only for whoever asks: what is on the old one would be lost."""

    paths: Paths
    tell: Tell
    _told: dict[str, str] = field(default_factory=dict)

    def look(self, desired: Desired, records: Mapping[str, Record]) -> None:
        """Tells of VMs whose images are not those their disks were made from."""
        images = list_images(self.paths)
        for vm in desired.vms:
            image, record = images.get(vm.image), records.get(vm.name)
            if image is None or record is None or self._told.get(vm.name) == image.digest:
                continue
            info = read_disk_info(self.paths, record.spec.name)
            if info is None or info.image != vm.image or info.image_digest == image.digest:
                continue
            self._told[vm.name] = image.digest
            words = f"image {vm.image} was made anew; {vm.name} still runs on the old one"
            self.tell(Notice("image", words, vm.name, hint=f"`vmm up --recreate {vm.name}` changes over"))
