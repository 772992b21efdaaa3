"""What the drivers can do, for plans of hosts that exist only as values."""

from vmmcompose.model.capabilities import Capabilities

CAPABILITIES = {
    "qemu": Capabilities("qemu", ("bzimage", "vmlinux"), 32, 24, 2047, swap_drive=True),
    "firecracker": Capabilities("firecracker", ("vmlinux",), 32, 12, 2048),
}
