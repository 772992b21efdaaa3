"""What a guest's shell is told to take a mount off and to put it back, with nothing but POSIX sh and mount(8)."""

import shlex

from vmmcompose.guest.names import fstab_path
from vmmcompose.model.desired import Mount

BUSY = 75
"""The exit code where something in the guest uses the mount; its users are printed then, `PID NAME` each."""
_TRIES = 10

_UNMOUNT = """
at={at} written={written}
device=
while read -r what where _; do [ "$where" != "$written" ] || device=$what; done </proc/mounts
[ -n "$device" ] || exit 0
tries=0
until said=$(umount "$at" 2>&1); do
    tries=$((tries + 1))
    if [ $tries -ge {tries} ]; then
        for process in /proc/[0-9]*; do
            for held in "$process"/cwd "$process"/root "$process"/exe "$process"/fd/*; do
                case $(readlink "$held" 2>/dev/null) in
                "$at" | "$at"/*)
                    read -r name <"$process/comm" && echo "${{process#/proc/}} $name"
                    break
                    ;;
                esac
            done
        done
        echo "$said" >&2
        exit {busy}
    fi
    sleep 0.1 2>/dev/null || sleep 1
done
echo "$device"
"""
_MOUNT = """
at={at} device={device}
[ -n "$device" ] || device=$(findfs LABEL={tag} 2>/dev/null || blkid -L {tag})
blockdev --flushbufs "$device" 2>/dev/null
mount -t ext4 -o ro,noatime "$device" "$at"
"""


def unmount(mount: Mount) -> str:
    """Takes a mount off, after a second at most while something uses it, and prints the device it was on.

    One that is not mounted is no error; then nothing is printed.
    """
    at, written = shlex.quote(mount.place), shlex.quote(fstab_path(mount.place))
    return _UNMOUNT.format(at=at, written=written, tries=_TRIES, busy=BUSY)


def remount(mount: Mount, device: str) -> str:
    """Puts a read-only mount back, from a device of which nothing is remembered; an empty one is found by label."""
    return _MOUNT.format(at=shlex.quote(mount.place), tag=mount.tag, device=f"'{device}'")


def is_device(text: str) -> bool:
    """Whether what a guest printed is the name of a device."""
    return text.startswith("/dev/") and all(letter.isalnum() or letter in "/_-.:" for letter in text)
