"""What goes into a guest's disk and onto its kernel's command line, as values. Nothing here does I/O."""

from vmmcompose.guest.entries import GuestEntry
from vmmcompose.guest.files import FSTAB, files_digest, guest_files, removals
from vmmcompose.guest.names import command_line, host_name, hosts_file, volume_label

__all__ = [
    "FSTAB",
    "GuestEntry",
    "command_line",
    "files_digest",
    "guest_files",
    "host_name",
    "hosts_file",
    "removals",
    "volume_label",
]
